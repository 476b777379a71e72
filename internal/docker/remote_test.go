//go:build engine

package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/mount"
)

// These tests reach the engine as people reach those of other machines: through a real sshd, and an engine of their own that
// asks for certificates, by address, by environment and by Docker context.

// remote is a way to an engine.
type remote struct {
	env     []string
	args    []string // flags of hsectl
	near    string   // the same engine by its socket; empty for the one of all tests
	through []string // what starts hsectl where the engine is reached
}

// Deploy, verify and rollback work over every kind of connection, and nothing of this machine is mounted there. Who has no
// certificate that the engine knows, or no key that sshd knows, is told so.
func TestRemoteEngines(t *testing.T) {
	t.Parallel()
	server, secured := newSSHD(t), newSecured(t)
	path := "PATH=" + server.bin + ":" + os.Getenv("PATH")
	for name, way := range map[string]func(*testing.T) remote{
		"ssh by flag": func(*testing.T) remote { return remote{env: []string{path}, args: []string{"--host", server.url}} },
		"ssh by context": func(t *testing.T) remote {
			return remote{env: []string{path, dockerContext(t, "host="+server.url)}, args: []string{"--context", "remote"}}
		},
		"tls by environment": func(*testing.T) remote { return secured.by(secured.environment(secured.certificates)...) },
		"tls by context": func(t *testing.T) remote {
			return secured.by(dockerContext(t, fmt.Sprintf("host=%s,ca=%s/ca.pem,cert=%[2]s/cert.pem,key=%[2]s/key.pem", securedURL, secured.certificates)), "DOCKER_CONTEXT=remote")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := way(t)
			f := newFaultOn(t, r.near)
			near := f.env
			f.env, f.through = slices.Concat(r.env, []string{"TMPDIR=" + t.TempDir()}), r.through
			run := func(generation string, args ...string) { f.must(generation, append(args, r.args...)...) }
			old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
			run("old", "deploy", "-f", old)
			run("next", "deploy", "--verify=false", "-f", next)
			run("", "rollback", "--verify=false", "--stack", f.name)
			run("old", "verify", "-f", old)
			f.env, f.through = near, nil // by its socket the engine says the same of itself
			f.is("old", old)
			list, err := f.e.Stack(t.Context(), f.name)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				for _, m := range c.Mounts {
					if m.Type == mount.TypeBind {
						t.Errorf("%s mounts %s of its host", c.Name, m.Source)
					}
				}
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		f := newFault(t)
		old := f.profile("old", "serve", "serve")
		strange := newSSHD(t)
		if err := os.Remove(filepath.Join(strange.dir, "authorized_keys")); err != nil {
			t.Fatal(err)
		}
		other := newCertificates(t)
		mixed := t.TempDir() // the client knows the engine, and the engine does not know the client
		for name, from := range map[string]string{"ca.pem": secured.certificates, "cert.pem": other, "key.pem": other} {
			if err := os.Link(filepath.Join(from, name), filepath.Join(mixed, name)); err != nil {
				t.Fatal(err)
			}
		}
		for name, c := range map[string]struct {
			way  remote
			want string
		}{
			"unknown key":                        {remote{env: []string{"PATH=" + strange.bin + ":" + os.Getenv("PATH"), "DOCKER_HOST=" + strange.url}}, "Permission denied"},
			"an engine of another authority":     {secured.by(secured.environment(other)...), "certificate signed by unknown authority"},
			"a certificate of another authority": {secured.by(secured.environment(mixed)...), "certificate"},
			"no certificate":                     {secured.by("DOCKER_HOST=" + securedURL), ""},
		} {
			f.env, f.through = c.way.env, c.way.through
			if code, out := f.run("old", "deploy", "-f", old); code != 1 || !strings.Contains(out, "reaching the engine") || !strings.Contains(out, c.want) {
				t.Errorf("%s: exit %d\n%s", name, code, out)
			}
		}
	})
}

// dockerContext makes a Docker context named remote, and returns the variable that names its directory.
func dockerContext(t *testing.T, endpoint string) string {
	t.Helper()
	config := "DOCKER_CONFIG=" + t.TempDir()
	cmd := exec.Command("docker", "context", "create", "remote", "--docker", endpoint)
	cmd.Env = append(os.Environ(), config)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker context create: %v\n%s", err, out)
	}
	return config
}

// sshd is an OpenSSH server of the test's own.
type sshd struct {
	dir string
	bin string // directory of an ssh that uses the test's key and configuration
	url string
}

func newSSHD(t *testing.T) sshd {
	t.Helper()
	const program = "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("this test needs an OpenSSH server: scripts/sshd installs it (%v)", err)
	}
	dir := t.TempDir()
	for _, name := range []string{"host", "client"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, "client.pub"))
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	// sshd answers on its input and output, as inetd would have it: so the port is ours, and known, before it is asked.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd wants it
		t.Fatal(err)
	}
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"authorized_keys": string(public),
		"known_hosts":     "[127.0.0.1]:" + port + " " + string(hostKey),
		"sshd_config": fmt.Sprintf("HostKey %s/host\nAuthorizedKeysFile %[1]s/authorized_keys\nStrictModes no\nUsePAM no\n"+
			"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxSessions 50\nLogLevel ERROR\n", dir),
		"ssh_config": fmt.Sprintf("IdentityFile %s/client\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile %[1]s/known_hosts\nBatchMode yes\n", dir),
		"bin/ssh":    fmt.Sprintf("#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh_config \"$@\"\n", dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveSSH(conn, program, filepath.Join(dir, "sshd_config"))
		}
	}()
	return sshd{dir, bin, "ssh://root@127.0.0.1:" + port}
}

// serveSSH lets sshd serve one connection to its end.
func serveSSH(conn net.Conn, program, config string) {
	defer conn.Close()
	f, err := conn.(*net.TCPConn).File()
	if err != nil {
		return
	}
	defer f.Close()
	cmd := exec.Command(program, "-i", "-f", config)
	cmd.Stdin, cmd.Stdout = f, f
	_ = cmd.Run() // whoever is refused sees it on the other side
}

// securedURL is where an engine that asks for certificates listens, within its own network namespace.
const securedURL = "tcp://127.0.0.1:2376"

// secured is an engine of the test's own that asks for a certificate.
type secured struct {
	engine       *private
	certificates string // directory with ca.pem, cert.pem and key.pem of a client, as DOCKER_CERT_PATH has them
}

func newSecured(t *testing.T) secured {
	t.Helper()
	dir := newCertificates(t)
	engine := newPrivate(t, "--host", securedURL, "--tlsverify", "--tlscacert", filepath.Join(dir, "ca.pem"),
		"--tlscert", filepath.Join(dir, "server.pem"), "--tlskey", filepath.Join(dir, "server-key.pem"))
	return secured{engine, dir}
}

// by is the way to the engine from within its network namespace.
func (s secured) by(env ...string) remote {
	return remote{env: env, near: s.engine.host, through: []string{"nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", s.engine.init)}}
}

// environment names the engine and the certificates of a client.
func (secured) environment(certificates string) []string {
	return []string{"DOCKER_HOST=" + securedURL, "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=" + certificates}
}

// newCertificates makes an authority, and certificates of an engine and of a client that it signed.
func newCertificates(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ca, caKey := signed(t, nil, nil, x509.ExtKeyUsageAny)
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.pem", "CERTIFICATE", ca.Raw)
	for _, c := range []struct {
		certificate, key string
		use              x509.ExtKeyUsage
	}{{"server.pem", "server-key.pem", x509.ExtKeyUsageServerAuth}, {"cert.pem", "key.pem", x509.ExtKeyUsageClientAuth}} {
		certificate, key := signed(t, ca, caKey, c.use)
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(c.certificate, "CERTIFICATE", certificate.Raw)
		write(c.key, "EC PRIVATE KEY", der)
	}
	return dir
}

// signed makes a certificate for 127.0.0.1, signed by ca, or one that signs others where ca is nil.
func signed(t *testing.T, ca *x509.Certificate, caKey *ecdsa.PrivateKey, use x509.ExtKeyUsage) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	wanted := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "hsectl test " + serial.String()}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{use},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: ca == nil}
	if ca == nil {
		ca, caKey = wanted, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, wanted, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}
