package review_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/review"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/profiles"
)

var today = time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)

// shop is the base of most cases: a program that was not known to the library, and a database that is.
const shop = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  app:
    image: registry.example/app:1@sha256:` + digestA + `
    user: "1000:1000"
    limits: {cpus: "1.0", memory: 512M, pids: 100}
    health: {command: [/app, health], interval: 15s, timeout: 5s, retries: 3, start_period: 20s}
    shutdown: {grace: 30s}
    writable:
      - {path: /data/logs, volume: logs}
      - {path: /tmp, tmpfs: 64M}
    environment: {LEVEL: info}
    secrets: [token]
    ports: ["8080:8080"]
    networks: [backend, edge]
    depends_on: [db]
    verify: {denied: [/etc], listen: [8080]}
  db:
    preset: postgres
    secrets: [{name: password, env: POSTGRES_PASSWORD_FILE}]
    networks: [backend]
  worker:
    image: registry.example/worker:1
    user: "1001:1001"
    limits: {cpus: "1.0", memory: 256M, pids: 100}
    health: {command: [/worker, health]}
    capabilities: [{name: NET_RAW, reason: sends pings}]
    networks: [backend]
secrets:
  token: {env: TOKEN}
  password: {env: PASSWORD}
networks:
  backend: {}
  edge: {publish: true}
exceptions:
  - {control: HSE-HLT-004, service: worker, reason: legacy, owner: ops, expires: 2027-04-01}
`

const (
	digestA = "1111111111111111111111111111111111111111111111111111111111111111"
	digestB = "2222222222222222222222222222222222222222222222222222222222222222"
)

// edit replaces a text that must be in the profile.
type edit struct{ from, to string }

// declare judges the rendered file of a side.
func declare(t *testing.T, of review.Side) review.Side {
	t.Helper()
	d, err := witness.Declare(t.Context(), known(t, of.Stack))
	if err != nil {
		t.Fatal(err)
	}
	of.Declared, of.Open = d.Check(), d.Open()
	return of
}

func side(t *testing.T, text string, edits ...edit) review.Side {
	t.Helper()
	for _, e := range edits {
		if !strings.Contains(text, e.from) {
			t.Fatalf("the profile has no %q", e.from)
		}
		text = strings.Replace(text, e.from, e.to, 1)
	}
	p, err := parser.Parse([]byte(text), parser.Options{File: "shop.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	s := stack.New(p)
	files, err := generate.Render(s, generate.Source{Profile: "shop.yaml", Generator: "hsectl"})
	if err != nil {
		t.Fatal(err)
	}
	return declare(t, review.Side{Stack: s, Rendered: files[0].Data})
}

// verdict is one change of a profile, and what the review must say of it: direction, severity, control, service, and the words in
// which it is named.
type verdict struct {
	edits []edit
	want  []string
}

func verdicts() map[string]verdict {
	worker := "  worker:\n    image: registry.example/worker:1\n"
	return map[string]verdict{
		"nothing changes":    {nil, nil},
		"a comment changes":  {[]edit{{"kind: Profile", "kind: Profile # reviewed"}}, nil},
		"the order of keys":  {[]edit{{"{cpus: \"1.0\", memory: 512M, pids: 100}", "{pids: 100, memory: 512M, cpus: \"1.0\"}"}}, nil},
		"a capability added": {[]edit{{"    environment: {LEVEL: info}\n", "    environment: {LEVEL: info}\n    capabilities: [{name: CHOWN, reason: x}]\n"}}, []string{"weaker high HSE-CAP-001 app capability: → CHOWN"}},
		"a dangerous one": {[]edit{{"    environment: {LEVEL: info}\n", "    environment: {LEVEL: info}\n    capabilities: [{name: SYS_ADMIN, reason: x}]\n"}},
			[]string{"weaker critical HSE-CAP-001 app capability: → SYS_ADMIN", "weaker high HSE-CAP-002 app no dangerous capability is granted"}},
		"a capability moved between services": {[]edit{{"    capabilities: [{name: NET_RAW, reason: sends pings}]\n", ""}, {"    environment: {LEVEL: info}\n", "    environment: {LEVEL: info}\n    capabilities: [{name: NET_RAW, reason: sends pings}]\n"}},
			[]string{"weaker high HSE-CAP-001 app capability: → NET_RAW (moved here from worker", "stronger high HSE-CAP-001 worker capability: NET_RAW →"}},
		"the reason of a capability":                 {[]edit{{"reason: sends pings", "reason: measures the way"}}, []string{"neutral info HSE-CAP-001 worker reason for capability NET_RAW"}},
		"a default removed that the preset restores": {[]edit{{"    preset: postgres\n", "    preset: postgres\n    shutdown: {signal: SIGINT, grace: 120s}\n"}}, nil},
		"a default of the preset overridden":         {[]edit{{"    preset: postgres\n", "    preset: postgres\n    shutdown: {grace: 10s}\n"}}, []string{"weaker medium HSE-PRE-008 db", "weaker low HSE-LIF-002 db grace period: 2m0s → 10s"}},
		"a port opened to the world":                 {[]edit{{`["8080:8080"]`, `["0.0.0.0:8080:8080"]`}}, []string{"weaker high HSE-NET-001 app published port: 127.0.0.1:8080→8080/tcp → 0.0.0.0:8080→8080/tcp"}},
		"a port opened to the office":                {[]edit{{`["8080:8080"]`, `["10.0.0.5:8080:8080"]`}}, []string{"weaker medium HSE-NET-001 app published port"}},
		"a port opened on IPv6":                      {[]edit{{`["8080:8080"]`, `["[::]:8080:8080"]`}}, []string{"weaker high HSE-NET-001 app published port"}},
		"another host port":                          {[]edit{{`["8080:8080"]`, `["8081:8080"]`}}, []string{"neutral info HSE-NET-001 app published port"}},
		"another container port":                     {[]edit{{`["8080:8080"]`, `["8080:9090"]`}}, []string{"neutral medium HSE-NET-001 app published port"}},
		"one more port":                              {[]edit{{`["8080:8080"]`, `["8080:8080", "9000:9000"]`}}, []string{"weaker low HSE-NET-001 app published port: → 127.0.0.1:9000→9000/tcp"}},
		"no port":                                    {[]edit{{"    ports: [\"8080:8080\"]\n", ""}}, []string{"stronger low HSE-NET-001 app published port"}},
		"an exception extended":                      {[]edit{{"2027-04-01", "2027-05-01"}}, []string{"weaker medium HSE-HLT-004 worker exception: HSE-HLT-004 until 2027-04-01 → HSE-HLT-004 until 2027-05-01"}},
		"an exception extended for long":             {[]edit{{"2027-04-01", "2028-04-01"}}, []string{"weaker high HSE-HLT-004 worker exception"}},
		"an exception shortened":                     {[]edit{{"2027-04-01", "2027-03-15"}}, []string{"stronger low HSE-HLT-004 worker exception"}},
		"an exception for another reason":            {[]edit{{"reason: legacy", "reason: we could not be bothered"}}, []string{"neutral info HSE-HLT-004 worker reason of the exception"}},
		"an exception added": {[]edit{{"exceptions:\n", "exceptions:\n  - {control: HSE-FS-001, service: app, reason: writes anywhere, expires: 2027-04-01}\n"}},
			[]string{"weaker high HSE-FS-001 app exception: → HSE-FS-001 until 2027-04-01"}},
		"an exception removed": {[]edit{{"  - {control: HSE-HLT-004, service: worker, reason: legacy, owner: ops, expires: 2027-04-01}\n", "  []\n"}}, []string{"stronger low HSE-HLT-004 worker exception"}},
		"a service removed": {[]edit{{"  db:\n    preset: postgres\n    secrets: [{name: password, env: POSTGRES_PASSWORD_FILE}]\n    networks: [backend]\n", ""}, {"    depends_on: [db]\n", ""}},
			[]string{"neutral info app dependency: db healthy →", "neutral info db service: postgres:18 → (the service was removed"}},
		"a service added": {[]edit{{worker, "  cache: {preset: redis, networks: [backend], ports: [\"0.0.0.0:6379:6379\"]}\n" + worker}, {"  backend: {}", "  backend: {publish: true}"}},
			[]string{"weaker high HSE-NET-001 cache published port", "weaker high HSE-PRE-010 cache", "neutral info cache service: → redis:8", "neutral info HSE-NET-004 cache network"}},
		"a writable path widened to its parent": {[]edit{{"path: /data/logs", "path: /data"}}, []string{"weaker high HSE-FS-002 app writable path: /data/logs → /data (volume logs)"}},
		"a writable path narrowed":              {[]edit{{"path: /data/logs", "path: /data/logs/app"}}, []string{"stronger medium HSE-FS-002 app writable path"}},
		"one more writable path":                {[]edit{{"      - {path: /tmp,", "      - {path: /cache, tmpfs: 8M}\n      - {path: /tmp,"}}, []string{"weaker medium HSE-FS-002 app writable path: → /cache (tmpfs 8M)"}},
		"a writable path less":                  {[]edit{{"      - {path: /tmp, tmpfs: 64M}\n", ""}}, []string{"stronger medium HSE-FS-002 app writable path"}},
		"programs may run from a tmpfs":         {[]edit{{"tmpfs: 64M}", "tmpfs: 64M, exec: true}"}}, []string{"weaker medium HSE-FS-002 app programs on /tmp: noexec → exec"}},
		"a larger tmpfs":                        {[]edit{{"tmpfs: 64M}", "tmpfs: 96M}"}}, []string{"weaker low HSE-FS-002 app size of /tmp: 64M → 96M"}},
		"others may read a directory":           {[]edit{{"volume: logs}", "volume: logs, mode: \"0755\"}"}}, []string{"weaker low HSE-FS-002 app owner of /data/logs"}},
		"a volume shared with another service":  {[]edit{{"volume: logs}", "volume: db-data, owner: \"999:999\"}"}}, []string{"weaker medium HSE-FS-002 app writable path"}},
		"a volume becomes a tmpfs":              {[]edit{{"volume: logs}", "tmpfs: 8M}"}}, []string{"neutral medium HSE-FS-002 app writable path"}},
		"egress through a network change": {[]edit{{"  backend: {}", "  backend: {egress: true}"}},
			[]string{"weaker high HSE-NET-005 app way out: → network backend", "weaker high HSE-NET-005 db way out", "weaker high HSE-NET-005 worker way out"}},
		"egress through another network": {[]edit{{"networks: [backend, edge]", "networks: [backend, edge, out]"}, {"  backend: {}", "  backend: {}\n  out: {egress: true}"}},
			[]string{"weaker high HSE-NET-005 app way out: → network out", "neutral info HSE-NET-004 app network: → out"}},
		"a network of others": {[]edit{{"networks: [backend, edge]", "networks: [backend, edge, partners]"}, {"  backend: {}", "  backend: {}\n  partners: {external: true}"}},
			[]string{"weaker high HSE-NET-004 app network: → partners", "weaker high HSE-NET-005 app way out"}},
		"a network less":       {[]edit{{"reason: sends pings}]\n    networks: [backend]", "reason: sends pings}]\n    networks: [apart]"}, {"  backend: {}", "  backend: {}\n  apart: {}"}}, []string{"stronger low HSE-NET-004 worker network: backend →", "neutral info HSE-NET-004 worker network: → apart"}},
		"more containers":      {[]edit{{"registry.example/worker:1\n", "registry.example/worker:1\n    replicas: 3\n"}}, []string{"neutral info HSE-LIF-007 worker containers: 1 → 3 (more are left when one fails; together they may use 3 × "}},
		"more memory":          {[]edit{{"memory: 512M", "memory: 768M"}}, []string{"weaker low HSE-RES-001 app memory limit: 512M → 768M"}},
		"four times as much":   {[]edit{{"memory: 512M", "memory: 2G"}}, []string{"weaker medium HSE-RES-001 app memory limit: 512M → 2G"}},
		"the same in words":    {[]edit{{"memory: 512M", "memory: 512m"}}, []string{"neutral low app rendered service"}},
		"fewer processes":      {[]edit{{"memory: 512M, pids: 100", "memory: 512M, pids: 50"}}, []string{"stronger low HSE-RES-004 app limit of processes: 100 → 50"}},
		"another user":         {[]edit{{`"1000:1000"`, `"2000:2000"`}}, []string{"neutral medium HSE-USR-001 app user: 1000:1000 → 2000:2000 (the files in its volumes"}},
		"the same, no volumes": {[]edit{{`"1001:1001"`, `"2000:2000"`}}, []string{"neutral info HSE-USR-001 worker user"}},
		"root": {[]edit{{`"1000:1000"`, `"0:0"`}, {"exceptions:\n", "exceptions:\n  - {control: HSE-USR-001, service: app, reason: must, expires: 2027-04-01}\n"}},
			[]string{"weaker high HSE-USR-001 app user: 1000:1000 → 0:0", "weaker high HSE-USR-001 app exception", "weaker medium HSE-USR-002 app no process has the group root"}},
		"health noticed later": {[]edit{{"interval: 15s, timeout: 5s, retries: 3", "interval: 60s, timeout: 10s, retries: 10"}},
			[]string{"weaker low HSE-HLT-001 app time between two tests: 15s → 1m0s", "weaker low HSE-HLT-001 app time until a test fails: 5s → 10s", "weaker low HSE-HLT-001 app failures until unhealthy: 3 → 10"}},
		"a test that cannot fail": {[]edit{{"command: [/app, health]", "command: [\"true\"]"}}, []string{"weaker low HSE-HLT-004 app the health test can fail", "neutral info HSE-HLT-004 app health test"}},
		"no health test": {[]edit{{"    health: {command: [/worker, health]}\n", ""}, {"control: HSE-HLT-004", "control: HSE-HLT-001"}},
			[]string{"weaker medium HSE-HLT-001 worker health test: CMD /worker health →", "weaker medium HSE-HLT-001 worker exception", "weaker medium HSE-LIF-004 worker", "weaker medium HSE-PRE-007 worker the health test can run in the image", "stronger low HSE-HLT-004 worker exception"}},
		"another tag":                {[]edit{{"worker:1", "worker:2"}}, []string{"neutral info HSE-IMG-001 worker image"}},
		"another registry":           {[]edit{{"registry.example/worker:1", "elsewhere.example/worker:1"}}, []string{"neutral medium HSE-IMG-001 worker image"}},
		"another digest":             {[]edit{{digestA, digestB}}, []string{"neutral medium HSE-IMG-001 app image"}},
		"the digest dropped":         {[]edit{{"@sha256:" + digestA, ""}}, []string{"weaker high HSE-IMG-001 app image"}},
		"a digest added":             {[]edit{{"worker:1", "worker:1@sha256:" + digestB}}, []string{"stronger high HSE-IMG-001 worker image"}},
		"a secret for one more":      {[]edit{{"    capabilities:", "    secrets: [token]\n    capabilities:"}}, []string{"weaker high HSE-SEC-002 worker secret: → token"}},
		"a new secret":               {[]edit{{"secrets: [token]", "secrets: [token, fresh]"}, {"  token: {env: TOKEN}", "  token: {env: TOKEN}\n  fresh: {env: FRESH}"}}, []string{"neutral info HSE-SEC-002 app secret: → fresh"}},
		"a secret less":              {[]edit{{"    secrets: [token]\n", ""}}, []string{"stronger medium HSE-SEC-002 app secret"}},
		"a secret in a variable":     {[]edit{{"{LEVEL: info}", "{LEVEL: info, API_TOKEN: hunter2-hunter2}"}}, []string{"weaker high HSE-SEC-001 app no secret in the environment", "neutral info app variable: → API_TOKEN"}},
		"a variable":                 {[]edit{{"LEVEL: info", "LEVEL: debug"}}, []string{"neutral info app variable: LEVEL"}},
		"less is proven":             {[]edit{{"verify: {denied: [/etc], listen: [8080]}", "verify: {}"}}, []string{"weaker low HSE-FS-010 app denied path: /etc →", "weaker low HSE-NET-007 app listening ports: [8080] →"}},
		"it does not wait any more":  {[]edit{{"depends_on: [db]", "depends_on: [{service: db, condition: started}]"}}, []string{"weaker low app dependency on db: healthy → started", "weaker low HSE-LIF-006 app the start order waits for health"}},
		"a key passed through":       {[]edit{{"{LEVEL: info}", "{LEVEL: info}\n    passthrough: {domainname: example.org}"}}, []string{"neutral low HSE-OPS-010 app passed through: → domainname"}},
		"one that is not judged":     {[]edit{{"{LEVEL: info}", "{LEVEL: info}\n    passthrough: {sysctls: {net.core.somaxconn: 1}}"}}, []string{"weaker medium HSE-KRN-005 app only safe kernel parameters are set", "neutral low HSE-OPS-010 app passed through: → sysctls"}},
		"one that no control judges": {[]edit{{"{LEVEL: info}", "{LEVEL: info}\n    passthrough: {novelty: true}"}}, []string{"weaker medium HSE-OPS-010 app passed through: → novelty"}},
		"a mount of the host": {[]edit{{"{LEVEL: info}", "{LEVEL: info}\n    passthrough: {volumes: [{type: bind, source: /etc, target: /x, read_only: true}]}"}, {"exceptions:\n", "exceptions:\n  - {control: HSE-FS-003, service: app, reason: x, expires: 2027-04-01}\n  - {control: HSE-FS-005, service: app, reason: x, expires: 2027-04-01}\n"}},
			[]string{"weaker critical HSE-FS-003 app exception", "weaker critical HSE-FS-005 app exception", "neutral low HSE-OPS-010 app passed through: → volumes"}},
		"another name": {[]edit{{"name: shop", "name: store"}}, []string{"neutral medium name of the stack: shop → store"}},
	}
}

// Each change is judged the other way round as well: what is weaker in one direction is stronger in the other, row by row, and
// never weaker in both or neutral in one.
func TestVerdicts(t *testing.T) {
	base, pairs := side(t, shop), 0
	for name, c := range verdicts() {
		t.Run(name, func(t *testing.T) {
			head := side(t, shop, c.edits...)
			forward, backward := review.Compare(base, head, today), review.Compare(head, base, today)
			lines := printed(forward)
			for i, line := range lines {
				if i >= len(c.want) || !strings.HasPrefix(line, c.want[i]) {
					t.Errorf("got  %q", line)
				}
			}
			if len(lines) != len(c.want) {
				t.Errorf("got %d changes, want:\n%s", len(lines), strings.Join(c.want, "\n"))
			}
			if name == "a service added" {
				return // the rows of a service that goes are one: it is gone
			}
			opposite := map[review.Direction]review.Direction{review.Weaker: review.Stronger, review.Stronger: review.Weaker}
			for _, row := range forward.Changes {
				want, directed := opposite[row.Direction]
				if !directed {
					continue
				}
				pairs++
				if !slices.ContainsFunc(backward.Changes, func(b review.Change) bool {
					return b.Service == row.Service && b.Control == row.Control && b.Rule == row.Rule && b.Direction == want
				}) {
					t.Errorf("%s %s %s: %s → %s is %s, and the way back is\n%s", row.Service, row.Control, row.What, row.Old, row.New, row.Direction,
						strings.Join(printed(backward), "\n"))
				}
			}
		})
	}
	if pairs < 60 {
		t.Errorf("only %d rows have a direction", pairs)
	}
}

func printed(r review.Review) []string {
	var out []string
	for _, c := range r.Changes {
		words := slices.DeleteFunc([]string{c.Direction.String(), c.Severity.String(), c.Control, c.Service}, func(s string) bool { return s == "" })
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s %s: %s → %s (%s)", strings.Join(words, " "), c.What, c.Old, c.New, c.Reason)), " "))
	}
	return out
}

// Fewer containers are weaker, and a single one is weaker still.
func TestFewerContainers(t *testing.T) {
	with := func(n string) review.Side {
		return side(t, shop, edit{"registry.example/worker:1\n", "registry.example/worker:1\n    replicas: " + n + "\n"})
	}
	for _, c := range []struct{ from, to, want string }{
		{"3", "2", "weaker low HSE-LIF-007 worker containers: 3 → 2"}, {"3", "1", "weaker medium HSE-LIF-007 worker containers: 3 → 1 (when the only container fails"},
	} {
		got := printed(review.Compare(with(c.from), with(c.to), today))
		if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A digest that the lock knows needs no attention.
func TestLock(t *testing.T) {
	head := side(t, shop, edit{digestA, digestB})
	head.Lock = []byte("images: [{digest: sha256:" + digestB + "}]")
	r := review.Compare(side(t, shop), head, today)
	if _, found := r.Worst(); found || len(r.Changes) != 1 {
		t.Errorf("got %+v", r.Changes)
	}
}

// The diff shows what is rendered, but no value that looks like a secret.
func TestDiffIsDiscreet(t *testing.T) {
	r := review.Compare(side(t, shop), side(t, shop, edit{"{LEVEL: info}", "{LEVEL: debug, API_TOKEN: hunter2-hunter2}"}), today)
	if !strings.Contains(r.Diff, "+      LEVEL: debug") || !strings.Contains(r.Diff, "API_TOKEN: (looks like a secret; left out)") {
		t.Errorf("the diff is\n%s", r.Diff)
	}
	if strings.Contains(fmt.Sprint(r), "hunter2") {
		t.Error("the review shows a secret")
	}
}

// known is what hsectl knows of the life of images, on the day as of which it knows that.
func known(t testing.TB, s stack.Stack) stack.Stack {
	t.Helper()
	data, err := lifecycle.Parse("lifecycles.yaml", profiles.Lifecycles())
	if err != nil {
		t.Fatal(err)
	}
	return s.Knowing(data, data.Images.Data.AsOf.Time)
}
