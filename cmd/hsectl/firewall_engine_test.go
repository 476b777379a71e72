//go:build engine

package main

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/lifecycle"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/platform"
)

// The kernel takes the rules that are rendered, twice, and what iptables, ip6tables and nft print of them is judged to be what
// the profile says; each rule that is added by hand is detected.
func TestFirewallInANamespace(t *testing.T) {
	dir := written(t, map[string]string{"hsectl.yaml": `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  db:
    preset: postgres
    ports: ["0.0.0.0:15432:5432", "127.0.0.1:8080:8080", "0.0.0.0:8443:8443", "[::]:9443:8443", "[2001:db8:1::5]:9444:8443"]
    networks: [edge]
networks: {edge: {publish: true}}
firewall:
  - {port: 15432, from: [10.0.0.0/8, 192.0.2.7]}
  - {port: 8443, from: [world]}
  - {port: 9443, from: ["2001:db8::/32"]}
  - {port: 9444, from: [world]}
`})
	out := filepath.Join(dir, "out")
	mustCLI(t, "generate", "-f", filepath.Join(dir, "hsectl.yaml"), "--out", out)
	l, err := app.Load(app.Selection{Files: []string{filepath.Join(dir, "hsectl.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	db := slices.IndexFunc(l.Stack.Openings(), func(o policy.Opening) bool { return o.Port.Host == 15432 })
	if n := len(l.Stack.Openings()); n != 4 || db < 0 || l.Stack.Openings()[db].From[1] != netip.MustParsePrefix("192.0.2.7/32") {
		t.Fatalf("%+v", l.Stack.Openings())
	}
	rules, rules6, nft := filepath.Join(out, generate.IptablesFile), filepath.Join(out, generate.Ip6tablesFile), filepath.Join(out, generate.NftablesFile)
	// What the engine makes for each family, and the rendered rules as the files say how to load them.
	door := func(program string) string {
		return program + " -N DOCKER-USER; " + program + " -A DOCKER-USER -j RETURN; " + program + " -A FORWARD -j DOCKER-USER; "
	}
	loaded := "iptables-restore --noflush < " + rules + "; iptables -I DOCKER-USER -j HSECTL-shop; "
	loaded6 := "ip6tables-restore --noflush < " + rules6 + "; ip6tables -I INPUT -j HSECTL6-shop; "
	behind6 := door("ip6tables") + "ip6tables -I DOCKER-USER -j HSECTL-shop; "
	all := door("iptables") + loaded + loaded6
	inNft := door("iptables") + "nft -f " + nft + "; "
	const port = "-p tcp -m conntrack --ctstate DNAT --ctorigdstport"
	for _, tt := range []struct {
		name, by string
		proxied  map[string]bool
		want     finding.Status
		detail   string
		loopback string // of HSE-OPS-018, where it is judged
	}{
		{"as rendered", all, nil, finding.Pass, "4 published ports are reached from where the profile says", "pass"},
		{"loaded again", all + "iptables-restore --noflush < " + rules + "; ip6tables-restore --noflush < " + rules6, nil, finding.Pass, "", ""},
		{"one more network", all + "iptables -I DOCKER-USER -s 198.51.100.0/24 -j ACCEPT", nil, finding.Fail, "15432→5432/tcp allows 198.51.100.0", ""},
		{"one more network before", all + "iptables -I FORWARD -s 198.51.100.0/24 -j ACCEPT", nil, finding.Fail, "15432→5432/tcp allows 198.51.100.0", ""},
		{"one network less", all + "iptables -I DOCKER-USER -s 10.9.0.0/16 -m comment --comment 'not \"them\" -j ACCEPT' -j DROP", nil, finding.Fail, "refuses 10.9.0.0", ""},
		{"no jump", all + "iptables -D DOCKER-USER -j HSECTL-shop", nil, finding.Fail, "15432→5432/tcp allows 1.0.0.0 and others", "fail"},
		{"what depends on an interface", all + "iptables -I DOCKER-USER -i eth0 -j DROP", nil, finding.Unknown, "-i eth0", ""},
		{"by other words", all + "iptables -F HSECTL-shop; iptables -A HSECTL-shop -s 192.0.2.7 -j RETURN; iptables -A HSECTL-shop ! -s 10.0.0.0/255.0.0.0 -p tcp --dport 5432 -j REJECT", nil, finding.Pass, "", ""},

		{"nothing for IPv6", door("iptables") + loaded, nil, finding.Fail, "9443→8443/tcp, which a process of the engine answers, allows 2000:: and others", ""},
		{"one more network of IPv6", all + "ip6tables -I INPUT -s 2001:db9::/32 -j ACCEPT", nil, finding.Fail, "allows 2001:db9::, but", ""},
		{"one network of IPv6 less", all + "ip6tables -I INPUT -s 2001:db8:9::/48 -j DROP", nil, finding.Fail, "refuses 2001:db8:9::, but", ""},
		{"the machine refuses all but what it knows", all + "ip6tables -P INPUT DROP; ip6tables -A INPUT -i lo -j ACCEPT; ip6tables -A INPUT -p ipv6-icmp -j ACCEPT", nil, finding.Fail, "9443→8443/tcp, which a process of the engine answers, refuses 2001:db8::", ""},
		{"the machine lets in what the profile does", all + "ip6tables -P INPUT DROP; ip6tables -A INPUT -p tcp --dport 9443 -s 2001:db8::/32 -j ACCEPT; ip6tables -A INPUT -d 2001:db8:1::5/128 -p tcp --dport 9444 -j ACCEPT", nil, finding.Pass, "", ""},
		{"another address of the machine", all + "ip6tables -A INPUT -d 2001:db8:1::6/128 -p tcp --dport 9444 -j DROP", nil, finding.Pass, "", ""},
		{"by an address that may be this one", all + "ip6tables -I INPUT -d 2001:db8:1::6/128 -p tcp --dport 9443 -j ACCEPT", nil, finding.Unknown, "-d 2001:db8:1::6/128", ""},

		{"the kernel may forward IPv6, and is told", all + behind6, nil, finding.Pass, "", ""},
		{"the kernel may forward IPv6, and is not", all + door("ip6tables"), nil, finding.Fail, "[::]:9443→8443/tcp allows 2000::", ""},
		{"the kernel forwards IPv6, and is told", door("iptables") + loaded + "ip6tables-restore --noflush < " + rules6 + "; " + behind6, map[string]bool{"9443/tcp": false, "9444/tcp": false}, finding.Pass, "", ""},
		{"the kernel forwards IPv6, and only the machine is guarded", all + door("ip6tables"), map[string]bool{"9443/tcp": false, "9444/tcp": false}, finding.Fail, "allows 2000::", ""},
		{"the engine answers IPv6, and only what is forwarded is guarded", door("iptables") + loaded + "ip6tables-restore --noflush < " + rules6 + "; " + behind6, map[string]bool{"9443/tcp": true, "9444/tcp": true}, finding.Fail, "which a process of the engine answers, allows 2000::", ""},

		{"by nftables", inNft, nil, finding.Pass, "4 published ports", "pass"},
		{"by nftables, twice", inNft + "nft -f " + nft, nil, finding.Pass, "", ""},
		{"by nftables and iptables", all + "nft -f " + nft, nil, finding.Pass, "", ""},
		{"nftables lets in, and iptables does not", all + "nft add table ip mine; nft add chain ip mine f '{ type filter hook forward priority -10; }'; nft add rule ip mine f accept", nil, finding.Pass, "", ""},
		{"iptables lets in, and nftables does not", all + "nft add table ip mine; nft add chain ip mine f '{ type filter hook forward priority -10; }'; nft add rule ip mine f ip saddr 10.9.0.0/16 drop", nil, finding.Fail, "refuses 10.9.0.0, but", ""},
		{"before addresses are translated", all + "nft add table inet mine; nft add chain inet mine p '{ type filter hook prerouting priority raw; }'; nft add rule inet mine p tcp dport 15432 ip saddr 10.9.0.0/16 drop", nil, finding.Fail, "refuses 10.9.0.0, but", ""},
		{"before addresses are translated, the port inside", all + "nft add table inet mine; nft add chain inet mine p '{ type filter hook prerouting priority raw; }'; nft add rule inet mine p tcp dport 5432 drop", nil, finding.Pass, "", ""},
		{"a policy", all + "nft add table inet mine; nft add chain inet mine f '{ type filter hook forward priority 10; policy drop; }'; nft add rule inet mine f ct state established,related accept", nil, finding.Fail, "15432→5432/tcp refuses 10.0.0.0 and others", ""},
		{"a policy that is not asked", all + "nft add table inet mine; nft add chain inet mine o '{ type filter hook output priority 10; policy drop; }'", nil, finding.Pass, "", ""},
		{"a set", door("iptables") + loaded6 + `nft -f - <<'NFT'
table ip mine {
	set good { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.7 } }
	chain known { ct state vmap { established : accept, related : accept, invalid : drop } ; return ; }
	chain f { type filter hook forward priority 0; policy accept; jump known; iifname "lo" accept; ip saddr @good accept; tcp dport { 5432, 6000-7000 } counter reject with tcp reset; }
}
NFT
`, nil, finding.Pass, "", ""},
		{"a set, and the port that it came to", door("iptables") + loaded6 + `nft -f - <<'NFT'
table ip mine {
	set good { type ipv4_addr; flags interval; elements = { 10.0.0.0-10.255.255.255, 192.0.2.7 } }
	chain f { type filter hook forward priority 0; policy accept; ct state established accept; ip saddr @good accept; meta l4proto tcp ct original proto-dst 15432 log drop; }
}
NFT
`, nil, finding.Pass, "", ""},
		{"a set that another program manages", door("iptables") + loaded6 + `nft -f - <<'NFT'
table ip mine {
	set good { type ipv4_addr; flags dynamic, timeout; }
	chain f { type filter hook forward priority 0; policy accept; ip saddr @good accept; tcp dport 5432 drop; }
}
NFT
`, nil, finding.Unknown, "@good", ""},
		{"a rate", all + "nft add table inet mine; nft add chain inet mine f '{ type filter hook forward priority 10; }'; nft add rule inet mine f limit rate over 10/second drop", nil, finding.Unknown, "limit", ""},
		{"a device", all + "ip link add d0 type bridge; nft add table netdev mine; nft add chain netdev mine i '{ type filter hook ingress device d0 priority 0; }'; nft add rule netdev mine i drop", nil, finding.Unknown, "netdev mine i", ""},
		{"by hand, " + port, all + "iptables -I DOCKER-USER " + port + " 8443 -j DROP", nil, finding.Fail, "8443→8443/tcp refuses 1.0.0.0 and others", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script := "{ " + tt.by + "\n} >&2; iptables -S; echo ===; ip6tables -S; echo ===; nft -j list ruleset"
			cmd := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-ec", script)
			var said strings.Builder
			cmd.Stderr = &said
			printed, err := cmd.Output()
			parts := strings.Split(string(printed), "===\n")
			if err != nil || len(parts) != 3 {
				t.Fatalf("%v\n%s\n%s\nthe test of the firewall needs root, iptables and nft: apt-get install iptables nftables", err, said.String(), printed)
			}
			seen := func(s string) policy.Fact[[]string] {
				return policy.Seen(strings.Split(strings.TrimSpace(s), "\n"), finding.Effective)
			}
			m := policy.Machine{Published: policy.Seen([]string{"x"}, finding.Applied), Filter: seen(parts[0]), Filter6: seen(parts[1]),
				Nft: policy.Seen(parts[2], finding.Effective), Compat: true, Proxied: policy.Seen(tt.proxied, finding.Applied), Openings: l.Stack.Openings()}
			m.Versions = policy.Seen(map[string]string{"engine": "27.5.1"}, finding.Applied)
			m.Loopback = policy.Seen([]policy.LoopbackPort{{Port: policy.Port{Address: "127.0.0.1", Host: 8080, Container: 8080, Protocol: "tcp"}, Container: "db",
				Inside: []policy.Place{{Address: netip.MustParseAddr("172.20.0.2"), Bridge: "br-0123456789ab"}}}}, finding.Applied)
			findings := platform.CheckMachine(m, lifecycle.Engine{Loopback: lifecycle.Version{28, 0, 0}}, time.Time{})
			i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Control == "HSE-OPS-004" })
			if f := findings[i]; f.Status != tt.want || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("%s: %s\nwant %s: %s\n%s", f.Status, f.Detail, tt.want, tt.detail, printed)
			}
			rendered := strings.Contains(tt.by, rules) || strings.Contains(tt.by, nft)
			closed := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Control == "HSE-OPS-018" })
			if f := findings[closed]; tt.loopback != "" && f.Status.String() != tt.loopback || tt.loopback == "" && rendered && f.Status == finding.Unknown {
				t.Errorf("ports on loopback: %s: %s\n%s", f.Status, f.Detail, printed)
			}
		})
	}
}
