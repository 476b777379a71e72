package profile

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// decodeShort reads "3001:3001" or "0.0.0.0:443:8443/tcp".
func (p *Port) decodeShort(n *node) (bool, error) {
	if n.kind != scalar {
		return false, nil
	}
	hint := `write "3001:3001", or "0.0.0.0:443:8443" to open it to the world`
	rest, protocol, _ := strings.Cut(n.value, "/")
	cut := strings.LastIndexByte(rest, ':')
	if cut < 0 {
		return true, badValue(hint, "%q names no host port", n.value)
	}
	container, host := rest[cut+1:], rest[:cut]
	address := ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		address, host = strings.Trim(host[:i], "[]"), host[i+1:]
	}
	h, errH := strconv.Atoi(host)
	c, errC := strconv.Atoi(container)
	if errH != nil || errC != nil {
		return true, badValue(hint, "%q is not host:container", n.value)
	}
	*p = Port{Address: address, Host: h, Container: c, Protocol: protocol}
	return true, nil
}

func (p Port) check() error {
	if _, err := netip.ParseAddr(p.Address); err != nil {
		return badValue("write an IP address, such as 127.0.0.1", "%q is not an address of the host", p.Address)
	}
	for _, port := range []int{p.Host, p.Container} {
		if port < 1 || port > 65535 {
			return badValue("", "port %d is out of range 1 to 65535", port)
		}
	}
	if p.Protocol != "tcp" && p.Protocol != "udp" {
		return badValue("", "protocol %q is neither tcp nor udp", p.Protocol)
	}
	return nil
}

// decodeShort reads a bare name of a secret.
func (s *SecretUse) decodeShort(n *node) (bool, error) {
	if n.kind != scalar {
		return false, nil
	}
	s.Name = n.value
	return true, nil
}

// decodeShort reads a bare name of a service, which must be healthy.
func (d *Dependency) decodeShort(n *node) (bool, error) {
	if n.kind != scalar {
		return false, nil
	}
	d.Service = n.value
	return true, nil
}

// decodeShort reads a literal value.
func (e *Env) decodeShort(n *node) (bool, error) {
	if n.kind != scalar {
		return false, nil
	}
	e.Value = Text(n.value)
	return true, nil
}

// decodeShort refuses a bare name: a capability without a reason cannot be reviewed.
func (c *Capability) decodeShort(n *node) (bool, error) {
	if n.kind != scalar {
		return false, nil
	}
	return true, badValue(fmt.Sprintf(`write {name: %s, reason: "why it is needed"}`, n.value), "%q has no reason", n.value)
}
