package controls

import (
	"fmt"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// certificateLeft is the least time that a certificate must have left: whoever renews it must notice in time.
const certificateLeft = 14 * 24 * time.Hour

func transport() []policy.Control {
	return []policy.Control{
		{ID: "HSE-OPS-003", Title: "Sites are served over TLS with a trusted certificate", Severity: finding.High, Key: "ports",
			Rationale:  "Without a certificate that is valid, known and for this name, an attacker on the path can read and change the traffic.",
			References: []string{"NIST SP 800-190 4.2.1"},
			Remedy:     "leave tls out of the site for a certificate by ACME, or name one with certificate: and key:",
			Applies:    func(f policy.Facts) bool { return f.Sites.Known() && len(f.Sites.Value) > 0 },
			Predicate:  sitesSecured},
		{ID: "HSE-OPS-013", Title: "The edge runs the configuration that was reviewed", Severity: finding.High,
			Rationale:  "Caddy loads its configuration while it runs. The file on disk may be a different version from the loaded one.",
			References: []string{"NIST SP 800-190 4.4.4"},
			Remedy:     "deploy the profile: hsectl deploy",
			Applies:    func(f policy.Facts) bool { return f.Loaded.Known() || f.Loaded.Why != "" },
			Predicate: func(f policy.Facts, in policy.Intent) policy.Verdict {
				switch {
				case !f.Loaded.Known():
					return policy.Unknown(f.Loaded, "the loaded configuration")
				case f.Loaded.Value != in.Loaded:
					return policy.Fail(f.Loaded.Tier, "it has loaded %s, but the profile renders %s", f.Loaded.Value, in.Loaded)
				}
				return policy.Pass(f.Loaded.Tier, "it has loaded %s", f.Loaded.Value)
			}},
	}
}

func sitesSecured(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Sites.Known() {
		return policy.Unknown(f.Sites, "the sites")
	}
	var wrong, blind, weak, good, local []string
	tier := finding.Behaved
	for _, s := range f.Sites.Value {
		status, at, text := judgeSite(s, f.Sites.Tier)
		text = s.Name + ": " + text
		switch status {
		case finding.Fail:
			wrong = append(wrong, text)
		case finding.Unknown:
			blind = append(blind, text)
		case finding.Advice:
			weak = append(weak, text)
		case finding.NotApplicable:
			local = append(local, text)
			continue
		default:
			good = append(good, text)
		}
		tier = min(tier, at)
	}
	switch {
	case len(wrong) > 0:
		return policy.Fail(tier, "%s", strings.Join(append(wrong, blind...), "; "))
	case len(blind) > 0:
		return policy.Undetermined(strings.Join(blind, "; "))
	case len(weak) > 0:
		return policy.Advise(tier, strings.Join(weak, "; "))
	case len(good) == 0:
		return policy.NotApplicable(f.Sites.Tier, "%s", strings.Join(local, "; "))
	}
	return policy.Pass(tier, "%s", strings.Join(good, "; "))
}

// judgeSite answers for one site. What is only served to this machine needs no certificate.
func judgeSite(s policy.Site, declared finding.Tier) (finding.Status, finding.Tier, string) {
	switch {
	case s.Local && (s.TLS == "off" || s.TLS == "internal"):
		return finding.NotApplicable, declared, "only this machine reaches " + s.Address
	case s.TLS == "off":
		return finding.Fail, declared, "no TLS at " + s.Address
	case !s.Looked && s.TLS == "internal":
		return finding.Advice, declared, "the certificate is self-signed, so clients cannot distinguish the edge from an impostor"
	case !s.Looked:
		return finding.Pass, declared, "certificate by " + s.TLS
	case !s.Seen.Known():
		why := s.Seen.Why
		if why == "" {
			why = "the connection failed"
		}
		return finding.Unknown, finding.None, why
	}
	return judgeHandshake(s, s.Seen.Value)
}

func judgeHandshake(s policy.Site, h policy.Handshake) (finding.Status, finding.Tier, string) {
	days := int(h.Left.Hours() / 24)
	switch {
	case h.Refused != "":
		return finding.Fail, finding.Behaved, "it gives no certificate: " + h.Refused
	case h.Old != "":
		return finding.Fail, finding.Behaved, h.Old + " is accepted"
	case !h.Names:
		return finding.Fail, finding.Behaved, "the certificate is for another name"
	case h.Left <= 0:
		return finding.Fail, finding.Behaved, "the certificate has expired"
	// What the edge signs itself lasts hours, and is renewed as it should be.
	case h.Left <= certificateLeft && s.TLS != "internal":
		return finding.Fail, finding.Behaved, fmt.Sprintf("the certificate expires in %d days", days)
	case s.TLS == "internal":
		return finding.Advice, finding.Behaved, h.Version + "; the certificate is self-signed, so clients cannot distinguish the edge from an impostor"
	case !h.Trusted && s.Private:
		return finding.Advice, finding.Behaved, fmt.Sprintf("%s, %d days left; this machine does not know the authority: %s", h.Version, days, h.Why)
	case !h.Trusted:
		return finding.Fail, finding.Behaved, "the certificate is not trusted: " + h.Why
	}
	return finding.Pass, finding.Behaved, fmt.Sprintf("%s, the certificate has %d days left", h.Version, days)
}
