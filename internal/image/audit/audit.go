// Package audit judges an image: which advisories apply to its packages, and whether the image controls hold. It is
// pure but for the databases it is handed, and what could not be seen is unknown, never a pass.
package audit

import (
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/scan"
	"github.com/hsectl/hsectl/internal/image/vuln"
	"github.com/hsectl/hsectl/internal/lifecycle"
)

// Report is all that is known about an image.
type Report struct {
	Image           string            `json:"image"`
	Digest          string            `json:"digest,omitempty"`
	Platform        string            `json:"platform,omitempty"`
	Created         time.Time         `json:"created,omitzero"`
	Release         string            `json:"release,omitempty"` // of the distribution, in words
	Layers          []Layer           `json:"layers"`
	Databases       []vuln.Info       `json:"databases"`
	Packages        []scan.Package    `json:"packages"`
	Vulnerabilities []Vulnerability   `json:"vulnerabilities"`
	Findings        []finding.Finding `json:"findings"`
	Unmatched       []string          `json:"unmatched,omitempty"` // why some packages could not be looked up
	Problems        []scan.Problem    `json:"problems,omitempty"`  // files that could not be read for packages

	uncovered []string // releases of distributions about which no advisory was found
}

// Layer is a layer and what made it.
type Layer struct {
	DiffID    string `json:"diffId"`
	CreatedBy string `json:"createdBy,omitempty"`
	Size      int64  `json:"size"`
}

// Vulnerability is an advisory that applies to one installed package.
type Vulnerability struct {
	ID        string        `json:"id"`
	Aliases   []string      `json:"aliases,omitempty"`
	Summary   string        `json:"summary,omitempty"`
	Package   string        `json:"package"`
	Version   string        `json:"version"`
	PURL      string        `json:"purl,omitempty"`
	Location  string        `json:"location"`
	Severity  vuln.Severity `json:"severity"`
	Fixed     string        `json:"fixed,omitempty"`
	Undecided string        `json:"undecided,omitempty"`
	Layer     int           `json:"layer"`
	CreatedBy string        `json:"createdBy,omitempty"` // the step that brought the package
	Exploited string        `json:"exploited,omitempty"` // day since which attacks are known: it counts whatever its severity
	EPSS      float64       `json:"epss,omitempty"`      // probability of attacks within 30 days, 0 to 1
	Status    Status        `json:"status"`
	Reason    string        `json:"reason,omitempty"` // why it does not count
}

// Status says whether a vulnerability counts.
type Status string

// Why a vulnerability counts or does not.
const (
	Affected    Status = "affected"
	Ignored     Status = "ignored"      // an entry of the profile with a reason and a date
	NotAffected Status = "not affected" // an OpenVEX statement
	Known       Status = "known"        // the image that is compared with has it too
)

// Policy says what an image may have.
type Policy struct {
	FailOn     finding.Severity // lowest severity of a vulnerability that fails the image
	OnlyFixed  bool             // vulnerabilities without a fix do not count
	Ignore     []Ignore
	VEX        []Statement
	Exploits   vuln.Exploits
	Registries []string // allowed registries and repositories; none allows all
	MaxBytes   int64
	MaxLayers  int
	MaxAge     time.Duration
	Today      time.Time
	Lives      lifecycle.Distributions // until when distributions publish updates
	Pinned     bool                    // the lock pins the image, whatever its reference says
}

// Ignore takes a vulnerability out of the count until a day.
type Ignore struct {
	ID      string
	Package string // empty is every package
	Reason  string
	Expires time.Time // last day on which it holds
}

// holds tells whether the entry is about a vulnerability and still valid.
func (i Ignore) holds(v Vulnerability, today time.Time) bool {
	if i.Package != "" && i.Package != v.Package || i.Reason == "" {
		return false
	}
	return v.named(i.ID) && !today.After(i.Expires.Add(24*time.Hour-time.Nanosecond))
}

func (v Vulnerability) named(id string) bool {
	if v.ID == id {
		return true
	}
	for _, a := range v.Aliases {
		if a == id {
			return true
		}
	}
	return false
}

// New assembles a report from what was read.
func New(img image.Image, layers []scan.Layer, contents scan.Contents) Report {
	r := Report{Image: img.Name, Digest: img.Digest, Platform: img.Config.OS + "/" + img.Config.Architecture, Created: img.Config.Created,
		Release: contents.Release["PRETTY_NAME"], Packages: contents.Packages, Problems: contents.Problems, Databases: []vuln.Info{}, Vulnerabilities: []Vulnerability{},
		Unmatched: slices.Clone(contents.Unseen)}
	for i, l := range layers {
		r.Layers = append(r.Layers, Layer{DiffID: l.DiffID, CreatedBy: img.Config.Maker(i), Size: l.Size})
	}
	return r
}
