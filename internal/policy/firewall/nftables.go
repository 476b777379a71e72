package firewall

import (
	"encoding/json"
	"fmt"
	"slices"
)

// nftHook is a chain of nftables that the kernel calls for packets on their way.
type nftHook struct {
	rules      filter // of its table
	chain      string
	title      string // as nft names it
	family     string
	hook       string
	translated bool // it is called after addresses are translated
}

// nftTable is the key of a table.
type nftTable struct{ family, name string }

// nftObject is one line of nft -j list ruleset. See libnftables-json(5).
type nftObject struct {
	Table *struct {
		Family, Name string
		Flags        any
	}
	Chain *struct {
		Family, Table, Name, Type, Hook, Policy string
		Prio                                    int
	}
	Rule *struct {
		Family, Table, Chain, Comment string
		Expr                          []map[string]any
	}
	Set *struct {
		Family, Table, Name string
		Flags               any
		Elem                []any
	}
}

// ownTables are tables of nftables that belong to iptables, whose own words are read instead, and to the engine, which lets
// through what it publishes.
func ownTables(iptables bool) []string {
	out := []string{"docker-bridges"}
	if iptables {
		out = append(out, "filter", "nat", "mangle", "raw", "security")
	}
	return out
}

// afterNat is the priority from which on the kernel has translated destinations on the way in.
const afterNat = -100

// Nftables are the rules of nftables that packets from outside meet.
type Nftables struct {
	hooks  []nftHook
	tables []string // family and name of each
}

// ParseNftables reads what nft -j list ruleset prints; nothing where there is no nft. Tables that iptables keeps there are left
// out when it has been asked itself.
func ParseNftables(text string, iptables bool) (Nftables, error) {
	var out Nftables
	if text == "" {
		return out, nil
	}
	var whole struct{ Nftables []nftObject }
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		return Nftables{}, fmt.Errorf("reading the rules of nftables: %w", err)
	}
	tables, sets, asleep := map[nftTable]filter{}, map[nftTable]map[string][]any{}, map[nftTable]bool{}
	for _, o := range whole.Nftables {
		switch {
		case o.Table != nil:
			key := nftTable{o.Table.Family, o.Table.Name}
			tables[key], sets[key] = filter{}, map[string][]any{}
			out.tables = append(out.tables, key.family+" "+key.name)
			asleep[key] = slices.Contains(nftItems(o.Table.Flags), any("dormant"))
		case o.Set != nil:
			key := nftTable{o.Set.Family, o.Set.Table}
			if flags := nftItems(o.Set.Flags); sets[key] != nil && !slices.Contains(flags, any("dynamic")) && !slices.Contains(flags, any("timeout")) {
				sets[key][o.Set.Name] = nftItems(o.Set.Elem)
			}
		}
	}
	for _, o := range whole.Nftables {
		if o.Chain == nil {
			continue
		}
		key := nftTable{o.Chain.Family, o.Chain.Table}
		if tables[key] == nil {
			return Nftables{}, fmt.Errorf("reading the rules of nftables: the chain %s has no table", o.Chain.Name)
		}
		tables[key][o.Chain.Name] = chain{drops: o.Chain.Policy == "drop"}
		own := (key.family == "ip" || key.family == "ip6") && slices.Contains(ownTables(iptables), key.name)
		if o.Chain.Hook != "" && o.Chain.Type == "filter" && !own && !asleep[key] {
			out.hooks = append(out.hooks, nftHook{rules: tables[key], chain: o.Chain.Name, title: key.family + " " + key.name + " " + o.Chain.Name, family: key.family,
				hook: o.Chain.Hook, translated: o.Chain.Hook != "prerouting" || o.Chain.Prio >= afterNat})
		}
	}
	for _, o := range whole.Nftables {
		if o.Rule == nil {
			continue
		}
		key := nftTable{o.Rule.Family, o.Rule.Table}
		c, ok := tables[key][o.Rule.Chain]
		if !ok {
			return Nftables{}, fmt.Errorf("reading the rules of nftables: a rule is in the chain %s, which is not there", o.Rule.Chain)
		}
		name := key.family + " " + key.name + " " + o.Rule.Chain
		c.rules = append(c.rules, nftReader{name, sets[key]}.rules(o.Rule.Expr)...)
		tables[key][o.Rule.Chain] = c
	}
	return out, nil
}

// verdict is what the chain does with a packet, and whether it sees it at all. A chain beneath the routing, of a device or a
// bridge, sees no more than frames: where it refuses anything is not known.
func (h nftHook) verdict(p packet, way string) (out fate, why string) {
	switch {
	case h.family == "ip" && !p.source.Is4(), h.family == "ip6" && p.source.Is4(), h.family == "arp":
		return accepted, ""
	case h.family == "netdev" || h.hook == "ingress":
		if h.refuses() {
			return accepted | refused, h.title
		}
		return accepted, ""
	case h.family == "bridge" || h.hook != way && h.hook != "prerouting" && (h.hook != "postrouting" || way != "forward"):
		return accepted, ""
	}
	if !h.translated {
		p.translated, p.port = false, p.original
	}
	return h.rules.verdict(h.chain, p)
}

func (h nftHook) refuses() bool {
	for _, c := range h.rules {
		if c.drops || slices.ContainsFunc(c.rules, func(r rule) bool { return r.target == targetDrop }) {
			return true
		}
	}
	return false
}

// nftReader turns the expressions of rules into rules as iptables has them.
type nftReader struct {
	where string
	sets  map[string][]any // elements of the named sets that nothing but an administrator changes
}

// rules reads one rule. A map of verdicts is as many rules as it has entries.
func (n nftReader) rules(expr []map[string]any) []rule {
	r, opaque := rule{target: targetContinue, text: n.where + ": " + nftText(expr)}, false
	for _, statement := range expr {
		for name, value := range statement {
			switch name {
			case "match":
				n.match(&r, value)
			case "accept":
				r.target = targetAccept
			case "drop", "reject":
				r.target = targetDrop
			case "return":
				r.target = targetReturn
			case "jump", "goto":
				r.target, _ = nftField(value, "target").(string)
				r.leaves = name == "goto"
			case "vmap":
				return n.mapped(r, value)
			case "counter", "log", "mangle", "notrack", "ct helper", "continue", "comment", "flow":
			default: // limits, queues, and what this does not know
				r.when, opaque = append(r.when, unclear), true
			}
		}
	}
	if opaque && r.target == targetContinue {
		r.target = r.text // no chain has that name
	}
	return []rule{r}
}

// mapped reads a map of verdicts: ct state vmap { established : accept, invalid : drop }.
func (n nftReader) mapped(r rule, value any) []rule {
	items, literal := nftField(value, "data").(map[string]any)
	pairs, isSet := items["set"].([]any)
	if !literal || !isSet {
		r.target = r.text // no chain has that name
		return []rule{r}
	}
	var out []rule
	for _, item := range pairs {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			r.target = r.text
			return []rule{r}
		}
		one := r
		one.when, one.bounds = slices.Clone(r.when), slices.Clone(r.bounds)
		n.match(&one, map[string]any{"op": "==", "left": nftField(value, "key"), "right": pair[0]})
		verdict, _ := pair[1].(map[string]any)
		for _, read := range n.rules([]map[string]any{verdict}) {
			one.target, one.leaves = read.target, read.leaves
		}
		out = append(out, one)
	}
	return out
}

// nftText shows a rule that could not be judged; nft has no shorter words in JSON.
func nftText(expr []map[string]any) string {
	data, err := json.Marshal(expr)
	if err != nil || len(data) > 400 {
		return "a long rule"
	}
	return string(data)
}
