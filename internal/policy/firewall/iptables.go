package firewall

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// parseIptables reads what iptables -S and ip6tables -S print. A rule that cannot be read is one that cannot be judged, never
// one that is left out.
func parseIptables(lines []string) filter {
	f := filter{}
	for _, line := range lines {
		words := splitWords(line)
		if len(words) < 2 {
			continue
		}
		c := f[words[1]]
		switch words[0] {
		case "-N":
		case "-P":
			c.drops = len(words) > 2 && words[2] == targetDrop
		case "-A":
			c.rules = append(c.rules, parseIptablesRule(strings.TrimSpace(line), words[2:]))
		default:
			continue
		}
		f[words[1]] = c
	}
	return f
}

func parseIptablesRule(text string, words []string) rule {
	r := rule{text: text, target: targetContinue}
	not := false
	for len(words) > 0 {
		option := words[0]
		words = words[1:]
		if option == "!" {
			not = true
			continue
		}
		value := ""
		if len(words) > 0 && option != "--syn" && !strings.HasPrefix(words[0], "-") {
			value, words = words[0], words[1:]
		}
		for option != "-j" && option != "-g" && len(words) > 0 && words[0] != "!" && !strings.HasPrefix(words[0], "-") {
			r.when, words = append(r.when, unclear), words[1:] // an option of more words than any that is known here
		}
		if option == "-j" || option == "-g" {
			r.target, r.leaves = iptablesTarget(value), option == "-g"
			return r // what follows belongs to the target
		}
		r.option(option, value, not)
		not = false
	}
	return r
}

func iptablesTarget(name string) string {
	switch name {
	case "REJECT", "TARPIT":
		return targetDrop
	case "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TRACE", "AUDIT", "CT":
		return targetContinue
	}
	return name
}

func (r *rule) option(name, value string, not bool) {
	switch name {
	case "-m":
		if !slices.Contains([]string{"tcp", "udp", "conntrack", "state", "comment", "multiport"}, value) {
			r.when = append(r.when, unclear) // some ask without an option
		}
	case "--comment":
	case "-s", "--source", "--ctorigsrc":
		if p, ok := iptablesAddress(value); ok {
			r.from([]addresses{addressesOf(p)}, not)
			return
		}
		r.when = append(r.when, unclear)
	case "-d", "--destination":
		if p, ok := iptablesAddress(value); ok {
			r.to([]addresses{addressesOf(p)}, not)
			return
		}
		r.when = append(r.when, unclear)
	case "-i", "--in-interface":
		r.arrives(value, "+", not)
	case "-o", "--out-interface":
		r.goes(value, "+", not)
	case "--ctorigdst":
		if p, ok := iptablesAddress(value); ok {
			r.came([]addresses{addressesOf(p)}, not)
			return
		}
		r.when = append(r.when, unclear)
	case "-p", "--protocol":
		r.protocol(value, not)
	case "--ctstate", "--state":
		states := strings.Split(value, ",")
		r.when = append(r.when, sure(func(p packet) bool {
			return (slices.Contains(states, "NEW") || p.translated && slices.Contains(states, "DNAT")) != not
		}))
	case "--ctdir":
		r.when = append(r.when, sure(func(packet) bool { return (value == "ORIGINAL") != not }))
	case "--ctorigdstport":
		r.ports(value, not, func(p packet) int { return p.original })
	case "--dport", "--dports", "--destination-port", "--destination-ports":
		r.ports(value, not, func(p packet) int { return p.port })
	case "--syn":
		r.when = append(r.when, sure(func(packet) bool { return !not }))
	default:
		r.when = append(r.when, unclear)
	}
}

func (r *rule) protocol(value string, not bool) {
	if name, ok := map[string]string{"6": "tcp", "17": "udp", "all": "", "0": ""}[value]; ok {
		value = name
	}
	if value != "" {
		r.when = append(r.when, sure(func(p packet) bool { return (p.protocol == value) != not }))
	}
}

// ports reads 80, 80:90 or 80,443.
func (r *rule) ports(value string, not bool, of func(packet) int) {
	var ranges []portRange
	for _, part := range strings.Split(value, ",") {
		low, high, isRange := strings.Cut(part, ":")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil {
			r.when = append(r.when, unclear)
			return
		}
		ranges = append(ranges, portRange{from, to})
	}
	r.when = append(r.when, sure(func(p packet) bool { return within(ranges, of(p)) != not }))
}

// iptablesAddress reads 10.0.0.0/8, 10.0.0.1, 10.0.0.0/255.0.0.0, and the same of IPv6.
func iptablesAddress(value string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(value); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	if p, err := netip.ParsePrefix(value); err == nil {
		return p.Masked(), true
	}
	address, mask, _ := strings.Cut(value, "/")
	a, err := netip.ParseAddr(address)
	m, err2 := netip.ParseAddr(mask)
	if err != nil || err2 != nil || a.BitLen() != m.BitLen() || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	bits, ended := 0, false
	for _, b := range m.AsSlice() {
		for bit := 7; bit >= 0; bit-- {
			switch {
			case b&(1<<bit) == 0:
				ended = true
			case ended:
				return netip.Prefix{}, false // a mask with holes
			default:
				bits++
			}
		}
	}
	return netip.PrefixFrom(a, bits).Masked(), true
}

// splitWords splits a line at its blanks. What stands in double quotes is one word.
func splitWords(line string) []string {
	var out []string
	var word strings.Builder
	quoted, begun := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted && i+1 < len(line):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted, begun = !quoted, true
		case (c == ' ' || c == '\t' || c == '\n' || c == '\r') && !quoted:
			if begun {
				out = append(out, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		out = append(out, word.String())
	}
	return out
}
