package platform_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/platform"
)

// What the rules of a machine let through is compared with what the profile says, address range by address range.
func TestOpenings(t *testing.T) {
	const pass, fail, unknown = finding.Pass, finding.Fail, finding.Unknown
	office := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}
	db := policy.Opening{Port: policy.Port{Address: "0.0.0.0", Host: 15432, Container: 5432, Protocol: "tcp"}, From: office}
	web := policy.Opening{Port: policy.Port{Address: "0.0.0.0", Host: 443, Container: 8443, Protocol: "tcp"}, World: true}
	const known, dnat = "-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-m conntrack --ctstate DNAT --ctorigdstport 15432 --ctdir ORIGINAL"
	right := []string{"-N DOCKER-USER", "-N HSECTL-shop", "-A DOCKER-USER -j HSECTL-shop", "-A DOCKER-USER -j RETURN",
		"-A HSECTL-shop -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
		"-A HSECTL-shop -s 10.0.0.0/8 -p tcp " + dnat + " -j RETURN", "-A HSECTL-shop -s 192.0.2.7/32 -p tcp " + dnat + " -j RETURN",
		"-A HSECTL-shop -p tcp " + dnat + " -j DROP", "-A HSECTL-shop -j RETURN"}
	for _, tt := range []struct {
		name   string
		rules  []string
		want   finding.Status
		detail string
	}{
		{"as rendered", right, pass, "2 published ports"},
		{"no chain", []string{"-P FORWARD DROP"}, fail, "no chain DOCKER-USER"},
		{"a chain that nothing leads to", append([]string{"-N DOCKER-USER", "-D FORWARD -j DOCKER-USER"}, right[1:]...), fail, "no chain DOCKER-USER is reached from FORWARD"},
		{"let in before", append([]string{"-N DOCKER-USER", "-A FORWARD -s 198.51.100.0/24 -j ACCEPT"}, right[1:]...), fail, "allows 198.51.100.0"},
		{"let in behind", append(slices.Clone(right), "-A FORWARD -j DOCKER-USER", "-A FORWARD -s 198.51.100.0/24 -j ACCEPT"), pass, ""},
		{"an empty chain", []string{"-N DOCKER-USER", "-A DOCKER-USER -j RETURN"}, fail, "15432→5432/tcp allows 1.0.0.0 and others, but the profile does not"},
		{"one address more", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -s 198.51.100.9/32 -j ACCEPT"}, right[1:]...), fail, "allows 198.51.100.9, but"},
		{"one address less", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -s 10.1.2.3/32 -j DROP"}, right[1:]...), fail, "15432→5432/tcp refuses 10.1.2.3, but the profile allows it; 0.0.0.0:443→8443/tcp refuses 10.1.2.3"},
		{"everything is refused", []string{"-N DOCKER-USER", known, "-A DOCKER-USER -j DROP"}, fail, "443→8443/tcp refuses 1.0.0.0 and others, but the profile allows it"},
		{"by the port of the container", []string{"-N DOCKER-USER", "-A DOCKER-USER ! -s 10.0.0.0/8 -p tcp -m tcp --dport 5432 -j DROP"}, fail, "refuses 192.0.2.7, but"},
		{"by the port of the container, right", []string{"-N DOCKER-USER", "-A DOCKER-USER -s 192.0.2.7/32 -j RETURN", "-A DOCKER-USER ! -s 10.0.0.0/8 -p tcp -m multiport --dports 80,5432 -j REJECT --reject-with icmp-port-unreachable"}, pass, ""},
		{"for udp only", []string{"-N DOCKER-USER", "-A DOCKER-USER -s 10.0.0.0/8 -j ACCEPT", "-A DOCKER-USER -s 192.0.2.7 -j ACCEPT", "-A DOCKER-USER -p udp -m udp --dport 5432 -j DROP"}, fail, "allows 1.0.0.0"},
		{"only what is known already is refused", []string{"-N DOCKER-USER", "-A DOCKER-USER -m conntrack --ctstate ESTABLISHED -j DROP"}, fail, "allows"},
		{"by interface", []string{"-N DOCKER-USER", "-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 5432 -j DROP"}, unknown, "depends on what cannot be judged: -A DOCKER-USER -i eth0"},
		{"for all protocols but one", append([]string{"-N DOCKER-USER", "-A DOCKER-USER ! -p udp -j ACCEPT"}, right[1:]...), fail, "15432→5432/tcp allows 1.0.0.0 and others"},
		{"for another protocol only", append([]string{"-N DOCKER-USER", "-A DOCKER-USER ! -p tcp -j ACCEPT"}, right[1:]...), pass, ""},
		{"by a module that asks without an option", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -m socket -j ACCEPT"}, right[1:]...), unknown, "-m socket"},
		{"from the machine itself", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -i lo -j ACCEPT"}, right[1:]...), pass, ""},
		{"to an address", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -d 172.18.0.2/32 -j ACCEPT"}, right[1:]...), unknown, "-d 172.18.0.2/32"},
		{"perhaps back", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -i eth0 -j RETURN"}, right[1:]...), unknown, "-i eth0 -j RETURN"},
		{"perhaps to the log", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -i eth0 -j LOG"}, right[1:]...), pass, ""},
		{"by a set", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -m set --match-set bad src -j DROP"}, right[1:]...), unknown, "--match-set bad"},
		{"by a chain that does not exist", append([]string{"-N DOCKER-USER", "-A DOCKER-USER -j NOWHERE"}, right[1:]...), unknown, "NOWHERE"},
		{"with words in quotes", append([]string{"-N DOCKER-USER", `-A DOCKER-USER -s 198.51.100.0/24 -m comment --comment "let \"them\" -j ACCEPT" -j DROP`}, right[1:]...), fail, "443→8443/tcp refuses 198.51.100.0"},
		{"after a log", append([]string{"-N DOCKER-USER", `-A DOCKER-USER -j LOG --log-prefix "new: "`}, right[1:]...), pass, ""},
		{"by goto", []string{"-N DOCKER-USER", "-N A", "-A DOCKER-USER -p tcp " + dnat + " -g A", "-A A -s 10.0.0.0/8 -j RETURN", "-A A -s 192.0.2.7/32 -j ACCEPT", "-A A -j DROP"}, pass, ""},
		{"in a circle", []string{"-N DOCKER-USER", "-N A", "-A DOCKER-USER -j A", "-A A -j DOCKER-USER"}, unknown, "cannot be judged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rules := tt.rules
			if !slices.Contains(rules, "-D FORWARD -j DOCKER-USER") && !slices.Contains(rules, "-A FORWARD -j DOCKER-USER") {
				rules = append([]string{"-P FORWARD DROP"}, append(slices.Clone(rules), "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-ISOLATION-STAGE-1", "-A FORWARD -o docker0 -j ACCEPT")...)
			}
			m := policy.Machine{Name: "engine", Published: seen([]string{"x"}), Filter: seen(rules), Nft: seen(""), Openings: []policy.Opening{db, web}}
			judged := false
			for _, f := range platform.CheckMachine(m, engines(), today()) {
				if f.Control != "HSE-OPS-004" {
					continue
				}
				judged = true
				if f.Status != tt.want || !strings.Contains(f.Detail, tt.detail) {
					t.Errorf("%s: %s\nwant %s: %s", f.Status, f.Detail, tt.want, tt.detail)
				}
			}
			if !judged {
				t.Error("it was not judged")
			}
		})
	}
}

// Whatever iptables prints, reading and judging it ends, and what cannot be read is no pass by itself.
func FuzzOpenings(f *testing.F) {
	f.Add("-N DOCKER-USER\n-A DOCKER-USER ! -s 10.0.0.0/255.0.0.0 -p 6 -m tcp --dport 1:5432 -j DROP")
	f.Add("-N DOCKER-USER\n-A FORWARD -s 1.2.3.4 -j RETURN\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -g DOCKER-USER\n-A \"")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		m := policy.Machine{Published: seen([]string{"x"}), Filter: seen(strings.Split(text, "\n")), Nft: seen(""),
			Openings: []policy.Opening{{Port: policy.Port{Address: "0.0.0.0", Host: 1, Container: 2, Protocol: "tcp"}, From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}}
		for _, c := range platform.CheckMachine(m, engines(), today()) {
			if c.Control == "HSE-OPS-004" && c.Status == finding.Pass && !strings.Contains(text, "DROP") && !strings.Contains(text, "REJECT") && !strings.Contains(text, "TARPIT") {
				t.Errorf("nothing is refused, and the answer is: %s", c.Detail)
			}
		}
	})
}

// Whatever nft prints, reading and judging it ends, and what cannot be read is no pass by itself.
func FuzzNft(f *testing.F) {
	f.Add(`{"nftables":[{"table":{"family":"inet","name":"t"}},{"chain":{"family":"inet","table":"t","name":"f","type":"filter","hook":"forward","prio":-1,"policy":"accept"}},
		{"set":{"family":"inet","name":"good","table":"t","flags":["interval"],"elem":[{"prefix":{"addr":"10.0.0.0","len":8}},"192.0.2.7"]}},
		{"rule":{"family":"inet","table":"t","chain":"f","expr":[{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established"]}},{"accept":null}]}},
		{"rule":{"family":"inet","table":"t","chain":"f","expr":[{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@good"}},{"jump":{"target":"f"}}]}},
		{"rule":{"family":"inet","table":"t","chain":"f","expr":[{"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["invalid",{"drop":null}],["new",{"goto":{"target":"f"}}]]}}}]}}]}`)
	f.Add(`{"nftables":[{"chain":{"hook":"forward"}}]}`)
	f.Add(`{"nftables":[{"table":{"family":"ip"}},{"rule":{"family":"ip","expr":[{"drop":null},{"match":null},{"vmap":{"data":{"set":[[1]]}}}]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		m := policy.Machine{Published: seen([]string{"x"}), Filter: seen([]string{"-P FORWARD ACCEPT", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER"}), Nft: seen(text),
			Openings: []policy.Opening{{Port: policy.Port{Address: "0.0.0.0", Host: 1, Container: 2, Protocol: "tcp"}, From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}}
		for _, c := range platform.CheckMachine(m, engines(), today()) {
			if c.Control == "HSE-OPS-004" && c.Status == finding.Pass && !strings.Contains(strings.ToLower(text), "drop") && !strings.Contains(text, "reject") {
				t.Errorf("nothing is refused, and the answer is: %s", c.Detail)
			}
		}
	})
}
