package ask

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// Handshake is what a visitor gets who speaks TLS with a site.
type Handshake struct {
	Version string        // that both sides choose
	Old     string        // a version before 1.2 that is accepted, too; empty when none is
	Left    time.Duration // until the certificate expires; negative when it has
	Names   bool          // the certificate is for the name
	Trusted bool          // an authority that this machine trusts vouches for it
	Why     string        // why it is not trusted
	Refused string        // why there is no handshake at all
}

// ShakeHands connects to an address as a visitor of a name does. The certificate is judged here, after the handshake, so
// that each thing that is wrong with it can be reported. Only an address on which nothing listens is an error.
func ShakeHands(ctx context.Context, address, name string) (Handshake, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	state, err := handshake(ctx, address, &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true})
	if unreachable, ok := errors.AsType[*net.OpError](err); ok && unreachable.Op == "dial" || ctx.Err() != nil {
		return Handshake{}, fmt.Errorf("connecting to %s: %w", address, err)
	}
	if err != nil {
		return Handshake{Refused: err.Error()}, nil
	}
	leaf := state.PeerCertificates[0]
	out := Handshake{Version: tls.VersionName(state.Version), Left: time.Until(leaf.NotAfter), Names: leaf.VerifyHostname(name) == nil}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Intermediates: between}); err != nil {
		out.Why = err.Error()
	} else {
		out.Trusted = true
	}
	old, err := handshake(ctx, address, &tls.Config{ServerName: name, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true})
	if err == nil {
		out.Old = tls.VersionName(old.Version)
	}
	return out, nil
}

func handshake(ctx context.Context, address string, config *tls.Config) (tls.ConnectionState, error) {
	dialer := tls.Dialer{Config: config}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer connection.Close()
	secured, ok := connection.(*tls.Conn)
	if !ok || len(secured.ConnectionState().PeerCertificates) == 0 {
		return tls.ConnectionState{}, errors.New("the server sent no certificate")
	}
	return secured.ConnectionState(), nil
}
