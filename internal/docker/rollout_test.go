//go:build engine

package docker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/ask"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// behindEdge is a service that starts first, behind an edge that listens on PORT.
const behindEdge = `
apiVersion: hsectl/v1
kind: Profile
name: NAME
services:
  web:
    image: IMAGE
    command: [MODE]
    user: "10001:10001"
    limits: {cpus: "0.5", memory: 64M, pids: 50}
    shutdown: {grace: 3s}
    health: {command: [/program, health], interval: 2s, timeout: 2s, retries: 5, start_period: 1s}
    rollout: {order: start-first, settle: 500ms, drain: 500ms}
  edge:
    health: {interval: 2s, timeout: 2s}
    shutdown: {grace: 5s}
edge:
  address: 127.0.0.1
  http: PORT
  https: SECURE
  sites:
    shop.test: {service: web, port: 8080, tls: "off"}
    safe.test: {service: web, port: 8080, certificate: chain, key: chain_key, headers: {X-Frame-Options: DENY}}
secrets:
  chain: {env: CHAIN}
  chain_key: {env: CHAIN_KEY}
`

// certificate returns one that is valid for a name, with its key, and the pool that trusts it.
func certificate(t *testing.T, name string) (chain, key []byte, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trust = x509.NewCertPool()
	trust.AppendCertsFromPEM(chain)
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), trust
}

// visit asks a site of the edge over TLS, or without when it has no certificate, and follows no redirect.
func visit(t *testing.T, name, port, scheme string, trust *x509.CertPool) (status int, protocol string, header http.Header, err error) {
	t.Helper()
	client := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: trust},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
			}},
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+name+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, "", nil, err
	}
	defer answer.Body.Close()
	return answer.StatusCode, answer.Proto, answer.Header, nil
}

// The edge ends TLS with the certificate that it was given, sends plain HTTP there, sets headers, and does not answer to
// names that are no site.
func checkSites(t *testing.T, plain, secure string, trust *x509.CertPool) {
	t.Helper()
	status, protocol, header, err := visit(t, "safe.test", secure, "https", trust)
	if err != nil {
		t.Fatal(err)
	}
	if status != http.StatusOK || protocol != "HTTP/2.0" {
		t.Errorf("over TLS: %s %d", protocol, status)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=31536000",
		"Server": "", "Via": "", "Alt-Svc": `h3=":` + secure + `"; ma=2592000`} {
		if got := header.Get(name); got != want {
			t.Errorf("header %s is %q, not %q", name, got, want)
		}
	}
	if status, _, header, err = visit(t, "safe.test", plain, "http", nil); err != nil || status != http.StatusPermanentRedirect || header.Get("Location") != "https://safe.test:"+secure+"/" {
		t.Errorf("without TLS: %d to %s, %v", status, header.Get("Location"), err)
	}
	if status, _, _, err = visit(t, "other.test", plain, "http", nil); err == nil {
		t.Errorf("another name got an answer: %d", status)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// applyTo brings a stack from where it is to what is desired, and back when that fails, as a transaction does.
func applyTo(t *testing.T, e *Engine, s stack.Stack, secrets map[string]deploy.Secret, last *record.Entry) (*record.Entry, error) {
	t.Helper()
	d := deploy.Desired{Stack: s, Secrets: secrets, Timeout: deployTimeout, Last: last}
	observed, plan := planOf(t, e, d)
	silent := func(deploy.Event) {}
	failure := deploy.Execute(t.Context(), plan, e, silent)
	number := 1
	if last != nil {
		number = last.Number + 1
	}
	if failure != nil && last != nil {
		observed, err := e.Observe(t.Context(), deploy.Desired{Stack: last.Release.Model()})
		if err != nil {
			t.Fatal(err)
		}
		back, err := deploy.NewReturn(last.Release, observed, deployTimeout)
		if err != nil {
			t.Fatal(err)
		}
		if err := deploy.Execute(t.Context(), back, e, silent); err != nil {
			t.Fatal(err)
		}
		return last, failure
	}
	record := &record.Entry{Number: number, Release: deploy.NewRelease(d, observed, plan, number)}
	var err error
	if record.Outcome.Containers, err = e.ContainerIDs(t.Context(), s.Name); err != nil {
		t.Fatal(err)
	}
	if failure == nil {
		asRendered(t, e, s, record.Release)
	}
	return record, failure
}

// asRendered holds that all containers of a stack are what its release says, whichever way they were made.
func asRendered(t *testing.T, e *Engine, s stack.Stack, r record.Release) {
	t.Helper()
	evidence, err := verify.Verify(t.Context(), s, e, verify.Options{Rendered: &verify.Rendered{File: r.Compose, Environment: r.Environment}})
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, f := range evidence.Findings {
		if f.Control != policy.WholeComparison {
			continue
		}
		compared++
		if f.Status != finding.Pass {
			t.Errorf("%s is not what was rendered: %s: %s", f.Subject, f.Status, f.Detail)
		}
	}
	if compared != len(s.Services) {
		t.Errorf("%d of %d services were compared", compared, len(s.Services))
	}
}

// edged is a stack behind an edge, deployed.
type edged struct {
	stack.Stack
	text         string // of its profile
	port, secure string // of the edge, on this machine
	trust        *x509.CertPool
	secrets      map[string]deploy.Secret
	record       *record.Entry
}

// deployEdged deploys the profile behind an edge, with other texts in the place of some.
func deployEdged(t *testing.T, e *Engine, replaced ...string) edged {
	t.Helper()
	out := edged{port: freePort(t), secure: freePort(t)}
	out.text = strings.NewReplacer(append([]string{"PORT", out.port, "SECURE", out.secure}, replaced...)...).Replace(behindEdge)
	out.Stack = testStack(t, e, out.text, "serve")
	chain, key, trust := certificate(t, "safe.test")
	out.trust, out.secrets = trust, map[string]deploy.Secret{"chain": deploy.NewSecret(chain), "chain_key": deploy.NewSecret(key)}
	var err error
	if out.record, err = applyTo(t, e, out.Stack, out.secrets, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

// While new connections come, a service behind the edge is replaced, replaced by one that never gets healthy, and brought
// back; then the edge gets another site, another certificate, and one that it refuses: no request is lost.
func TestRolloutLosesNoRequest(t *testing.T) {
	e := testEngine(t)
	up := deployEdged(t, e)
	port, secure, text, trust, first, secrets, record := up.port, up.secure, up.text, up.trust, up.Stack, up.secrets, up.record
	var err error
	checkSites(t, port, secure, trust)
	with := func(mode, version string) stack.Stack {
		return reshaped(first, "web", func(web *stack.Service) {
			web.Command, web.Environment = []string{mode}, []stack.Variable{{Name: "VERSION", Value: version}}
		})
	}

	lost := visitors(t, ask.Visit{URL: "http://127.0.0.1:" + port + "/", Host: "shop.test", PerSecond: 200})
	before := record.Outcome.Containers["web"]
	if record, err = applyTo(t, e, with("serve", "2"), secrets, record); err != nil {
		t.Fatal(err)
	}
	after := record.Outcome.Containers["web"]
	if len(after) != 1 || slices.Equal(before, after) {
		t.Errorf("web had container %v and has %v", before, after)
	}
	_, err = applyTo(t, e, with("sick", "3"), secrets, record)
	var unhealthy *deploy.UnhealthyError
	if !errors.As(err, &unhealthy) || unhealthy.Service != "web" {
		t.Errorf("the sick version ended with %v", err)
	}
	if now, err := e.ContainerIDs(t.Context(), first.Name); err != nil || !slices.Equal(now["web"], after) {
		t.Errorf("web should have kept %v and has %v, %v", after, now["web"], err)
	}
	lost("a change of web")
	lost = visitors(t, ask.Visit{URL: "https://127.0.0.1:" + secure + "/", Host: "safe.test", Insecure: true, PerSecond: 50})
	reloads(t, e, record, text, secrets, port, secure)
	lost("a change of the edge")
}

// visitors come until they are asked whether all got an answer.
func visitors(t *testing.T, v ask.Visit) (lost func(by string)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	seen := make(chan ask.Visited, 1)
	go func() { seen <- ask.Send(ctx, v) }()
	return func(by string) {
		t.Helper()
		stop()
		if got := <-seen; got.Failed > 0 || got.Requests == 0 {
			t.Errorf("by %s, %d of %d requests failed: %v", by, got.Failed, got.Requests, got.Errors)
		} else {
			t.Logf("%s: %d requests, none failed", by, got.Requests)
		}
	}
}

// reloads changes what the edge reads, as far as its container need not be replaced for that.
func reloads(t *testing.T, e *Engine, record *record.Entry, text string, secrets map[string]deploy.Secret, port, secure string) {
	t.Helper()
	s := record.Release.Model()
	container := idsOf(t, e, s, "edge")
	same := func(what string) {
		t.Helper()
		if now := idsOf(t, e, s, "edge"); !slices.Equal(now, container) {
			t.Errorf("after %s the edge has container %v, and had %v", what, now, container)
		}
	}
	web, _ := s.Service("web")
	text = strings.NewReplacer(`tls: "off"}`, `tls: "off", headers: {X-Frame-Options: DENY}}
    new.test: {service: web, port: 8080, certificate: new_chain, key: new_key}`, "secrets:\n", "secrets:\n  new_chain: {env: NEW}\n  new_key: {env: NEW_KEY}\n").Replace(text)
	more := reshaped(stackOf(t, e, s.Name, text, "serve"), "web", func(s *stack.Service) { *s = web })
	chain, key, trust := certificate(t, "new.test")
	secrets = maps.Clone(secrets)
	secrets["new_chain"], secrets["new_key"] = deploy.NewSecret(chain), deploy.NewSecret(key)
	record, err := applyTo(t, e, more, secrets, record)
	if err != nil {
		t.Fatal(err)
	}
	same("another site")
	told := func(s stack.Stack, want finding.Status) (got string) {
		t.Helper()
		for range 5 { // on a busy machine the health test, which tells it, may find no time
			if got = answer(judge(t, e, s), "HSE-OPS-013", want); got != noFinding {
				break
			}
		}
		return got
	}
	if got := told(more, finding.Pass); !strings.HasPrefix(got, "it has loaded ") {
		t.Errorf("what it has loaded: %s", got)
	}
	if got := told(s, finding.Drift); !strings.Contains(got, "but the profile renders") {
		t.Errorf("what it has loaded, for the profile before: %s", got)
	}
	if status, _, header, err := visit(t, "new.test", secure, "https", trust); err != nil || status != http.StatusOK || header.Get("Strict-Transport-Security") == "" {
		t.Errorf("the new site answers %d, %v", status, err)
	}
	if _, _, header, err := visit(t, "shop.test", port, "http", nil); err != nil || header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("the new header is %q, %v", header.Get("X-Frame-Options"), err)
	}

	old := trust
	chain, key, trust = certificate(t, "new.test")
	renewed := maps.Clone(secrets)
	renewed["new_chain"], renewed["new_key"] = deploy.NewSecret(chain), deploy.NewSecret(key)
	if record, err = applyTo(t, e, more, renewed, record); err != nil {
		t.Fatal(err)
	}
	same("another certificate")
	if _, _, _, err := visit(t, "new.test", secure, "https", trust); err != nil {
		t.Errorf("the new certificate: %v", err)
	}
	if _, _, _, err := visit(t, "new.test", secure, "https", old); err == nil {
		t.Error("the edge still has the certificate before")
	}

	broken := maps.Clone(renewed)
	broken["new_key"] = deploy.NewSecret([]byte("no key"))
	_, err = applyTo(t, e, more, broken, record)
	if refused, ok := errors.AsType[*deploy.RefusedError](err); !ok || !strings.Contains(refused.Reason, "PEM data in key") {
		t.Errorf("a key that is none ended with %v", err)
	}
	same("a key that is none")
	if _, _, _, err := visit(t, "new.test", secure, "https", trust); err != nil {
		t.Errorf("after that: %v", err)
	}
	observed, err := e.Observe(t.Context(), deploy.Desired{Stack: more, Last: record})
	if err != nil {
		t.Fatal(err)
	}
	conditions := deploy.Compare(*record, observed)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conditions {
		if c.Service == "edge" && len(c.Drift) > 0 {
			t.Errorf("the way back left %q", c.Drift)
		}
	}
}

// A run that was killed in the middle of a swap leaves two containers and a slot that names one of them. The next one
// ends with a single container of the new kind, which answers.
func TestRolloutGoesOnAfterAKill(t *testing.T) {
	e := testEngine(t)
	up := deployEdged(t, e)
	port, s, secrets, record := up.port, up.Stack, up.secrets, up.record
	i := slices.IndexFunc(s.Services, func(s stack.Service) bool { return s.Name == "web" })
	s.Services = slices.Clone(s.Services)
	s.Services[i].Environment = []stack.Variable{{Name: "VERSION", Value: "2"}}
	d := deploy.Desired{Stack: s, Secrets: secrets, Timeout: deployTimeout, Last: record}
	_, plan := planOf(t, e, d)
	killed, kill := context.WithCancel(t.Context())
	defer kill()
	for _, step := range plan.Steps {
		err := e.Apply(killed, []deploy.Step{step}, func(ev deploy.Event) {
			if ev.Text == "traffic moved" {
				kill()
			}
		})
		if killed.Err() != nil {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if list, err := e.Service(t.Context(), s.Name, "web"); err != nil || len(list) != 2 {
		t.Fatalf("the interrupted run left %d containers, %v", len(list), err)
	}
	record, err := applyTo(t, e, s, secrets, record)
	if err != nil {
		t.Fatal(err)
	}
	list, err := e.Service(t.Context(), s.Name, "web")
	if err != nil || len(list) != 1 || !slices.Contains(list[0].Config.Env, "VERSION=2") {
		t.Fatalf("there are %d containers, %v", len(list), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if got := ask.Send(ctx, ask.Visit{URL: "http://127.0.0.1:" + port + "/", Host: "shop.test", PerSecond: 20}); got.Failed > 0 || got.Requests == 0 {
		t.Errorf("afterwards %d of %d requests failed: %v", got.Failed, got.Requests, got.Errors)
	}
	record = loadsAfterAKill(t, e, up.text, record, secrets, port)
	gate, _ := deploy.GateOf(record.Release)
	if err := e.Maintain(t.Context(), gate, true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got := ask.Send(ctx, ask.Visit{URL: "http://127.0.0.1:" + port + "/", Host: "shop.test", PerSecond: 20}); got.Failed != got.Requests {
		t.Errorf("in maintenance %d of %d requests were answered", got.Requests-got.Failed, got.Requests)
	}
}

// loadsAfterAKill brings the edge files that it does not load, as a run that is killed just then, and deploys again.
func loadsAfterAKill(t *testing.T, e *Engine, text string, record *record.Entry, secrets map[string]deploy.Secret, port string) *record.Entry {
	t.Helper()
	web, _ := record.Release.Model().Service("web")
	text = strings.Replace(text, `tls: "off"}`, `tls: "off", headers: {X-Frame-Options: DENY}}`, 1)
	s := reshaped(stackOf(t, e, record.Release.Stack, text, "serve"), "web", func(s *stack.Service) { *s = web })
	d := deploy.Desired{Stack: s, Secrets: secrets, Timeout: deployTimeout, Last: record}
	_, plan := planOf(t, e, d)
	var err error
	for _, step := range plan.Steps {
		switch step.Kind {
		case deploy.DeliverConfigs:
			err = e.Apply(t.Context(), []deploy.Step{step}, func(deploy.Event) {})
		case deploy.Load:
			step.Load.Compose.File = []byte("no: [Compose file")
			if e.Apply(t.Context(), []deploy.Step{step}, func(deploy.Event) {}) == nil {
				t.Fatal("the edge has loaded what it cannot")
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	header := func() string {
		t.Helper()
		_, _, header, err := visit(t, "shop.test", port, "http", nil)
		if err != nil {
			t.Fatal(err)
		}
		return header.Get("X-Frame-Options")
	}
	if got := header(); got == "DENY" {
		t.Fatalf("before it is told, the edge sets %q", got)
	}
	if record, err = applyTo(t, e, s, secrets, record); err != nil {
		t.Fatal(err)
	}
	if got := header(); got != "DENY" {
		t.Errorf("after the next deploy the edge sets %q", got)
	}
	return record
}
