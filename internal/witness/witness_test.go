package witness_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/profiles"
)

const head = "apiVersion: hsectl/v1\nkind: Profile\nname: shop\n"

func parse(t testing.TB, text string) stack.Stack {
	t.Helper()
	p, err := parser.Parse([]byte(text), parser.Options{File: "test.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	return known(t, stack.New(p))
}

func check(t testing.TB, s stack.Stack) []finding.Finding {
	t.Helper()
	out, err := witness.Check(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func reference(t *testing.T) stack.Stack {
	t.Helper()
	data, err := os.ReadFile("../../profiles/hse-digital.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(data))
}

func service(t *testing.T, s stack.Stack, name string) stack.Service {
	t.Helper()
	found, ok := s.Service(name)
	if !ok {
		t.Fatalf("service %q not found", name)
	}
	return found
}

func TestTheReferencePassesEveryControl(t *testing.T) {
	s := reference(t)
	findings := check(t, s)
	if !finding.Proven(findings) {
		t.Error("the reference stack is not proven")
	}
	judged := map[string]int{}
	for _, f := range findings {
		judged[f.Subject]++
		if f.Status != finding.Pass && f.Status != finding.NotApplicable && f.Status != finding.Advice {
			t.Errorf("%s %s: %s: %s", f.Subject, f.Control, f.Status, f.Detail)
		}
		if f.Status == finding.Pass && f.Tier != finding.Declared {
			t.Errorf("%s %s rests on %s; a rendered stack only declares", f.Subject, f.Control, f.Tier)
		}
	}
	for _, name := range []string{"app", "postgres", "redis"} {
		if judged[name] != judged["app"] || judged[name] == 0 {
			t.Errorf("%s was judged %d times", name, judged[name])
		}
	}
}

// Secrets are looked for wherever a rendered stack would show them.
func TestSecretsInARenderedStack(t *testing.T) {
	for name, c := range map[string]struct{ yaml, control string }{
		"a value":     {"environment: {API_TOKEN: hunter2}", "HSE-SEC-001"},
		"a default":   {"environment: {API_TOKEN: {default: hunter2}}", "HSE-SEC-001"},
		"required":    {"environment: {API_TOKEN: {required: true}}", "HSE-SEC-001"},
		"the command": {"arguments: [--requirepass, hunter2]", "HSE-SEC-004"},
		"a label":     {"labels: {api_token: hunter2}", "HSE-SEC-004"},
		"the entry":   {"entrypoint: [redis-server, --masterauth=hunter2]", "HSE-SEC-004"},
		// What the deploying environment has is not known, and its name says that it is a secret.
		"an empty default": {"environment: {API_TOKEN: {default: \"\"}}", "HSE-SEC-001"},
		"an empty value":   {"environment: {API_TOKEN: \"\"}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var failed []string
			for _, f := range check(t, parse(t, head+"services: {cache: {preset: redis, "+c.yaml+"}}\n")) {
				if f.Status == finding.Fail {
					failed = append(failed, f.Control)
				}
				if strings.Contains(f.Detail, "hunter2") {
					t.Errorf("the finding shows the value: %s", f.Detail)
				}
			}
			if strings.Join(failed, " ") != c.control {
				t.Errorf("failed: %v, want %q", failed, c.control)
			}
		})
	}
}

// An exception turns exactly its own control on its own service into a waived one, and says why.
func TestExceptionsWaive(t *testing.T) {
	s := parse(t, head+`services:
  a: {preset: redis, user: "0:0"}
  b: {preset: redis}
exceptions:
  - {control: HSE-USR-001, service: a, reason: a migration, owner: ops, expires: 2026-07-01}
  - {control: HSE-FS-001, service: b, reason: writes next to its code, expires: 2026-07-01}
`)
	waived := map[string]finding.Finding{}
	for _, f := range check(t, s) {
		if f.Status == finding.Waived {
			waived[f.Subject+" "+f.Control] = f
		}
		if f.Subject == "a" && f.Control == "HSE-USR-002" && f.Status != finding.Fail {
			t.Errorf("the exception for the user covers the group too: %s", f.Status)
		}
	}
	want := &finding.Waiver{Reason: "a migration", Owner: "ops", Expires: "2026-07-01"}
	if got := waived["a HSE-USR-001"]; !reflect.DeepEqual(got.Waiver, want) {
		t.Errorf("got %+v", got)
	}
	if _, ok := waived["b HSE-FS-001"]; !ok || len(waived) != 2 {
		t.Errorf("waived: %v", waived)
	}
	// Drift is waived as well; what passes or is unknown is not touched. Where a failure is accepted for what may fail, unknown is waived.
	for status, want := range map[finding.Status][2]finding.Status{finding.Drift: {finding.Waived, finding.Waived}, finding.Pass: {finding.Pass, finding.Pass}, finding.Unknown: {finding.Unknown, finding.Waived}} {
		f := []finding.Finding{{Control: "HSE-USR-001", Status: status}}
		if waived, accepted := service(t, s, "a").Waive(f), service(t, s, "a").Accept(f); waived[0].Status != want[0] || accepted[0].Status != want[1] {
			t.Errorf("%s became %s, and %s", status, waived[0].Status, accepted[0].Status)
		}
		if other := service(t, s, "a").Accept([]finding.Finding{{Control: "HSE-USR-002", Status: status}}); status == finding.Unknown && other[0].Status != status {
			t.Errorf("without an exception %s became %s", status, other[0].Status)
		}
	}
}

// An exception waives up to its last day. After that the failure stands and says why; another exception in force still waives.
func TestExpiredExceptionWaivesNothing(t *testing.T) {
	const id = "HSE-SEC-001"
	text := head + "services: {cache: {preset: redis, environment: {API_TOKEN: hunter2}}}\nexceptions:\n" +
		"  - {control: HSE-SEC-001, service: cache, reason: legacy, expires: 2026-06-14}\n"
	both := text + "  - {control: HSE-SEC-001, service: cache, reason: reviewed again, expires: 2026-07-14}\n"
	for _, c := range []struct {
		text, day string
		want      finding.Status
		detail    string
	}{
		{text, "2026-06-14", finding.Waived, ""},
		{text, "2026-06-15", finding.Fail, "the exception for it expired on 2026-06-14"},
		{both, "2026-06-15", finding.Waived, ""},
		{both, "2026-07-15", finding.Fail, "the exception for it expired on 2026-07-14"},
	} {
		day, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		s := parse(t, c.text)
		found := check(t, s.AsOf(day.Add(12*time.Hour)))
		i := slices.IndexFunc(found, func(f finding.Finding) bool { return f.Control == id })
		if i < 0 || found[i].Status != c.want || !strings.Contains(found[i].Detail, c.detail) || (found[i].Waiver != nil) != (c.want == finding.Waived) {
			t.Errorf("%s: got %+v", c.day, found[i])
		}
		if found := check(t, s); found[i].Status != finding.Waived {
			t.Errorf("AsOf changed the stack that it was asked of: %+v", found[i])
		}
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
