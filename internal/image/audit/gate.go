package audit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image/lock"
)

// Gate is what a stack's images must prove before they are deployed.
type Gate struct {
	RequireLock bool
	RequireScan bool
	Offline     bool // nothing is pulled: what the engine has is what runs
	Scan        Policy
	Lock        lock.File
}

// Candidate is the image of one service, as far as it is known.
type Candidate struct {
	Service     string
	Reference   string // as the profile writes it
	Present     bool   // the engine has it
	ID          string // of the engine
	RepoDigests []string
	Report      *Report // nil when it was not scanned
	Signature   *Signature
	Waived      map[string]finding.Waiver // by control
}

// Signature is what came out of verifying the signatures of an image.
type Signature struct {
	Verified bool
	Detail   string
}

// Judge returns the findings about all images, in the order of the candidates. It is pure: the same candidates give
// the same findings.
func (g Gate) Judge(candidates []Candidate) []finding.Finding {
	var out []finding.Finding
	for _, c := range candidates {
		var found []finding.Finding
		found = append(found, g.locked(c), g.same(c))
		if c.Report != nil {
			found = append(found, slices.DeleteFunc(slices.Clone(c.Report.Findings), func(f finding.Finding) bool { return f.Control == "HSE-IMG-001" })...)
		} else if g.RequireScan {
			found = append(found, finding.Finding{Control: "HSE-IMG-010", Title: "No vulnerability at or above the threshold", Severity: finding.High,
				Status: finding.Unknown, Detail: "the image was not scanned", Remedy: "hsectl scan shows why"})
		}
		if c.Signature != nil {
			found = append(found, signed(*c.Signature))
		}
		for _, f := range found {
			f.Subject, f.Where = c.Service, "image"
			if w, ok := c.Waived[f.Control]; ok && (f.Status == finding.Fail || f.Status == finding.Drift) {
				f.Status, f.Waiver, f.Remedy = finding.Waived, &w, ""
			}
			out = append(out, f)
		}
	}
	return out
}

// Refuses tells whether a finding stops a deploy: what failed or cannot be told, at high severity or above.
func Refuses(f finding.Finding) bool { return !f.Proven() && f.Severity >= finding.High }

func (g Gate) locked(c Candidate) finding.Finding {
	f := finding.Finding{Control: "HSE-IMG-001", Title: "The image is pinned by its digest", Severity: finding.High, Tier: finding.Declared, Status: finding.Pass}
	e, ok := g.Lock.Entry(c.Service)
	switch {
	case ok && e.Reference == c.Reference:
		f.Detail = "the lock has its digest"
	case ok:
		f.Status, f.Detail, f.Remedy = finding.Fail, fmt.Sprintf("the lock is about %s, the profile about %s", e.Reference, c.Reference), "bring the lock up to date: hsectl lock"
	case !g.RequireLock:
		f.Status, f.Detail = finding.NotApplicable, "the profile requires no lock"
	default:
		f.Status, f.Detail, f.Remedy = finding.Fail, c.Reference+" is not locked", "write the lock: hsectl lock"
	}
	return f
}

// same compares what the engine has with the lock. An image that the engine will pull by its digest needs no proof.
func (g Gate) same(c Candidate) finding.Finding {
	f := finding.Finding{Control: "HSE-IMG-002", Title: "The container runs the declared image", Severity: finding.High, Tier: finding.Applied, Status: finding.Pass}
	e, ok := g.Lock.Entry(c.Service)
	switch {
	case !ok:
		f.Status, f.Detail = finding.NotApplicable, "the image is not locked"
	case !c.Present && e.Source == lock.Registry && !g.Offline:
		f.Detail = "it is pulled by its digest"
	case e.Recognises(c.ID, c.RepoDigests):
		f.Detail = "the engine has " + c.ID
	case e.Source == lock.Registry && !g.Offline:
		f.Detail = "the engine has a different one under this name; the locked one is pulled by its digest"
	default:
		f.Status, f.Detail = finding.Fail, fmt.Sprintf("the engine has %s, the lock %s", orNone(c.ID), cmp.Or(e.ID, e.Digest))
		f.Remedy = "lock what was built: hsectl lock --update " + c.Service
	}
	return f
}

func orNone(id string) string {
	if id == "" {
		return "no such image"
	}
	return id
}

func signed(s Signature) finding.Finding {
	f := finding.Finding{Control: "HSE-IMG-011", Title: "The image is signed by the key of its registry", Severity: finding.High, Tier: finding.Effective,
		Status: finding.Pass, Detail: s.Detail}
	if !s.Verified {
		f.Status, f.Tier, f.Remedy = finding.Fail, finding.None, "sign the image, or use a signed one"
	}
	return f
}
