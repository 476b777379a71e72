package profile

import (
	"cmp"
	"fmt"
)

// overlaying merges whole documents by the rules of the Compose specification: mappings by key, lists of things that
// have a name are added to, and everything that is one value written as a list (a command) is replaced.
func overlaying() merger { return merger{overlaid, choices} }

// overlaid returns how items of a list are told apart in an overlay.
func overlaid(path string) identity {
	switch path {
	case "writable":
		return field("path")
	case "ports":
		return portIdentity
	case "secrets":
		return either("name")
	case "depends_on":
		return either("service")
	case "capabilities":
		return field("name")
	case "networks", "notes", "verify.denied", "verify.listen":
		return func(n *node) string { return n.value }
	case "exceptions":
		return func(n *node) string { return field("control")(n) + " " + field("service")(n) }
	}
	return nil
}

// field tells items apart by one of their keys.
func field(key string) identity {
	return func(n *node) string {
		if v := n.get(key); v != nil {
			return v.value
		}
		return ""
	}
}

// either tells items apart that may be a bare name or a mapping with a name.
func either(key string) identity {
	return func(n *node) string { return cmp.Or(n.value, field(key)(n)) }
}

// portIdentity is the whole of a port, as in Compose: another host port is another port.
func portIdentity(n *node) string {
	var p Port
	if handled, err := p.decodeShort(n); !handled || err != nil {
		p.Address, p.Protocol = field("address")(n), field("protocol")(n)
		return fmt.Sprintf("%s:%s:%s/%s", cmp.Or(p.Address, "127.0.0.1"), field("host")(n), field("container")(n), cmp.Or(p.Protocol, "tcp"))
	}
	return fmt.Sprintf("%s:%d:%d/%s", cmp.Or(p.Address, "127.0.0.1"), p.Host, p.Container, cmp.Or(p.Protocol, "tcp"))
}
