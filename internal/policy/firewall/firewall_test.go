package firewall_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/policy/firewall"
)

// Each range of addresses is said once, by its first address, with what the rules do with it.
func TestSources(t *testing.T) {
	const nft = `{"nftables":[{"table":{"family":"inet","name":"t"}},
		{"chain":{"family":"inet","table":"t","name":"f","type":"filter","hook":"forward","prio":-1,"policy":"accept"}},
		{"rule":{"family":"inet","table":"t","chain":"f","expr":[{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},
			"right":{"prefix":{"addr":"10.1.0.0","len":16}}}},{"drop":null}]}}]}`
	web := firewall.Port{Address: "0.0.0.0", Host: 8080, Container: 80, Protocol: "tcp"}
	for _, tt := range []struct {
		name, iptables, nft string
		want                []string
	}{
		{"no rule", "", "", []string{"1.0.0.0 accepted", "128.0.0.0 accepted"}},
		{"a network", "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER ! -s 10.0.0.0/8 -j DROP", "", []string{"1.0.0.0 refused", "10.0.0.0 accepted", "11.0.0.0 refused", "128.0.0.0 refused"}},
		{"both", "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER ! -s 10.0.0.0/8 -j DROP", nft,
			[]string{"1.0.0.0 refused", "10.0.0.0 accepted", "10.1.0.0 refused", "10.2.0.0 accepted", "11.0.0.0 refused", "128.0.0.0 refused"}},
		{"what cannot be judged", "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -m owner -j DROP", "",
			[]string{"1.0.0.0 accepted refused -A DOCKER-USER -m owner -j DROP", "128.0.0.0 accepted refused -A DOCKER-USER -m owner -j DROP"}},
		{"another port", "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -p tcp -m tcp --dport 81 -j DROP", "", []string{"1.0.0.0 accepted", "128.0.0.0 accepted"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nftables, err := firewall.ParseNftables(tt.nft, false)
			if err != nil {
				t.Fatal(err)
			}
			rules := firewall.New(strings.Split(tt.iptables, "\n"), nftables, false)
			if paths := rules.Paths(web, nil); !slices.Equal(paths, []firewall.Path{firewall.Forward}) {
				t.Errorf("paths %v", paths)
			}
			sources, err := rules.Sources(web, firewall.Forward, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range sources {
				words := []string{s.First.String()}
				if s.Accepted {
					words = append(words, "accepted")
				}
				if s.Refused {
					words = append(words, "refused")
				}
				if s.Rule != "" {
					words = append(words, s.Rule)
				}
				got = append(got, strings.Join(words, " "))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// The declared prefixes cut the space of addresses, too: a rule that is wider than a declaration is seen on both sides of it.
func TestSourcesAreCutByTheDeclaration(t *testing.T) {
	rules := firewall.New(nil, firewall.Nftables{}, false)
	got, err := rules.Sources(firewall.Port{Host: 1, Container: 1, Protocol: "udp"}, firewall.Forward, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
	if err != nil || len(got) != 4 || got[2].First.String() != "192.0.2.0" || got[3].First.String() != "192.0.3.0" {
		t.Errorf("%v %v", got, err)
	}
}

// On IPv6 the engine may answer itself, and where that is not known both paths are judged.
func TestPathsOnIPv6(t *testing.T) {
	port := firewall.Port{Address: "::", Host: 443, Container: 8443, Protocol: "tcp"}
	engine := firewall.New([]string{"-N DOCKER-USER", "-A FORWARD -j DOCKER-USER"}, firewall.Nftables{}, true)
	for _, tt := range []struct {
		rules   firewall.Rules
		proxied map[string]bool
		want    []firewall.Path
	}{
		{firewall.New(nil, firewall.Nftables{}, true), nil, []firewall.Path{firewall.Input}},
		{engine, nil, []firewall.Path{firewall.Forward, firewall.Input}},
		{engine, map[string]bool{"443/tcp": true}, []firewall.Path{firewall.Input}},
		{engine, map[string]bool{"443/tcp": false}, []firewall.Path{firewall.Forward}},
	} {
		if got := tt.rules.Paths(port, tt.proxied); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, not %v", tt.proxied, got, tt.want)
		}
	}
}

func TestWhatIsNoRulesetIsAnError(t *testing.T) {
	for _, text := range []string{"nope", `{"nftables":[{"chain":{"hook":"forward"}}]}`} {
		if _, err := firewall.ParseNftables(text, false); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}
