package platform_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/platform"
)

// Before Docker 28 a port on loopback is open to neighbours by two ways, and both must be closed by the rules of the machine.
func TestLoopback(t *testing.T) {
	const translated = "-A HSECTL-shop -p tcp -m conntrack --ctstate DNAT --ctorigdst 127.0.0.1/32 --ctorigdstport 8080 --ctdir ORIGINAL -j DROP"
	const direct = "-A HSECTL-shop ! -i br-+ -o br-+ -p tcp -m tcp --dport 80 -m conntrack ! --ctstate DNAT -j DROP"
	door := []string{"-P FORWARD DROP", "-N DOCKER-USER", "-N HSECTL-shop", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -j HSECTL-shop", "-A DOCKER-USER -j RETURN"}
	const known = "-A HSECTL-shop -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
	rules := func(more ...string) func(*policy.Machine) {
		return func(m *policy.Machine) { m.Filter, m.Nft = seen(append(slices.Clone(door), more...)), seen("") }
	}
	last := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, version string
		change        func(*policy.Machine)
		today         time.Time
		want          finding.Status
		detail        string
	}{
		{"a new engine", "28.0.0", nil, last, finding.Pass, "engine 28.0.0 keeps neighbours away"},
		{"a new engine, by old data", "28.0.0", nil, last.AddDate(0, 0, 1), finding.Unknown, "more than 180 days old"},
		{"an old engine, by old data", "27.5.1", rules(), last.AddDate(0, 0, 1), finding.Fail, "127.0.0.1:8080→80/tcp of web can be reached from 1.0.0.0"},
		{"an old engine", "20.10.24+dfsg1", rules(), last, finding.Fail, "engine 20.10.24, before 28.0.0"},
		{"both ways closed", "27.5.1", rules(known, translated, direct), last, finding.Pass, "the firewall closes 1 of them"},
		{"what is translated is closed", "27.5.1", rules(known, translated), last, finding.Fail, "by its address 172.20.0.2"},
		{"what goes to the container is closed", "27.5.1", rules(known, direct), last, finding.Fail, "can be reached from 1.0.0.0"},
		{"another address of loopback", "27.5.1", rules(known, strings.Replace(translated, "127.0.0.1/32", "127.0.0.2/32", 1), direct), last, finding.Fail, "can be reached"},
		{"another bridge", "27.5.1", rules(known, translated, strings.Replace(direct, "-o br-+", "-o br-ffffffffffff", 1)), last, finding.Fail, "by its address"},
		{"rules of another machine", "27.5.1", func(m *policy.Machine) { m.Filter = policy.Unseen[[]string]("the engine is on another machine") }, last, finding.Unknown, "the engine is on another machine"},
		{"nothing on loopback", "27.5.1", func(m *policy.Machine) { m.Loopback = seen([]policy.LoopbackPort(nil)) }, last, finding.NotApplicable, ""},
		{"no version", "moby", nil, last, finding.Unknown, "the version of the engine is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := safe()
			m.Versions = seen(versionsOf(c.version, "1.3.4"))
			m.Loopback.Value[0].Inside = []policy.Place{{Address: netip.MustParseAddr("172.20.0.2"), Bridge: "br-0123456789ab"}}
			if c.change != nil {
				c.change(&m)
			}
			if got := statusOf(t, platform.CheckMachine(m, engines(), c.today), "HSE-OPS-018"); got.Status != c.want || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s: %s", got.Status, got.Detail)
			}
		})
	}
	if got := statusOf(t, platform.CheckMachine(safe(), lifecycle.Engine{}, last), "HSE-OPS-018"); got.Status != finding.Unknown || !strings.Contains(got.Detail, "no data is loaded") {
		t.Errorf("%s: %s", got.Status, got.Detail)
	}
}
