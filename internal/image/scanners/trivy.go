package scanners

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/scan"
	"github.com/hsectl/hsectl/internal/image/vuln"
)

type trivyReport struct {
	CreatedAt    time.Time
	ArtifactName string
	ArtifactType string
	Metadata     struct {
		OS struct {
			Family, Name string
			EOSL         bool
		}
		ImageID     string
		DiffIDs     []string
		RepoDigests []string
		ImageConfig v1.ConfigFile
	}
	Results []trivyResult
}

type trivyResult struct {
	Target, Class, Type string
	Packages            []trivyPackage
	Vulnerabilities     []struct {
		trivyPackage
		VulnerabilityID, PkgName, PkgPath, InstalledVersion, FixedVersion, Status, Severity, Title, Description string
		PkgIdentifier                                                                                           struct{ PURL string }
		CVSS                                                                                                    map[string]struct{ V2Vector, V3Vector, V40Vector string }
	}
	Secrets []struct {
		RuleID, Title string
		StartLine     int
		Layer         struct{ DiffID string }
	}
}

type trivyPackage struct {
	Name, Version string
	Identifier    struct{ PURL string }
	FilePath      string
	Layer         struct{ DiffID string }
}

// parseTrivy reads Trivy's schema 2: https://github.com/aquasecurity/trivy/blob/main/pkg/types/report.go.
func parseTrivy(data []byte) (Found, error) {
	var in trivyReport
	if err := json.Unmarshal(data, &in); err != nil {
		return Found{}, err
	}
	if in.ArtifactType != "container_image" {
		return Found{}, fmt.Errorf("it is about a %q, not an image", in.ArtifactType)
	}
	config := in.Metadata.ImageConfig
	report := audit.Report{Image: in.ArtifactName, Digest: in.Metadata.ImageID, Created: config.Created.Time, Layers: layersOf(in.Metadata.DiffIDs, config.History),
		Databases: []vuln.Info{database("trivy", in.CreatedAt)}, Packages: []scan.Package{}, Vulnerabilities: []audit.Vulnerability{}}
	if config.OS != "" {
		report.Platform = config.OS + "/" + config.Architecture
	}
	if os := in.Metadata.OS; os.Family != "" {
		report.Release = os.Family + " " + os.Name
	}
	out := Found{EndOfLife: in.Metadata.OS.EOSL}
	for _, r := range in.Results {
		out.Looked = out.Looked || r.Class == "os-pkgs" || r.Class == "lang-pkgs"
		for _, p := range r.Packages {
			report.Packages = append(report.Packages, scan.Package{Type: r.Type, Name: p.Name, Version: p.Version, PURL: p.Identifier.PURL, Location: location(cmp.Or(p.FilePath, r.Target))})
		}
		report.Vulnerabilities = append(report.Vulnerabilities, r.vulnerabilities(report.Layers)...)
		for _, s := range r.Secrets {
			v := audit.Vulnerability{}
			place(&v, report.Layers, s.Layer.DiffID)
			out.Secrets = append(out.Secrets, scan.Secret{Rule: s.RuleID, Title: s.Title, Path: location(r.Target), Line: s.StartLine, Layer: v.Layer})
		}
	}
	if os := in.Metadata.OS; os.Family != "" && !slices.ContainsFunc(in.Results, func(r trivyResult) bool { return r.Class == "os-pkgs" }) {
		report.Unmatched = append(report.Unmatched, "Trivy lists no packages of the distribution "+os.Family)
	}
	out.Report = report
	return out, nil
}

func (r trivyResult) vulnerabilities(layers []audit.Layer) []audit.Vulnerability {
	var out []audit.Vulnerability
	for _, v := range r.Vulnerabilities {
		var scores []vuln.Score
		for _, c := range v.CVSS {
			for _, vector := range []string{c.V40Vector, c.V3Vector} {
				if vector != "" {
					scores = append(scores, vuln.Score{Score: vector})
				}
			}
		}
		one := audit.Vulnerability{ID: v.VulnerabilityID, Summary: vuln.Advisory{Summary: v.Title, Details: v.Description}.Line(), Package: v.PkgName,
			Version: v.InstalledVersion, PURL: v.PkgIdentifier.PURL, Location: location(cmp.Or(v.PkgPath, r.Target)), Fixed: v.FixedVersion,
			Severity: severity(v.Severity, scores), Status: audit.Affected}
		if v.Status == "not_affected" {
			one.Status, one.Reason = audit.NotAffected, "Trivy: not affected"
		}
		place(&one, layers, v.Layer.DiffID)
		out = append(out, one)
	}
	return out
}
