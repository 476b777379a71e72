package controls_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
)

func TestSites(t *testing.T) {
	const pass, fail, unknown, advice, na = finding.Pass, finding.Fail, finding.Unknown, finding.Advice, finding.NotApplicable
	seenSite := func(change func(*policy.Site, *policy.Handshake)) policy.Site {
		h := policy.Handshake{Version: "TLS 1.3", Left: 720 * time.Hour, Names: true, Trusted: true}
		s := policy.Site{Name: "shop.example", Address: "127.0.0.1:443", TLS: "acme", Looked: true}
		change(&s, &h)
		s.Seen = policy.Seen(h, finding.Behaved)
		return s
	}
	for _, tt := range []struct {
		name   string
		site   policy.Site
		want   finding.Status
		tier   finding.Tier
		detail string
	}{
		{"declared by ACME", policy.Site{Name: "shop.example", TLS: "acme"}, pass, finding.Declared, "certificate by acme"},
		{"declared without TLS", policy.Site{Name: "shop.example", TLS: "off", Address: "127.0.0.1:80"}, fail, finding.Declared, "no TLS at"},
		{"without TLS, for this machine only", policy.Site{Name: "shop.example", TLS: "off", Local: true}, na, finding.Declared, "only this machine"},
		{"signed by itself, for this machine only", policy.Site{Name: "shop.example", TLS: "internal", Local: true}, na, finding.Declared, "only this machine"},
		{"signed by itself, for the world", policy.Site{Name: "shop.example", TLS: "internal"}, advice, finding.Declared, "impostor"},
		{"all is well", seenSite(func(*policy.Site, *policy.Handshake) {}), pass, finding.Behaved, "TLS 1.3, the certificate has 30 days left"},
		{"14 days", seenSite(func(_ *policy.Site, h *policy.Handshake) { h.Left = 336 * time.Hour }), fail, finding.Behaved, "expires in 14 days"},
		{"15 days", seenSite(func(_ *policy.Site, h *policy.Handshake) { h.Left = 360 * time.Hour }), pass, finding.Behaved, "15 days"},
		{"expired", seenSite(func(_ *policy.Site, h *policy.Handshake) { h.Left = -time.Hour }), fail, finding.Behaved, "has expired"},
		{"another name", seenSite(func(_ *policy.Site, h *policy.Handshake) { h.Names = false }), fail, finding.Behaved, "for another name"},
		{"an old version, too", seenSite(func(_ *policy.Site, h *policy.Handshake) { h.Old = "TLS 1.1" }), fail, finding.Behaved, "TLS 1.1 is accepted"},
		{"not trusted", seenSite(func(_ *policy.Site, h *policy.Handshake) { h.Trusted, h.Why = false, "unknown authority" }), fail, finding.Behaved, "not trusted: unknown authority"},
		{"not trusted here, by an authority of the profile's", seenSite(func(s *policy.Site, h *policy.Handshake) { h.Trusted, s.Private = false, true }), advice, finding.Behaved, "does not know the authority"},
		{"no certificate", seenSite(func(_ *policy.Site, h *policy.Handshake) { h.Refused = "internal error" }), fail, finding.Behaved, "gives no certificate"},
		{"its own, as short as it is", seenSite(func(s *policy.Site, h *policy.Handshake) { s.TLS, h.Left, h.Trusted = "internal", 11*time.Hour, false }), advice, finding.Behaved, "self-signed"},
		{"its own, expired", seenSite(func(s *policy.Site, h *policy.Handshake) { s.TLS, h.Left = "internal", -time.Hour }), fail, finding.Behaved, "has expired"},
		{"the connection failed", policy.Site{Name: "shop.example", TLS: "acme", Looked: true}, unknown, finding.None, "the connection failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := controls.CheckOne("HSE-OPS-003", policy.Facts{Service: "edge", Sites: policy.Seen([]policy.Site{tt.site}, finding.Declared)}, policy.Intent{})
			if f.Status != tt.want || f.Tier != tt.tier || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("%s (%s): %s\nwant %s (%s): %s", f.Status, f.Tier, f.Detail, tt.want, tt.tier, tt.detail)
			}
		})
	}
	both := []policy.Site{{Name: "a", TLS: "acme"}, {Name: "b", TLS: "off"}}
	if f := controls.CheckOne("HSE-OPS-003", policy.Facts{Sites: policy.Seen(both, finding.Declared)}, policy.Intent{}); f.Status != fail || strings.Contains(f.Detail, "a:") {
		t.Errorf("one of two: %+v", f)
	}
}
