package policy

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
)

// A port is an address, two numbers and a protocol: what is declared for TCP allows nothing for UDP, both ways.
func TestPublishedUDP(t *testing.T) {
	port := func(address, protocol string) Port {
		return Port{Address: address, Host: 53, Container: 53, Protocol: protocol}
	}
	for _, c := range []struct {
		name                 string
		published, declared  []Port
		addresses, declaring finding.Status
		detail               string
	}{
		{"as declared", []Port{port("127.0.0.1", "udp")}, []Port{port("127.0.0.1", "udp")}, finding.Pass, finding.Pass, "53/udp"},
		{"declared for TCP only", []Port{port("127.0.0.1", "tcp"), port("127.0.0.1", "udp")}, []Port{port("127.0.0.1", "tcp")}, finding.Pass, finding.Fail, "127.0.0.1:53→53/udp is published but not declared"},
		{"missing for UDP", []Port{port("127.0.0.1", "tcp")}, []Port{port("127.0.0.1", "tcp"), port("127.0.0.1", "udp")}, finding.Pass, finding.Fail, "127.0.0.1:53→53/udp is declared but not published"},
		{"open for UDP, declared for TCP", []Port{port("0.0.0.0", "udp")}, []Port{port("0.0.0.0", "tcp")}, finding.Fail, finding.Fail, "53/udp is published but not declared"},
		{"open as declared", []Port{port("0.0.0.0", "udp")}, []Port{port("0.0.0.0", "udp")}, finding.Pass, finding.Pass, "53/udp"},
	} {
		f, in := Facts{Ports: Fact[[]Port]{Value: c.published, Tier: finding.Applied}}, Intent{Ports: c.declared}
		if got := portAddresses(f, in); got.Status != c.addresses {
			t.Errorf("%s: HSE-NET-001 is %s: %s", c.name, got.Status, got.Detail)
		}
		if got := portsDeclared(f, in); got.Status != c.declaring || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s: HSE-NET-002 is %s: %s", c.name, got.Status, got.Detail)
		}
	}
}
