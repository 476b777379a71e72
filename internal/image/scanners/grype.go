package scanners

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/scan"
	"github.com/hsectl/hsectl/internal/image/vuln"
)

type grypeReport struct {
	Matches []struct {
		Vulnerability struct {
			ID, Severity, Description string
			CVSS                      []struct{ Version, Vector string }
			grypeAttacks
			Fix struct {
				Versions []string
				State    string
			}
		}
		RelatedVulnerabilities []struct {
			ID string
			grypeAttacks
		}
		Artifact struct {
			Name, Version, Type, PURL string
			Locations                 []struct{ Path, LayerID string }
		}
	}
	Source struct {
		Type   string
		Target json.RawMessage
	}
	Distro     struct{ Name, Version string }
	Descriptor struct {
		Timestamp time.Time
		DB        struct {
			Built  time.Time
			Status struct{ Built time.Time }
		}
	}
}

// grypeAttacks are what FIRST and CISA say of a vulnerability.
type grypeAttacks struct {
	EPSS           []struct{ EPSS float64 }
	KnownExploited []struct{ DateAdded string }
}

func (a grypeAttacks) add(to *audit.Vulnerability) {
	for _, e := range a.EPSS {
		to.EPSS = max(to.EPSS, e.EPSS)
	}
	for _, k := range a.KnownExploited {
		to.Exploited = cmp.Or(k.DateAdded, "unknown")
	}
}

type grypeTarget struct {
	UserInput      string `json:"userInput"`
	ImageID        string `json:"imageID"`
	ManifestDigest string `json:"manifestDigest"`
	Architecture   string `json:"architecture"`
	OS             string `json:"os"`
	Layers         []struct{ Digest string }
	Config         []byte
}

// parseGrype reads Grype's form: https://github.com/anchore/grype/tree/main/grype/presenter/models.
func parseGrype(data []byte) (Found, error) {
	var in grypeReport
	if err := json.Unmarshal(data, &in); err != nil {
		return Found{}, err
	}
	if in.Source.Type != "image" {
		return Found{}, fmt.Errorf("it is about a %q, not an image", in.Source.Type)
	}
	var target grypeTarget
	if err := json.Unmarshal(in.Source.Target, &target); err != nil {
		return Found{}, fmt.Errorf("its image: %w", err)
	}
	var config v1.ConfigFile
	if len(target.Config) > 0 {
		if err := json.Unmarshal(target.Config, &config); err != nil {
			return Found{}, fmt.Errorf("its image's configuration: %w", err)
		}
	}
	var diffIDs []string
	for _, l := range target.Layers {
		diffIDs = append(diffIDs, l.Digest)
	}
	built := in.Descriptor.DB.Status.Built
	if built.IsZero() {
		built = in.Descriptor.DB.Built
	}
	out := audit.Report{Image: target.UserInput, Digest: target.ImageID, Created: config.Created.Time, Layers: layersOf(diffIDs, config.History),
		Release: strings.TrimSpace(in.Distro.Name + " " + in.Distro.Version), Databases: []vuln.Info{database("grype", built)}, Packages: []scan.Package{}, Vulnerabilities: []audit.Vulnerability{}}
	if target.OS != "" {
		out.Platform = target.OS + "/" + target.Architecture
	}
	for _, m := range in.Matches {
		v := m.Vulnerability
		var scores []vuln.Score
		for _, c := range v.CVSS {
			if !strings.HasPrefix(c.Version, "2") {
				scores = append(scores, vuln.Score{Score: c.Vector})
			}
		}
		one := audit.Vulnerability{ID: v.ID, Summary: vuln.Advisory{Summary: v.Description}.Line(), Package: m.Artifact.Name, Version: m.Artifact.Version,
			PURL: m.Artifact.PURL, Severity: severity(v.Severity, scores), Status: audit.Affected}
		for _, r := range m.RelatedVulnerabilities {
			r.add(&one)
			if r.ID != v.ID {
				one.Aliases = append(one.Aliases, r.ID)
			}
		}
		if v.Fix.State == "fixed" && len(v.Fix.Versions) > 0 {
			one.Fixed = v.Fix.Versions[0]
		}
		v.add(&one)
		layer := ""
		if len(m.Artifact.Locations) > 0 {
			one.Location, layer = location(m.Artifact.Locations[0].Path), m.Artifact.Locations[0].LayerID
		}
		place(&one, out.Layers, layer)
		out.Vulnerabilities = append(out.Vulnerabilities, one)
	}
	return Found{Report: out, Looked: in.Matches != nil}, nil
}
