package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// attribute is one of a message.
type attribute struct {
	kind  uint16
	value []byte
}

func number(kind uint16, n uint32) attribute {
	return attribute{kind, binary.LittleEndian.AppendUint32(nil, n)}
}

func address(kind uint16, text string) attribute {
	return attribute{kind, netip.MustParseAddr(text).AsSlice()}
}

// message is one of netlink, as a kernel writes it.
func message(kind uint16, head []byte, all ...attribute) []byte {
	body := head
	for _, a := range all {
		body = binary.LittleEndian.AppendUint16(body, uint16(4+len(a.value)))
		body = binary.LittleEndian.AppendUint16(body, a.kind)
		body = append(body, a.value...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(headerSize+len(body)))
	out = binary.LittleEndian.AppendUint16(out, kind)
	out = append(out, make([]byte, headerSize-6)...)
	return append(out, body...)
}

func link(index int, name string, flags uint32) []byte {
	head := make([]byte, 16)
	binary.LittleEndian.PutUint32(head[4:], uint32(index))
	binary.LittleEndian.PutUint32(head[8:], flags)
	return message(newLink, head, attribute{3, append([]byte(name), 0)})
}

func addr(index int, text string) []byte {
	p := netip.MustParsePrefix(text)
	head := []byte{2, byte(p.Bits()), 0, 0, byte(index), 0, 0, 0}
	if p.Addr().Is6() {
		head[0] = 10
	}
	return message(newAddress, head, address(1, p.Addr().String()))
}

func route(table, kind int, to string, all ...attribute) []byte {
	p := netip.MustParsePrefix(to)
	head := []byte{2, byte(p.Bits()), 0, 0, byte(min(table, 255)), 2, 0, byte(kind), 0, 0, 0, 0}
	if p.Addr().Is6() {
		head[0] = 10
	}
	if p.Bits() > 0 {
		all = append([]attribute{address(1, p.Addr().String())}, all...)
	}
	return message(newRoute, head, append(all, number(15, uint32(table)))...)
}

func rule(priority, table uint32, all ...attribute) []byte {
	head := []byte{2, 0, 0, 0, byte(min(table, 252)), 0, 0, 1, 0, 0, 0, 0}
	if priority > 0 {
		all = append(all, number(6, priority))
	}
	return message(newRule, head, append(all, number(15, table), number(14, 0xffffffff), attribute{21, []byte{2}})...)
}

func joined(all ...[]byte) []byte { return slices.Concat(all...) }

// wired is a container on two bridges, one of which leads out, and what its kernel says.
func wired() (Wiring, map[string][]byte) {
	w := Wiring{Hostname: "c0ffee", Ends: []End{
		{Network: "shop_back", Driver: "bridge", Addresses: []netip.Prefix{netip.MustParsePrefix("172.18.0.3/16")}},
		{Network: "shop_front", Driver: "bridge", Addresses: []netip.Prefix{netip.MustParsePrefix("172.19.0.2/16"), netip.MustParsePrefix("fd00:1::2/64")},
			Gateways: []netip.Addr{netip.MustParseAddr("172.19.0.1"), netip.MustParseAddr("fd00:1::1")}},
	}}
	return w, map[string][]byte{
		"links":     joined(link(1, "lo", 9), link(2, "tunl0", 0), link(7, "eth0", 1), link(8, "eth1", 1)),
		"addresses": joined(addr(1, "127.0.0.1/8"), addr(1, "::1/128"), addr(7, "172.18.0.3/16"), addr(8, "172.19.0.2/16"), addr(8, "fd00:1::2/64"), addr(8, "fe80::42:acff:fe13:2/64")),
		"routes": joined(route(254, 1, "0.0.0.0/0", address(5, "172.19.0.1"), number(4, 8)), route(254, 1, "172.18.0.0/16", number(4, 7), address(7, "172.18.0.3")),
			route(254, 1, "172.19.0.0/16", number(4, 8)), route(255, 2, "127.0.0.0/8", number(4, 1)), route(255, 2, "127.0.0.1/32", number(4, 1)), route(255, 3, "127.255.255.255/32", number(4, 1)),
			route(255, 2, "172.18.0.3/32", number(4, 7)), route(255, 3, "172.18.255.255/32", number(4, 7)), route(255, 2, "172.19.0.2/32", number(4, 8)), route(255, 3, "172.19.0.0/32", number(4, 8))),
		"routes6": joined(route(254, 1, "fd00:1::/64", number(4, 8)), route(254, 1, "fe80::/64", number(4, 8)), route(254, 1, "::/0", address(5, "fd00:1::1"), number(4, 8)),
			route(254, 1, "::1/128", number(4, 1)), route(255, 2, "::1/128", number(4, 1)), route(255, 2, "fd00:1::2/128", number(4, 8)), route(255, 2, "fe80::42:acff:fe13:2/128", number(4, 8)),
			route(255, 4, "fd00:1::/128", number(4, 8)), route(255, 5, "ff00::/8", number(4, 8)), route(254, 7, "::/0", number(4, 1))),
		"rules":  joined(rule(0, 255), rule(32766, 254), rule(32767, 253)),
		"rules6": joined(rule(0, 255), rule(32766, 254)),
	}
}

// What an engine and a kernel make is nothing strange; whatever is added is named.
func TestStrangeWiring(t *testing.T) {
	t.Parallel()
	w, answers := wired()
	if found, err := w.Strange(answers); err != nil || len(found) > 0 {
		t.Fatalf("as engines make it: %q, %v", found, err)
	}
	for name, c := range map[string]struct {
		of    string
		added []byte
		want  string
	}{
		"a route":                     {"routes", route(254, 1, "10.0.0.0/8", address(5, "172.18.0.9"), number(4, 7)), "route to 10.0.0.0/8 by 172.18.0.9 over eth0"},
		"another way out":             {"routes", route(254, 1, "0.0.0.0/0", address(5, "172.18.0.1"), number(4, 7)), "default route by 172.18.0.1 over eth0"},
		"a way out over the wire":     {"routes", route(254, 1, "0.0.0.0/0", number(4, 7)), "default route over eth0"},
		"half of a way out":           {"routes", route(254, 1, "0.0.0.0/1", address(5, "172.19.0.1"), number(4, 8)), "route to 0.0.0.0/1 by 172.19.0.1 over eth1"},
		"a part of a network":         {"routes", route(254, 1, "172.18.7.0/24", number(4, 8)), "route to 172.18.7.0/24 over eth1"},
		"another table":               {"routes", route(100, 1, "0.0.0.0/0", address(5, "172.19.0.1"), number(4, 8)), "default route by 172.19.0.1 over eth1 in table 100"},
		"a table with a large number": {"routes", route(4711, 1, "10.0.0.0/8", number(4, 8)), "route to 10.0.0.0/8 over eth1 in table 4711"},
		"everything is local":         {"routes", route(255, 2, "10.0.0.0/8", number(4, 1)), "route to 10.0.0.0/8 of type 2 over lo in table 255"},
		"a hole":                      {"routes", route(254, 6, "172.18.0.9/32"), "route to 172.18.0.9/32 of type 6"},
		"several ways":                {"routes", route(254, 1, "172.18.0.0/16", attribute{9, make([]byte, 16)}), "route to 172.18.0.0/16"},
		"a tunnel":                    {"routes", route(254, 1, "172.18.0.0/16", number(4, 7), attribute{22, []byte{1}}), "route to 172.18.0.0/16 over eth0"},
		"of version 6":                {"routes6", route(254, 1, "2000::/3", address(5, "fd00:1::9"), number(4, 8)), "route to 2000::/3 by fd00:1::9 over eth1"},
		"out of version 6":            {"routes6", route(254, 1, "::/0", address(5, "fe80::1"), number(4, 8)), "default route by fe80::1 over eth1"},
		"a rule":                      {"rules", rule(100, 100), "rule 100, for table 100"},
		"a rule with a mark":          {"rules", rule(32766, 254, number(10, 7)), "rule 32766, for table 254"},
		"a rule of version 6":         {"rules6", rule(1, 254), "rule 1, for table 254"},
		"an address":                  {"addresses", addr(7, "10.9.9.9/24"), "address 10.9.9.9/24 of eth0"},
		"an address of version 6":     {"addresses", addr(7, "fd00:2::9/64"), "address fd00:2::9/64 of eth0"},
		"an address of loopback":      {"addresses", addr(1, "127.0.0.53/8"), "address 127.0.0.53/8 of lo"},
		"an interface":                {"links", link(9, "tun0", 1), "interface tun0"},
		"an interface that is down":   {"links", link(9, "tun0", 0), ""},
	} {
		_, answers := wired()
		answers[c.of] = joined(answers[c.of], c.added)
		want := []string{c.want}
		if c.want == "" {
			want = nil
		}
		if found, err := w.Strange(answers); err != nil || !slices.Equal(found, want) {
			t.Errorf("%s: %q, %v", name, found, err)
		}
	}
}

// Each answer is needed, and one that cannot be read is none.
func TestWiringThatIsNotTold(t *testing.T) {
	t.Parallel()
	for name := range Questions() {
		w, answers := wired()
		whole := answers[name]
		delete(answers, name)
		if found, err := w.Strange(answers); err == nil {
			t.Errorf("without %s: %q", name, found)
		}
		answers[name] = whole[:len(whole)-2]
		if found, err := w.Strange(answers); err == nil {
			t.Errorf("with a part of %s: %q", name, found)
		}
	}
}

// A network without addresses is known by nothing; one without a gateway says that everything is on the wire.
func TestOtherDrivers(t *testing.T) {
	t.Parallel()
	w := Wiring{Ends: []End{{Network: "lan", Driver: "ipvlan", Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24")}}, {Network: "bare", Driver: "null"}}}
	answers := map[string][]byte{"links": joined(link(1, "lo", 9), link(2, "eth0", 1), link(3, "eth1", 1)), "addresses": addr(2, "10.1.0.2/24"),
		"routes": joined(route(254, 1, "0.0.0.0/0", number(4, 2)), route(254, 1, "10.1.0.0/24", number(4, 2))), "routes6": nil, "rules": nil, "rules6": nil}
	if found, err := w.Strange(answers); err != nil || len(found) > 0 {
		t.Errorf("%q, %v", found, err)
	}
	answers["links"] = joined(answers["links"], link(4, "eth2", 1))
	if found, err := w.Strange(answers); err != nil || !slices.Equal(found, []string{"interface eth2"}) {
		t.Errorf("%q, %v", found, err)
	}
}

func FuzzWiring(f *testing.F) {
	w, answers := wired()
	for _, answer := range answers {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all := map[string][]byte{}
		for name := range Questions() {
			all[name] = data
		}
		found, err := w.Strange(all)
		for _, text := range found {
			if strings.ContainsAny(text, "\n\x1b") {
				t.Errorf("%q is not for a terminal", text)
			}
		}
		if err != nil && len(found) > 0 {
			t.Errorf("%q and %v", found, err)
		}
	})
}
