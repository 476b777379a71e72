package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
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
func chainName(stackName string) string {
	if len(stackName) <= 20 {
		return "HSECTL-" + stackName
	}
	sum := sha256.Sum256([]byte(stackName))
	return "HSECTL-" + stackName[:11] + "-" + hex.EncodeToString(sum[:4])
}

// firewallFiles render what the profile says about published ports: the same rules for iptables, for ip6tables where a port
// is published on IPv6 or a source is of it, and for nftables. A connection is told by the port that it came to, before the
// engine translated it, so that connections of containers to the same port elsewhere are left alone.
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
	chain := chainName(s.Name)
	var b strings.Builder
	b.WriteString(header(from))
	fmt.Fprintf(&b, "# Load it anew after each change: %s-restore --noflush < this file. Once, on each start of the machine after the engine's:\n", program)
	fmt.Fprintf(&b, "#   %s -C DOCKER-USER -j %s || %s -I DOCKER-USER -j %s\n", program, chain, program, chain)
	fmt.Fprintf(&b, "*filter\n:%s - [0:0]\n-A %s -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n", chain, chain)
	for _, o := range s.Firewall {
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
	b.WriteString("COMMIT\n")
	return []byte(b.String())
}

// NftTable is the table of nftables with the rules of a stack.
func NftTable(stackName string) string { return "hsectl-" + stackName }

func nftables(s stack.Stack, from Source) []byte {
	table := NftTable(s.Name)
	var b strings.Builder
	b.WriteString(header(from))
	b.WriteString("# Load it anew after each change, and on each start of the machine: nft -f this file. It needs no chain of the engine's.\n")
	fmt.Fprintf(&b, "table inet %s\ndelete table inet %s\ntable inet %s {\n\tchain forward {\n\t\ttype filter hook forward priority filter - 1; policy accept;\n\t\tct state established,related accept\n", table, table, table)
	for _, o := range s.Firewall {
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
	b.WriteString("\t}\n}\n")
	return []byte(b.String())
}
