package firewall

import (
	"net/netip"
	"slices"
	"strings"
)

// packet is the first of a connection that comes from outside to a published port, as a rule sees it on its way.
type packet struct {
	source     netip.Addr
	to         netip.Addr // the address that it came to; not valid where that is any of the machine, or not that any more
	protocol   string
	original   int  // the port that it came to
	port       int  // the port that it goes to: the container's, when it is translated
	translated bool // the engine's rules have given it the address of a container

	bridge string // the interface at which it leaves; empty when that is not known
}

// condition is what a rule asks of a packet. Where that cannot be judged the answer is not sure, and the rule may fit.
type condition func(packet) (fits, sure bool)

// rule is one rule of a packet filter.
type rule struct {
	text   string
	when   []condition
	bounds []netip.Addr // sources from which on it may fit where it did not, or the reverse
	target string       // ACCEPT, DROP, RETURN, CONTINUE, another chain, or what cannot be judged
	leaves bool         // goto: what returns from the target does not come back
}

// What a target can be, but for the name of a chain.
const (
	targetAccept   = "ACCEPT"
	targetDrop     = "DROP"
	targetReturn   = "RETURN"
	targetContinue = "CONTINUE"
)

// chain is a list of rules, and what becomes of what none of them ends.
type chain struct {
	rules []rule
	drops bool // the policy
}

// filter is a table of a packet filter: chains by name.
type filter map[string]chain

// fate is what may become of a packet: a set, because not everything can be judged.
type fate int

const (
	accepted  fate = 1 << iota // accepted here
	refused                    // dropped, or refused with an answer
	undecided                  // to the rules behind
)

// walk is the way of one packet through a table. What a chain does with it is found out once.
type walk struct {
	filter
	packet
	done map[string]passage
}

// passage is what became of a packet in a chain. Why is the rule that could not be judged, when one mattered.
type passage struct {
	fate
	why string
}

// follow leads the packet through a chain. Chains that lead to each other in a circle, which the kernel refuses, cannot be judged.
func (w walk) follow(name string) (fate, string) {
	if _, ok := w.done[name]; !ok {
		w.done[name] = passage{accepted | refused | undecided, name} // for whoever comes by here again
		out, why := w.through(name)
		w.done[name] = passage{out, why}
	}
	return w.done[name].fate, w.done[name].why
}

func (w walk) through(name string) (out fate, why string) {
	for _, r := range w.filter[name].rules {
		fits, sure := r.fits(w.packet)
		if !fits {
			continue
		}
		next, doubt := w.end(r)
		if doubt != "" {
			why = doubt
		}
		if !sure && next != undecided {
			why = r.text
		}
		out |= next &^ undecided
		back := r.leaves || r.target == targetReturn // and not to the next rule
		switch {
		case next&undecided != 0 && back && sure:
			return out | undecided, why
		case next&undecided != 0 && back:
			out, why = out|undecided, r.text
		case next&undecided == 0 && sure:
			return out, why
		}
	}
	return out | undecided, why
}

// end is what the target of a rule does with a packet. Undecided is to the next rule, or to whoever jumped here.
func (w walk) end(r rule) (fate, string) {
	switch r.target {
	case targetAccept:
		return accepted, ""
	case targetDrop:
		return refused, ""
	case targetContinue, targetReturn:
		return undecided, ""
	}
	if _, ok := w.filter[r.target]; !ok {
		return accepted | refused | undecided, r.text
	}
	return w.follow(r.target)
}

// verdict is the fate of a packet at a chain that the kernel itself calls: what no rule ends, the policy does.
func (f filter) verdict(name string, p packet) (fate, string) {
	out, why := walk{f, p, map[string]passage{}}.follow(name)
	if out&undecided == 0 {
		return out, why
	}
	if f[name].drops {
		return out&^undecided | refused, why
	}
	return out&^undecided | accepted, why
}

// fits reports whether a packet fits a rule, and whether that is sure.
func (r rule) fits(p packet) (fits, sure bool) {
	sure = true
	for _, c := range r.when {
		fits, certain := c(p)
		if certain && !fits {
			return false, true
		}
		sure = sure && certain
	}
	return true, sure
}

// bounds are the sources at which a rule of the table may begin or end to fit.
func (f filter) bounds() []netip.Addr {
	var out []netip.Addr
	for _, c := range f {
		for _, r := range c.rules {
			out = append(out, r.bounds...)
		}
	}
	return out
}

// sure makes a condition of what can be judged.
func sure(ask func(packet) bool) condition {
	return func(p packet) (bool, bool) { return ask(p), true }
}

// unclear is the condition that cannot be judged.
func unclear(packet) (fits, sure bool) { return true, false }

// addresses is a range of addresses, both ends in it.
type addresses struct{ first, last netip.Addr }

func addressesOf(p netip.Prefix) addresses {
	first := p.Masked().Addr()
	last := first.AsSlice()
	for bit := p.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	end, _ := netip.AddrFromSlice(last) // as long as the first
	return addresses{first, end}
}

func (a addresses) hold(other netip.Addr) bool {
	return a.first.Is4() == other.Is4() && a.first.Compare(other) <= 0 && other.Compare(a.last) <= 0
}

// bounds are where the range begins, and where it has ended.
func (a addresses) bounds() []netip.Addr { return []netip.Addr{a.first, a.last.Next()} }

// from asks for a source.
func (r *rule) from(ranges []addresses, not bool) {
	for _, a := range ranges {
		r.bounds = append(r.bounds, a.bounds()...)
	}
	r.when = append(r.when, sure(func(p packet) bool { return heldBy(ranges, p.source) != not }))
}

// to asks for the address that the packet goes to. After the engine has translated it, and where a port is open at every
// address of the machine, that is not known.
func (r *rule) to(ranges []addresses, not bool) {
	r.when = append(r.when, func(p packet) (bool, bool) {
		if !p.to.IsValid() || p.translated {
			return true, false
		}
		return heldBy(ranges, p.to) != not, true
	})
}

// came asks for the address that the packet came to, before the engine translated it. Where a port is open at every address of the machine,
// that is none of loopback, which has rules of its own.
func (r *rule) came(ranges []addresses, not bool) {
	r.when = append(r.when, func(p packet) (bool, bool) {
		if p.to.IsValid() {
			return heldBy(ranges, p.to) != not, true
		}
		if slices.ContainsFunc(ranges, func(a addresses) bool { return !a.first.IsLoopback() || !a.last.IsLoopback() }) {
			return true, false
		}
		return not, true
	})
}

// arrives asks for the interface that a packet comes in at. One from outside does not come in at lo, nor at a bridge of the engine; at
// which else is not known. Any is what stands for the rest of a name.
func (r *rule) arrives(name, any string, not bool) {
	own := name == "lo"
	r.when = append(r.when, func(p packet) (bool, bool) {
		if own || p.bridge != "" && (fitsName(name, any, p.bridge) || strings.HasPrefix(name, "br-") || name == "docker0") {
			return not, true
		}
		return true, false
	})
}

// goes asks for the interface at which a packet goes on to a container.
func (r *rule) goes(name, any string, not bool) {
	r.when = append(r.when, func(p packet) (bool, bool) {
		if p.bridge == "" {
			return true, false
		}
		return fitsName(name, any, p.bridge) != not, true
	})
}

func fitsName(pattern, any, name string) bool {
	if before, ok := strings.CutSuffix(pattern, any); ok {
		return strings.HasPrefix(name, before)
	}
	return pattern == name
}

func heldBy(ranges []addresses, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(r addresses) bool { return r.hold(a) })
}

// portRange is a range of ports, both ends in it.
type portRange struct{ from, to int }

func within(ranges []portRange, port int) bool {
	return slices.ContainsFunc(ranges, func(r portRange) bool { return r.from <= port && port <= r.to })
}
