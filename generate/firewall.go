package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

// Names of the files with the rules of the firewall. Nothing applies them but a person.
const (
	IptablesFile  = "firewall.iptables"
	Ip6tablesFile = "firewall.ip6tables"
	NftablesFile  = "firewall.nft"
)

// chainName is the chain of a stack. The kernel takes 28 characters, and a stack's name may have more.
func chainName(prefix, stackName string) string {
	if len(stackName) <= 20 {
		return prefix + stackName
	}
	sum := sha256.Sum256([]byte(stackName))
	return prefix + stackName[:11] + "-" + hex.EncodeToString(sum[:4])
}

// firewallFiles render what the profile says about published ports: the same rules for iptables, for ip6tables where a port
// is published on IPv6 or a source is of it, and for nftables. A connection is told by the port that it came to, before the
// engine translated it, so that connections of containers to the same port elsewhere are left alone.
//
// Engines before 28 translate what a neighbour on the same network sends to 127.0.0.1, and forward what it sends to the container itself:
// what comes from another machine to a port on loopback is dropped, by either way. Containers of this machine are left alone.
//
// What comes on IPv6 to a container that has only IPv4 is not forwarded: a process of the engine answers on the machine
// itself. So for ports on IPv6 there are rules for what comes in, too.
func firewallFiles(s stack.Stack, from Source) []File {
	if len(s.Firewall) == 0 {
		return nil
	}
	return []File{
		{IptablesFile, iptables(s, from, "iptables", netip.Addr.Is4)},
		{Ip6tablesFile, iptables(s, from, "ip6tables", netip.Addr.Is6)},
		{NftablesFile, nftables(s, from)},
	}
}

func iptables(s stack.Stack, from Source, program string, mine func(netip.Addr) bool) []byte {
	chain := chainName("HSECTL-", s.Name)
	var b strings.Builder
	b.WriteString(header(from))
	fmt.Fprintf(&b, "# Reload it after each change: %s-restore --noflush < this file. Once, on each start of the machine after the engine's:\n", program)
	fmt.Fprintf(&b, "#   %s -C DOCKER-USER -j %s || %s -I DOCKER-USER -j %s\n", program, chain, program, chain)
	in := chainName("HSECTL6-", s.Name)
	if program == "ip6tables" {
		fmt.Fprintf(&b, "#   %s -C INPUT -j %s || %s -I INPUT -j %s\n", program, in, program, in)
	}
	fmt.Fprintf(&b, "*filter\n:%s - [0:0]\n-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n", chain, chain)
	if program == "iptables" {
		for _, p := range s.Loopback() {
			fmt.Fprintf(&b, "-A %s -p %s -m conntrack --ctstate DNAT --ctorigdst %s --ctorigdstport %d --ctdir ORIGINAL -j DROP\n", chain, p.Protocol, p.Address, p.Host)
			fmt.Fprintf(&b, "-A %s ! -i br-+ -o br-+ -p %s -m %s --dport %d -m conntrack ! --ctstate DNAT -j DROP\n", chain, p.Protocol, p.Protocol, p.Container)
		}
	}
	for _, o := range beyond(s) {
		match := fmt.Sprintf("-p %s -m conntrack --ctstate DNAT --ctorigdstport %d --ctdir ORIGINAL", o.Port.Protocol, o.Port.Host)
		if o.World {
			fmt.Fprintf(&b, "-A %s %s -j RETURN\n", chain, match)
			continue
		}
		for _, p := range o.From {
			if mine(p.Addr()) {
				fmt.Fprintf(&b, "-A %s -s %s %s -j RETURN\n", chain, p, match)
			}
		}
		fmt.Fprintf(&b, "-A %s %s -j DROP\n", chain, match)
	}
	if program == "ip6tables" {
		fmt.Fprintf(&b, ":%s - [0:0]\n-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n", in, in)
		for _, o := range openOnIPv6(s) {
			match := fmt.Sprintf("-p %s -m %s --dport %d", o.Port.Protocol, o.Port.Protocol, o.Port.Host)
			if a := netip.MustParseAddr(o.Port.Address); !a.IsUnspecified() {
				match = "-d " + a.String() + " " + match
			}
			for _, p := range o.From {
				if mine(p.Addr()) {
					fmt.Fprintf(&b, "-A %s -s %s %s -j RETURN\n", in, p, match)
				}
			}
			fmt.Fprintf(&b, "-A %s %s -j %s\n", in, match, map[bool]string{true: "RETURN", false: "DROP"}[o.World])
		}
	}
	b.WriteString("COMMIT\n")
	return []byte(b.String())
}

// beyond are the openings of ports that others may reach.
func beyond(s stack.Stack) []stack.Opening {
	return slices.DeleteFunc(slices.Clone(s.Firewall), func(o stack.Opening) bool { return !o.Port.Beyond() })
}

// openOnIPv6 are the openings of ports that are published on IPv6.
func openOnIPv6(s stack.Stack) []stack.Opening {
	return slices.DeleteFunc(beyond(s), func(o stack.Opening) bool {
		a, err := netip.ParseAddr(o.Port.Address)
		return err != nil || !a.Is6()
	})
}

func nftables(s stack.Stack, from Source) []byte {
	table := "hsectl-" + s.Name
	var b strings.Builder
	b.WriteString(header(from))
	b.WriteString("# Reload it after each change, and on each start of the machine: nft -f this file. It needs no chain of the engine's.\n")
	fmt.Fprintf(&b, "table inet %s\ndelete table inet %s\ntable inet %s {\n\tchain forward {\n\t\ttype filter hook forward priority filter - 1; policy accept;\n\t\tct state established,related accept\n", table, table, table)
	for _, p := range s.Loopback() {
		fmt.Fprintf(&b, "\t\tmeta l4proto %s ct status dnat ct original ip daddr %s ct original proto-dst %d drop\n", p.Protocol, p.Address, p.Host)
	}
	for _, o := range beyond(s) {
		match := fmt.Sprintf("meta l4proto %s ct status dnat ct original proto-dst %d", o.Port.Protocol, o.Port.Host)
		if o.World {
			fmt.Fprintf(&b, "\t\t%s accept\n", match)
			continue
		}
		for _, p := range o.From {
			family := "ip"
			if p.Addr().Is6() {
				family = "ip6"
			}
			fmt.Fprintf(&b, "\t\t%s saddr %s %s accept\n", family, p, match)
		}
		fmt.Fprintf(&b, "\t\t%s drop\n", match)
	}
	if direct := s.Loopback(); len(direct) > 0 {
		b.WriteString("\t\tct status dnat accept\n")
		for _, p := range direct {
			fmt.Fprintf(&b, "\t\tiifname != \"br-*\" oifname \"br-*\" %s dport %d drop\n", p.Protocol, p.Container)
		}
	}
	b.WriteString("\t}\n")
	if six := openOnIPv6(s); len(six) > 0 {
		b.WriteString("\tchain input {\n\t\ttype filter hook input priority filter - 1; policy accept;\n\t\tct state established,related accept\n")
		for _, o := range six {
			match := fmt.Sprintf("meta nfproto ipv6 %s dport %d", o.Port.Protocol, o.Port.Host)
			if a := netip.MustParseAddr(o.Port.Address); !a.IsUnspecified() {
				match = "ip6 daddr " + a.String() + " " + match
			}
			for _, p := range o.From {
				if p.Addr().Is6() {
					fmt.Fprintf(&b, "\t\tip6 saddr %s %s accept\n", p, match)
				}
			}
			fmt.Fprintf(&b, "\t\t%s %s\n", match, map[bool]string{true: "accept", false: "drop"}[o.World])
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return []byte(b.String())
}
