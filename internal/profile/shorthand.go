package profile

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// DecodeShort reads "3001:3001" or "0.0.0.0:443:8443/tcp".
func (p *Port) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	hint := `write "3001:3001", or "0.0.0.0:443:8443" to open it to the world`
	rest, protocol, _ := strings.Cut(n.Value, "/")
	cut := strings.LastIndexByte(rest, ':')
	if cut < 0 {
		return true, yamldoc.BadValue(hint, "%q names no host port", n.Value)
	}
	container, host := rest[cut+1:], rest[:cut]
	address := ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		address, host = strings.Trim(host[:i], "[]"), host[i+1:]
	}
	h, errH := strconv.Atoi(host)
	c, errC := strconv.Atoi(container)
	if errH != nil || errC != nil {
		return true, yamldoc.BadValue(hint, "%q is not host:container", n.Value)
	}
	*p = Port{Address: address, Host: h, Container: c, Protocol: protocol}
	return true, nil
}

func (p Port) check() error {
	if _, err := netip.ParseAddr(p.Address); err != nil {
		return yamldoc.BadValue("write an IP address, such as 127.0.0.1", "%q is not an address of the host", p.Address)
	}
	for _, port := range []int{p.Host, p.Container} {
		if port < 1 || port > 65535 {
			return yamldoc.BadValue("", "port %d is out of range 1 to 65535", port)
		}
	}
	if p.Protocol != "tcp" && p.Protocol != "udp" {
		return yamldoc.BadValue("", "protocol %q is neither tcp nor udp", p.Protocol)
	}
	return nil
}

// DecodeShort reads a bare name of a secret.
func (s *SecretUse) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	s.Name = n.Value
	return true, nil
}

// DecodeShort reads a bare name of a service, which must be healthy.
func (d *Dependency) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	d.Service = n.Value
	return true, nil
}

// DecodeShort reads a literal value.
func (e *Env) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	e.Value = Text(n.Value)
	return true, nil
}

// DecodeShort refuses a bare name: a capability without a reason cannot be reviewed.
func (c *Capability) DecodeShort(n *yamldoc.Node) (bool, error) {
	if n.Kind != yamldoc.Scalar {
		return false, nil
	}
	return true, yamldoc.BadValue(fmt.Sprintf(`write {name: %s, reason: "why it is needed"}`, n.Value), "%q has no reason", n.Value)
}
