package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// match reads one comparison.
func (n nftReader) match(r *rule, value any) {
	op, _ := nftField(value, "op").(string)
	right := n.items(nftField(value, "right"))
	if right == nil || op != "==" && op != "!=" && op != "in" {
		r.when = append(r.when, unclear)
		return
	}
	not := op == "!="
	left, _ := nftField(value, "left").(map[string]any)
	payload, isPayload := left["payload"]
	meta, isMeta := left["meta"]
	ct, isCt := left["ct"]
	switch {
	case isPayload:
		protocol, _ := nftField(payload, "protocol").(string)
		field, _ := nftField(payload, "field").(string)
		r.payload(protocol, field, right, not)
	case isMeta:
		key, _ := nftField(meta, "key").(string)
		r.meta(key, right, not)
	case isCt:
		key, _ := nftField(ct, "key").(string)
		direction, _ := nftField(ct, "dir").(string)
		r.conntrack(key, direction, right, not)
	default:
		r.when = append(r.when, unclear)
	}
}

func (r *rule) payload(protocol, field string, right []any, not bool) {
	switch {
	case protocol == "ip" || protocol == "ip6":
		v4 := protocol == "ip"
		r.when = append(r.when, sure(func(p packet) bool { return p.source.Is4() == v4 }))
		switch field {
		case "saddr", "daddr":
			ranges, ok := nftAddresses(right)
			switch {
			case !ok:
				r.when = append(r.when, unclear)
			case field == "saddr":
				r.from(ranges, not)
			default:
				r.to(ranges, not)
			}
		case "protocol", "nexthdr":
			r.named(right, not, func(p packet) string { return p.protocol })
		default:
			r.when = append(r.when, unclear)
		}
	case field == "dport" && (protocol == "tcp" || protocol == "udp" || protocol == "th"):
		if protocol != "th" {
			r.when = append(r.when, sure(func(p packet) bool { return p.protocol == protocol }))
		}
		r.numbered(right, not, func(p packet) int { return p.port })
	case slices.Contains([]string{"icmp", "icmpv6", "igmp", "sctp", "dccp", "esp", "ah"}, protocol):
		r.when = append(r.when, sure(func(packet) bool { return false }))
	default:
		r.when = append(r.when, unclear)
	}
}

func (r *rule) meta(key string, right []any, not bool) {
	switch key {
	case "l4proto":
		r.named(right, not, func(p packet) string { return p.protocol })
	case "nfproto":
		r.named(right, not, func(p packet) string { return map[bool]string{true: "ipv4", false: "ipv6"}[p.source.Is4()] })
	case "iif", "iifname", "oif", "oifname":
		name, isName := right[0].(string)
		if len(right) != 1 || !isName {
			r.when = append(r.when, unclear)
			return
		}
		if strings.HasPrefix(key, "iif") {
			r.arrives(name, "*", not)
			return
		}
		r.goes(name, "*", not)
	default:
		r.when = append(r.when, unclear)
	}
}

// conntrack judges what the kernel knows of a connection at its first packet.
func (r *rule) conntrack(key, direction string, right []any, not bool) {
	switch {
	case key == "state":
		r.when = append(r.when, sure(func(packet) bool { return slices.Contains(right, any("new")) != not }))
	case key == "status":
		if slices.ContainsFunc(right, func(v any) bool { return v != "dnat" }) {
			r.when = append(r.when, unclear)
			return
		}
		r.when = append(r.when, sure(func(p packet) bool { return p.translated != not }))
	case key == "direction":
		r.when = append(r.when, sure(func(packet) bool { return slices.Contains(right, any("original")) != not }))
	case key == "proto-dst" && direction == "original":
		r.numbered(right, not, func(p packet) int { return p.original })
	case strings.HasSuffix(key, "daddr") && direction == "original": // ip daddr, ip6 daddr
		ranges, ok := nftAddresses(right)
		if !ok {
			r.when = append(r.when, unclear)
			return
		}
		r.came(ranges, not)
	case strings.HasSuffix(key, "saddr") && direction == "original": // ip saddr, ip6 saddr
		ranges, ok := nftAddresses(right)
		if !ok {
			r.when = append(r.when, unclear)
			return
		}
		r.from(ranges, not)
	default:
		r.when = append(r.when, unclear)
	}
}

// named compares with protocols by name or by number.
func (r *rule) named(right []any, not bool, of func(packet) string) {
	var names []string
	for _, v := range right {
		switch v := v.(type) {
		case string:
			names = append(names, v)
		case float64:
			names = append(names, map[float64]string{6: "tcp", 17: "udp"}[v])
		default:
			r.when = append(r.when, unclear)
			return
		}
	}
	r.when = append(r.when, sure(func(p packet) bool { return slices.Contains(names, of(p)) != not }))
}

func (r *rule) numbered(right []any, not bool, of func(packet) int) {
	var ranges []portRange
	for _, v := range right {
		if n, ok := v.(float64); ok {
			ranges = append(ranges, portRange{int(n), int(n)})
			continue
		}
		ends, _ := nftField(v, "range").([]any)
		if len(ends) != 2 {
			r.when = append(r.when, unclear)
			return
		}
		from, ok := ends[0].(float64)
		to, ok2 := ends[1].(float64)
		if !ok || !ok2 {
			r.when = append(r.when, unclear)
			return
		}
		ranges = append(ranges, portRange{int(from), int(to)})
	}
	r.when = append(r.when, sure(func(p packet) bool { return within(ranges, of(p)) != not }))
}

// nftAddresses reads addresses, prefixes and ranges.
func nftAddresses(items []any) ([]addresses, bool) {
	var out []addresses
	for _, v := range items {
		first, last := "", ""
		switch v := v.(type) {
		case string:
			first, last = v, v
		case map[string]any:
			if p, ok := v["prefix"]; ok {
				address, _ := nftField(p, "addr").(string)
				bits, isNumber := nftField(p, "len").(float64)
				prefix, err := netip.ParsePrefix(fmt.Sprintf("%s/%d", address, int(bits)))
				if err != nil || !isNumber {
					return nil, false
				}
				out = append(out, addressesOf(prefix))
				continue
			}
			if ends, _ := v["range"].([]any); len(ends) == 2 {
				first, _ = ends[0].(string)
				last, _ = ends[1].(string)
			}
		}
		a, err := netip.ParseAddr(first)
		b, err2 := netip.ParseAddr(last)
		if err != nil || err2 != nil || a.Is4() != b.Is4() {
			return nil, false
		}
		out = append(out, addresses{a, b})
	}
	return out, true
}

// items are the values on the right of a comparison; nil when they cannot be known. A named set is looked up.
func (n nftReader) items(right any) []any {
	if name, ok := right.(string); ok && len(name) > 1 && name[0] == '@' {
		return n.sets[name[1:]]
	}
	return nftItems(right)
}

// nftItems returns one value as a list, and the values of lists, sets and elements with a comment.
func nftItems(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		out := []any{}
		for _, item := range v {
			out = append(out, nftItems(item)...)
		}
		return out
	case map[string]any:
		if set, ok := v["set"]; ok {
			return nftItems(set)
		}
		if elem, ok := v["elem"]; ok {
			return nftItems(nftField(elem, "val"))
		}
	}
	return []any{v}
}

func nftField(v any, name string) any {
	m, _ := v.(map[string]any)
	return m[name]
}
