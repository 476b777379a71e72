package controls_test

import (
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

// A port is an address, two numbers and a protocol: what is declared for TCP allows nothing for UDP, both ways.
func TestPublishedUDP(t *testing.T) {
	port := func(address, protocol string) policy.Port {
		return policy.Port{Address: address, Host: 53, Container: 53, Protocol: protocol}
	}
	for _, c := range []struct {
		name                 string
		published, declared  []policy.Port
		addresses, declaring finding.Status
		detail               string
	}{
		{"as declared", []policy.Port{port("127.0.0.1", "udp")}, []policy.Port{port("127.0.0.1", "udp")}, finding.Pass, finding.Pass, "53/udp"},
		{"declared for TCP only", []policy.Port{port("127.0.0.1", "tcp"), port("127.0.0.1", "udp")}, []policy.Port{port("127.0.0.1", "tcp")}, finding.Pass, finding.Fail, "127.0.0.1:53→53/udp is published but not declared"},
		{"missing for UDP", []policy.Port{port("127.0.0.1", "tcp")}, []policy.Port{port("127.0.0.1", "tcp"), port("127.0.0.1", "udp")}, finding.Pass, finding.Fail, "127.0.0.1:53→53/udp is declared but not published"},
		{"open for UDP, declared for TCP", []policy.Port{port("0.0.0.0", "udp")}, []policy.Port{port("0.0.0.0", "tcp")}, finding.Fail, finding.Fail, "53/udp is published but not declared"},
		{"open as declared", []policy.Port{port("0.0.0.0", "udp")}, []policy.Port{port("0.0.0.0", "udp")}, finding.Pass, finding.Pass, "53/udp"},
	} {
		f, in := policy.Facts{Ports: policy.Seen(c.published, finding.Applied)}, policy.Intent{Ports: c.declared}
		if got := controls.CheckOne("HSE-NET-001", f, in); got.Status != c.addresses {
			t.Errorf("%s: HSE-NET-001 is %s: %s", c.name, got.Status, got.Detail)
		}
		if got := controls.CheckOne("HSE-NET-002", f, in); got.Status != c.declaring || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s: HSE-NET-002 is %s: %s", c.name, got.Status, got.Detail)
		}
	}
}
