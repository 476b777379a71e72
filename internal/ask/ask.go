// Package ask puts questions to services over the network, as their clients do: HTTP, TLS, gRPC, databases, and load.
package ask

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hsectl/hsectl/internal/verify"
)

const maxAnswerBytes = 1 << 20

// dial makes a connection. It is where a question enters the network.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// Check puts one question to a service and judges the answer. Whatever goes wrong is an answer too.
func Check(ctx context.Context, c verify.Check) verify.Answer {
	var dialer net.Dialer
	return dial(dialer.DialContext).check(ctx, c)
}

func (d dial) check(ctx context.Context, c verify.Check) verify.Answer {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	begun := time.Now()
	answer, err := d.to(c.Address).ask(ctx, c)
	answer.Took = time.Since(begun)
	switch {
	case err != nil:
		return verify.Answer{Text: err.Error(), Took: answer.Took}
	case answer.OK && c.Latency > 0 && answer.Took > c.Latency:
		answer.OK, answer.Text = false, fmt.Sprintf("%s, but took longer than %s", answer.Text, c.Latency)
	}
	return answer
}

// to connects to one address, whatever is asked for; to any when it is empty.
func (d dial) to(address string) dial {
	if address == "" {
		return d
	}
	return func(ctx context.Context, network, _ string) (net.Conn, error) { return d(ctx, network, address) }
}

func (d dial) ask(ctx context.Context, c verify.Check) (verify.Answer, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return verify.Answer{}, fmt.Errorf("reading the address: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
		return d.askHTTP(ctx, c)
	case "tcp":
		return d.connect(ctx, c, u)
	case "udp":
		return d.askUDP(ctx, u)
	case "quic":
		return d.askQUIC(ctx, u)
	case "tls":
		return d.askTLS(ctx, c, u)
	case "dns":
		names, err := net.DefaultResolver.LookupHost(ctx, u.Host)
		return verify.Answer{OK: len(names) > 0, Text: strings.Join(names, " ")}, err
	case "postgres":
		answer, err := d.talk(ctx, u, "5432", startup())
		return verify.JudgePostgres(answer), err
	case "mysql":
		answer, err := d.talk(ctx, u, "3306", []byte{})
		return verify.JudgeMySQL(answer), err
	case "redis":
		answer, err := d.talk(ctx, u, "6379", []byte("*1\r\n$4\r\nPING\r\n"))
		return verify.JudgeRedis(answer), err
	case "grpc", "grpcs":
		return d.askGRPC(ctx, c, u)
	}
	return verify.Answer{}, fmt.Errorf("unknown scheme %q", u.Scheme)
}

func tlsConfig(c verify.Check, name string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, InsecureSkipVerify: c.Insecure}
}

func (d dial) askHTTP(ctx context.Context, c verify.Check) (verify.Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return verify.Answer{}, fmt.Errorf("reading the address: %w", err)
	}
	transport := &http.Transport{DialContext: d, TLSClientConfig: tlsConfig(c, ""), DisableKeepAlives: true}
	one := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := one.Do(request)
	if err != nil {
		return verify.Answer{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes))
	if err != nil {
		return verify.Answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	return c.JudgeHTTP(answer.StatusCode, answer.Header.Get, string(body)), nil
}

func (d dial) askTLS(ctx context.Context, c verify.Check, u *url.URL) (verify.Answer, error) {
	connection, err := d(ctx, "tcp", withPort(u, "443"))
	if err != nil {
		return verify.Answer{}, err
	}
	defer connection.Close()
	secured := tls.Client(connection, tlsConfig(c, u.Hostname()))
	if err := secured.HandshakeContext(ctx); err != nil {
		return verify.Answer{}, err
	}
	state := secured.ConnectionState()
	return c.JudgeCertificate(tls.VersionName(state.Version), state.PeerCertificates[0].NotAfter, time.Now()), nil
}

func (d dial) askGRPC(ctx context.Context, c verify.Check, u *url.URL) (verify.Answer, error) {
	security := insecure.NewCredentials()
	if u.Scheme == "grpcs" {
		security = credentials.NewTLS(tlsConfig(c, u.Hostname()))
	}
	connection, err := grpc.NewClient("passthrough:///"+u.Host, grpc.WithTransportCredentials(security),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return d(ctx, "tcp", address) }))
	if err != nil {
		return verify.Answer{}, err
	}
	defer connection.Close()
	answer, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: strings.TrimPrefix(u.Path, "/")})
	if err != nil {
		return verify.Answer{}, err
	}
	return verify.Answer{OK: answer.Status == grpc_health_v1.HealthCheckResponse_SERVING, Text: strings.ToLower(answer.Status.String())}, nil
}

func withPort(u *url.URL, port string) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// talk connects, says something, and reads what comes first. With an empty message it only listens.
func (d dial) talk(ctx context.Context, u *url.URL, port string, message []byte) ([]byte, error) {
	connection, err := d(ctx, "tcp", withPort(u, port))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := connection.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if _, err := connection.Write(message); err != nil {
		return nil, err
	}
	buffer := make([]byte, 4096)
	n, err := connection.Read(buffer)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return buffer[:n], err
}

// startup is the message that opens a conversation with PostgreSQL: its length, version 3.0, and pairs of names and values.
func startup() []byte {
	body := binary.BigEndian.AppendUint32(nil, 3<<16)
	body = append(body, "user\x00hsectl\x00database\x00hsectl\x00application_name\x00hsectl probe\x00\x00"...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}
