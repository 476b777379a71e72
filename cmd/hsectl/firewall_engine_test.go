package main

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// The kernel takes the rules that are rendered, twice, and what iptables prints of them is judged to be what the profile says;
// each rule that somebody adds by hand is noticed.
func TestFirewallInANamespace(t *testing.T) {
	dir := written(t, map[string]string{"hsectl.yaml": `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  db:
    preset: postgres
    ports: ["0.0.0.0:15432:5432", "0.0.0.0:8443:8443"]
    networks: [edge]
networks: {edge: {publish: true}}
firewall:
  - {port: 15432, from: [10.0.0.0/8, 192.0.2.7]}
  - {port: 8443, from: [world]}
`})
	out := filepath.Join(dir, "out")
	mustCLI(t, "generate", "-f", filepath.Join(dir, "hsectl.yaml"), "--out", out)
	l, err := load(selection{files: []string{filepath.Join(dir, "hsectl.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.stack.Openings()); n != 2 || l.stack.Openings()[0].Port.Host != 8443 || l.stack.Openings()[1].From[1] != netip.MustParsePrefix("192.0.2.7/32") {
		t.Fatalf("%+v", l.stack.Openings())
	}
	rules := filepath.Join(out, generate.IptablesFile)
	for _, tt := range []struct {
		name, by string
		want     finding.Status
		detail   string
	}{
		{"as rendered", "true", finding.Pass, "2 published ports are reached from where the profile says"},
		{"loaded again", "iptables-restore --noflush < " + rules, finding.Pass, ""},
		{"one more network", "iptables -I DOCKER-USER -s 198.51.100.0/24 -j ACCEPT", finding.Fail, "15432→5432/tcp lets in 198.51.100.0"},
		{"one network less", "iptables -I DOCKER-USER -s 10.9.0.0/16 -m comment --comment 'not \"them\" -j ACCEPT' -j DROP", finding.Fail, "refuses 10.9.0.0"},
		{"no jump", "iptables -D DOCKER-USER -j HSECTL-shop", finding.Fail, "15432→5432/tcp lets in 1.0.0.0 and others"},
		{"what depends on an interface", "iptables -I DOCKER-USER -i eth0 -j DROP", finding.Unknown, "-i eth0"},
		{"by other words", "iptables -F HSECTL-shop; iptables -A HSECTL-shop -s 192.0.2.7 -j RETURN; iptables -A HSECTL-shop ! -s 10.0.0.0/255.0.0.0 -p tcp --dport 5432 -j REJECT", finding.Pass, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script := "iptables -N DOCKER-USER && iptables -A DOCKER-USER -j RETURN && iptables-restore --noflush < " + rules + " && iptables -I DOCKER-USER -j HSECTL-shop && { " + tt.by + "; } && iptables -S"
			printed, err := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-ec", script).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, printed)
			}
			m := policy.Machine{Published: policy.Seen([]string{"x"}, finding.Applied), Filter: policy.Seen(strings.Split(string(printed), "\n"), finding.Effective), Openings: l.stack.Openings()}
			for _, f := range policy.CheckMachine(m) {
				if f.Control == "HSE-OPS-004" && (f.Status != tt.want || !strings.Contains(f.Detail, tt.detail)) {
					t.Errorf("%s: %s\nwant %s: %s\n%s", f.Status, f.Detail, tt.want, tt.detail, printed)
				}
			}
		})
	}
}
