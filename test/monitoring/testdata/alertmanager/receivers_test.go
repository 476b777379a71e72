// Package alertmanager tries the configuration that is rendered for Alertmanager with its own code. It is a module of its
// own, so that nothing of Alertmanager is among the dependencies of hsectl.
package alertmanager_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/email"
	"github.com/prometheus/alertmanager/notify/slack"
	"github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"
)

// Alertmanager's own code loads the configuration and tells each kind of receiver, on this machine's loopback: what arrives
// names the service, and came by the address, or with the password, that is in the secret's file.
func TestReceiversAreToldByAlertmanager(t *testing.T) {
	bodies := make(chan string, 10)
	posts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- r.URL.Path + " " + string(body)
		_, _ = w.Write([]byte("ok"))
	}))
	defer posts.Close()
	mail := newMailServer(t)
	rendered, err := os.ReadFile("alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, value := range map[string]string{"alert_webhook": posts.URL + "/hook", "slack_url": posts.URL + "/slack", "mail_password": "opensesame"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(strings.NewReplacer("/run/secrets", dir, "mail.example.test:587", mail.address).Replace(string(rendered)))
	if err != nil {
		t.Fatalf("Alertmanager does not load its configuration: %v", err)
	}
	told := map[string]bool{}
	for _, receiver := range c.Receivers {
		told[receiver.Name] = true
		for _, w := range receiver.WebhookConfigs {
			n, err := webhook.New(w, messages(t), slog.New(slog.DiscardHandler))
			tell(t, n, err)
			arrives(t, bodies, "/hook ", `"alertname":"MemoryNearLimit"`, `"service":"redis"`)
		}
		for _, w := range receiver.SlackConfigs {
			n, err := slack.New(w, messages(t), slog.New(slog.DiscardHandler))
			tell(t, n, err)
			arrives(t, bodies, "/slack ", "#alerts", "firing: MemoryNearLimit redis", "redis is nearly full", "https://runbooks.test/MemoryNearLimit.md")
		}
		for _, w := range receiver.EmailConfigs {
			w.TLSConfig.CAFile = mail.authority
			tell(t, email.New(w, messages(t), slog.New(slog.DiscardHandler)), nil)
			arrives(t, mail.letters, "from b opensesame", "RCPT TO:<a@example.test>", "MemoryNearLimit", "redis is nearly full")
		}
	}
	for _, name := range []string{"nobody", "operators", "chat", "mail"} {
		if !told[name] {
			t.Errorf("there is no receiver %s", name)
		}
	}
}

func messages(t *testing.T) *template.Template {
	t.Helper()
	tmpl, err := template.FromGlobs(nil)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.ExternalURL = &url.URL{Scheme: "http", Host: "alertmanager:9093"}
	return tmpl
}

func tell(t *testing.T, n notify.Notifier, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ctx = notify.WithGroupKey(notify.WithReceiverName(ctx, "r"), "group")
	ctx = notify.WithGroupLabels(ctx, model.LabelSet{"alertname": "MemoryNearLimit"})
	if _, err := n.Notify(ctx, &alert.Alert{Alert: model.Alert{StartsAt: time.Now(), EndsAt: time.Now().Add(time.Hour),
		Labels:      model.LabelSet{"alertname": "MemoryNearLimit", "service": "redis", "severity": "critical"},
		Annotations: model.LabelSet{"summary": "redis is nearly full", "runbook_url": "https://runbooks.test/MemoryNearLimit.md"}}}); err != nil {
		t.Fatal(err)
	}
}

func arrives(t *testing.T, from <-chan string, words ...string) {
	t.Helper()
	select {
	case got := <-from:
		for _, word := range words {
			if !strings.Contains(got, word) {
				t.Errorf("what arrives lacks %q:\n%s", word, got)
			}
		}
	case <-t.Context().Done():
		t.Fatal("nothing arrives")
	}
}

// mailServer speaks as much SMTP as a relay must: it takes letters after STARTTLS and a login only.
type mailServer struct {
	address, authority string
	letters            <-chan string
}

func newMailServer(t *testing.T) mailServer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	letters := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return // the test has ended without a letter
		}
		defer conn.Close()
		letters <- converse(conn, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	}()
	return mailServer{listener.Addr().String(), authority, letters}
}

// converse returns the letter with its envelope, and who had logged in.
func converse(conn net.Conn, keys *tls.Config) string {
	var letter strings.Builder
	in, secure, login := bufio.NewReader(conn), false, ""
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 mail.test ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return letter.String()
		}
		letter.WriteString(line)
		switch verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); strings.ToUpper(verb) {
		case "EHLO":
			if secure {
				say("250-mail.test\r\n250 AUTH PLAIN")
			} else {
				say("250-mail.test\r\n250 STARTTLS")
			}
		case "STARTTLS":
			say("220 go on")
			conn, secure = tls.Server(conn, keys), true
			in = bufio.NewReader(conn)
		case "AUTH":
			login = decodePlain(rest)
			say("235 welcome")
		case "DATA":
			if !secure || login == "" {
				say("530 log in first")
				continue
			}
			say("354 go on")
			for line := ""; line != ".\r\n" && err == nil; line, err = in.ReadString('\n') {
				letter.WriteString(strings.TrimSuffix(line, "=\r\n")) // quoted-printable breaks long lines so
			}
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return "from " + login + "\n" + letter.String()
		default:
			say("250 ok")
		}
	}
}

// decodePlain returns user and password of AUTH PLAIN (RFC 4616).
func decodePlain(rest string) string {
	_, encoded, _ := strings.Cut(rest, " ")
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))
}
