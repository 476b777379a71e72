package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/mount"
)

// These tests reach the engine as people reach those of other machines: through a real sshd, and through TLS with
// certificates of both sides, by address, by environment and by Docker context.

// remote is a way to the engine.
type remote struct {
	env  []string
	args []string // flags of hsectl
}

// Deploy, verify and rollback work over every kind of connection, and nothing of this machine is mounted there.
func TestRemoteEngines(t *testing.T) {
	t.Parallel()
	server, secured := newSSHD(t), newTLS(t)
	path := "PATH=" + server.bin + ":" + os.Getenv("PATH")
	for name, way := range map[string]func(*testing.T) remote{
		"ssh by flag": func(*testing.T) remote { return remote{[]string{path}, []string{"--host", server.url}} },
		"ssh by context": func(t *testing.T) remote {
			return remote{[]string{path, dockerContext(t, "host="+server.url)}, []string{"--context", "remote"}}
		},
		"tls by environment": func(*testing.T) remote {
			return remote{[]string{"DOCKER_HOST=" + secured.url, "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=" + secured.dir}, nil}
		},
		"tls by context": func(t *testing.T) remote {
			return remote{[]string{dockerContext(t, fmt.Sprintf("host=%s,ca=%s/ca.pem,cert=%[2]s/cert.pem,key=%[2]s/key.pem", secured.url, secured.dir)), "DOCKER_CONTEXT=remote"}, nil}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFault(t)
			r := way(t)
			f.env = append(r.env, "TMPDIR="+t.TempDir())
			run := func(generation string, args ...string) { f.must(generation, append(args, r.args...)...) }
			old, next := f.profile("old", "serve", "serve"), f.profile("next", "serve", "serve")
			run("old", "deploy", "-f", old)
			run("next", "deploy", "--verify=false", "-f", next)
			run("", "rollback", "--verify=false", "--stack", f.name)
			run("old", "verify", "-f", old)
			f.env = nil // the engine is near, and says the same of itself
			f.is("old", old)
			list, err := f.e.stackContainers(t.Context(), f.name)
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
}

// Who has no certificate that the engine knows, or no key that sshd knows, is told so.
func TestRemoteEngineRefuses(t *testing.T) {
	t.Parallel()
	f := newFault(t)
	old := f.profile("old", "serve", "serve")
	server, secured, other := newSSHD(t), newTLS(t), newTLS(t)
	if err := os.Remove(filepath.Join(server.dir, "authorized_keys")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"unknown key":         {[]string{"PATH=" + server.bin + ":" + os.Getenv("PATH"), "DOCKER_HOST=" + server.url}, "Permission denied"},
		"unknown certificate": {[]string{"DOCKER_HOST=" + secured.url, "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=" + other.dir}, "certificate"},
		"no certificate":      {[]string{"DOCKER_HOST=" + secured.url}, ""},
	} {
		f.env = c.env
		if code, out := f.run("old", "deploy", "-f", old); code != 1 || !strings.Contains(out, "reaching the engine") || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d\n%s", name, code, out)
		}
	}
	f.env = nil
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

// secured is the engine behind TLS that asks for a certificate.
type secured struct {
	dir string // with ca.pem, cert.pem and key.pem, as DOCKER_CERT_PATH has them
	url string
}

func newTLS(t *testing.T) secured {
	t.Helper()
	dir := t.TempDir()
	ca, caKey := signed(t, nil, nil, x509.ExtKeyUsageAny)
	serverCert, serverKey := signed(t, ca, caKey, x509.ExtKeyUsageServerAuth)
	clientCert, clientKey := signed(t, ca, caKey, x509.ExtKeyUsageClientAuth)
	keyBytes, err := x509.MarshalECPrivateKey(clientKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem":   {Type: "CERTIFICATE", Bytes: ca.Raw},
		"cert.pem": {Type: "CERTIFICATE", Bytes: clientCert.Raw},
		"key.pem":  {Type: "EC PRIVATE KEY", Bytes: keyBytes},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known := x509.NewCertPool()
	known.AddCert(ca)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known, MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{serverCert.Raw}, PrivateKey: serverKey}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer near.Close()
				far, err := net.Dial("unix", engineSocket())
				if err != nil {
					return
				}
				defer far.Close()
				go func() { _, _ = io.Copy(far, near); far.Close() }()
				_, _ = io.Copy(near, far) // ends when either side closes
			}()
		}
	}()
	return secured{dir, "tcp://" + listener.Addr().String()}
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
