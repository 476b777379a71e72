package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// filter is a table of a packet filter as iptables -S prints it: rules by chain.
type filter map[string][]filterRule

// filterRule is one rule, as far as it can be judged for the first packet of a connection to a published port.
type filterRule struct {
	text     string
	source   netip.Prefix // not valid when every source fits
	notFrom  bool
	protocol string // empty when every one fits
	never    bool   // no first packet to a published port fits
	host     []portRange
	inside   []portRange // of the container: the address is translated already
	unclear  bool        // more is asked than can be judged
	target   string
	leaves   bool // -g: what returns from the target does not come back
}

type portRange struct{ from, to int }

// packet is the first of a connection that comes from outside to a published port.
type packet struct {
	source          netip.Addr
	protocol        string
	host, container int
}

// fate is what may become of a packet: a set, because not everything can be judged.
type fate int

const (
	letIn      fate = 1 << iota // accepted here
	turnedAway                  // dropped, or refused with an answer
	onwards                     // to the rules behind
)

// maxDepth bounds chains that lead to each other in a circle, which the kernel refuses.
const maxDepth = 16

// fate follows a packet through a chain. Why is the rule that could not be judged, when one mattered.
func (f filter) fate(chain string, p packet, depth int) (out fate, why string) {
	if depth > maxDepth {
		return letIn | turnedAway | onwards, chain
	}
	for _, r := range f[chain] {
		fits, sure := r.fits(p)
		if !fits {
			continue
		}
		next, doubt := f.end(r, p, depth)
		if doubt != "" {
			why = doubt
		}
		if !sure {
			why = r.text
			out |= next &^ onwards
			continue
		}
		out |= next &^ onwards
		if next&onwards == 0 {
			return out, why
		}
		if r.leaves {
			return out | onwards, why
		}
	}
	return out | onwards, why
}

// end is what the target of a rule does with a packet: it goes on to the next rule when the target lets it.
func (f filter) end(r filterRule, p packet, depth int) (fate, string) {
	switch r.target {
	case "ACCEPT", "RETURN": // whatever stands behind DOCKER-USER lets published ports through
		return letIn, ""
	case "DROP", "REJECT", "TARPIT":
		return turnedAway, ""
	case "", "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TRACE", "AUDIT", "CT":
		return onwards, ""
	}
	if _, ok := f[r.target]; !ok {
		return letIn | turnedAway | onwards, r.text
	}
	inner, why := f.within(r.target, p, depth+1)
	return inner, why
}

// within follows a packet through a chain that another one jumps to: RETURN there only leads back.
func (f filter) within(chain string, p packet, depth int) (fate, string) {
	back := filter{}
	for name, rules := range f {
		back[name] = rules
	}
	var copied []filterRule
	for _, r := range f[chain] {
		if r.target == "RETURN" {
			r.target, r.leaves = "", true
		}
		copied = append(copied, r)
	}
	back[chain] = copied
	return back.fate(chain, p, depth)
}

// fits reports whether a packet fits a rule, and whether that is sure.
func (r filterRule) fits(p packet) (fits, sure bool) {
	switch {
	case r.never, r.protocol != "" && r.protocol != p.protocol:
		return false, true
	case r.source.IsValid() && r.source.Contains(p.source) == r.notFrom:
		return false, true
	case r.host != nil && !within(r.host, p.host), r.inside != nil && !within(r.inside, p.container):
		return false, true
	}
	return true, !r.unclear
}

func within(ranges []portRange, port int) bool {
	return slices.ContainsFunc(ranges, func(r portRange) bool { return r.from <= port && port <= r.to })
}

// parseFilter reads what iptables -S prints. A rule that cannot be read is one that cannot be judged, never one that is left
// out.
func parseFilter(lines []string) filter {
	f := filter{}
	for _, line := range lines {
		words := filterWords(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "-N", "-P":
			if _, known := f[words[1]]; !known {
				f[words[1]] = []filterRule{}
			}
		case "-A":
			f[words[1]] = append(f[words[1]], parseFilterRule(strings.TrimSpace(line), words[2:]))
		}
	}
	return f
}

func parseFilterRule(text string, words []string) filterRule {
	r := filterRule{text: text}
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
			r.unclear, words = true, words[1:] // an option of more words than any that is known here
		}
		if option == "-j" || option == "-g" {
			r.target, r.leaves = value, option == "-g"
			return r // what follows belongs to the target
		}
		r.option(option, value, not)
		not = false
	}
	return r
}

func (r *filterRule) option(name, value string, not bool) {
	switch name {
	case "-m", "--comment":
	case "-s", "--source", "--ctorigsrc":
		p, ok := filterSource(value)
		if !ok || r.source.IsValid() {
			r.unclear = true
			return
		}
		r.source, r.notFrom = p, not
	case "-p", "--protocol":
		if not { // it fits every other one
			r.unclear = true
			return
		}
		r.protocol = value
		if name, ok := map[string]string{"6": "tcp", "17": "udp", "all": "", "0": ""}[value]; ok {
			r.protocol = name
		}
	case "--ctstate", "--state":
		states := strings.Split(value, ",")
		first := slices.Contains(states, "NEW") || slices.Contains(states, "DNAT")
		r.never = r.never || first == not
	case "--ctdir":
		r.never = r.never || (value == "ORIGINAL") == not
	case "--ctorigdstport":
		r.ports(&r.host, value, not)
	case "--dport", "--dports", "--destination-port", "--destination-ports":
		r.ports(&r.inside, value, not)
	case "--syn":
		r.never = r.never || not
	default:
		r.unclear = true
	}
}

// ports reads 80, 80:90 or 80,443.
func (r *filterRule) ports(into *[]portRange, value string, not bool) {
	if not || *into != nil {
		r.unclear = true
		return
	}
	for _, part := range strings.Split(value, ",") {
		low, high, isRange := strings.Cut(part, ":")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil {
			r.unclear = true
			return
		}
		*into = append(*into, portRange{from, to})
	}
}

// filterSource reads 10.0.0.0/8, 10.0.0.1 or 10.0.0.0/255.0.0.0.
func filterSource(value string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(value); err == nil && a.Is4() {
		return netip.PrefixFrom(a, 32), true
	}
	if p, err := netip.ParsePrefix(value); err == nil && p.Addr().Is4() {
		return p.Masked(), true
	}
	address, mask, _ := strings.Cut(value, "/")
	a, err := netip.ParseAddr(address)
	m, err2 := netip.ParseAddr(mask)
	if err != nil || err2 != nil || !a.Is4() || !m.Is4() {
		return netip.Prefix{}, false
	}
	bits, ended := 0, false
	for _, b := range m.As4() {
		for bit := 7; bit >= 0; bit-- {
			if b&(1<<bit) == 0 {
				ended = true
			} else if ended {
				return netip.Prefix{}, false // a mask with holes
			} else {
				bits++
			}
		}
	}
	return netip.PrefixFrom(a, bits).Masked(), true
}

// filterWords splits a line at its blanks. What stands in double quotes is one word.
func filterWords(line string) []string {
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
