// Package sbom writes what is in an image as a bill of materials, in the two forms that tools read. The same image
// gives the same bytes: times and serial numbers come from the image.
package sbom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/hsectl/hsectl/internal/image/audit"
)

// CycloneDX writes version 1.6 with packages and vulnerabilities: https://cyclonedx.org/docs/1.6/json/.
func CycloneDX(w io.Writer, r audit.Report) error {
	bom := cdx.NewBOM()
	bom.SerialNumber = "urn:uuid:" + serial(r).String()
	bom.Metadata = &cdx.Metadata{
		Component: &cdx.Component{BOMRef: "image", Type: cdx.ComponentTypeContainer, Name: r.Image, Version: r.Digest},
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "hsectl"}}},
	}
	if !r.Created.IsZero() {
		bom.Metadata.Timestamp = r.Created.UTC().Format(time.RFC3339)
	}
	components := make([]cdx.Component, 0, len(r.Packages))
	refs := map[string]string{}
	for i, p := range r.Packages {
		ref := "package-" + strconv.Itoa(i)
		refs[p.PURL+"\n"+p.Location] = ref
		components = append(components, cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: p.PURL,
			Properties: &[]cdx.Property{{Name: "hsectl:location", Value: "/" + p.Location}, {Name: "hsectl:layer", Value: diffID(r, p.Layer)}}})
	}
	bom.Components = &components
	vulnerabilities := make([]cdx.Vulnerability, 0, len(r.Vulnerabilities))
	for _, v := range r.Vulnerabilities {
		vulnerabilities = append(vulnerabilities, newVulnerability(v, refs[v.PURL+"\n"+v.Location]))
	}
	bom.Vulnerabilities = &vulnerabilities
	encoder := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := encoder.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("writing CycloneDX: %w", err)
	}
	return nil
}

func newVulnerability(v audit.Vulnerability, ref string) cdx.Vulnerability {
	out := cdx.Vulnerability{ID: v.ID, Source: &cdx.Source{Name: "OSV", URL: "https://osv.dev/vulnerability/" + v.ID}, Description: v.Summary,
		Ratings: &[]cdx.VulnerabilityRating{rating(v)}, Affects: &[]cdx.Affects{{Ref: ref}}}
	if v.Fixed != "" {
		out.Recommendation = "update to " + v.Fixed
	}
	switch v.Status {
	case audit.NotAffected:
		out.Analysis = &cdx.VulnerabilityAnalysis{State: cdx.IASNotAffected, Detail: v.Reason}
	case audit.Ignored:
		out.Analysis = &cdx.VulnerabilityAnalysis{State: cdx.IASInTriage, Detail: v.Reason}
	}
	return out
}

func rating(v audit.Vulnerability) cdx.VulnerabilityRating {
	out := cdx.VulnerabilityRating{Severity: cdx.Severity(v.Severity.String()), Vector: v.Severity.Vector}
	if v.Severity.Score > 0 {
		out.Score = &v.Severity.Score
	}
	for prefix, method := range map[string]cdx.ScoringMethod{"CVSS:4.0": cdx.ScoringMethodCVSSv4, "CVSS:3.1": cdx.ScoringMethodCVSSv31, "CVSS:3.0": cdx.ScoringMethodCVSSv3} {
		if strings.HasPrefix(v.Severity.Vector, prefix) {
			out.Method = method
		}
	}
	return out
}

// SPDX writes version 2.3: https://spdx.github.io/spdx-spec/v2.3/.
func SPDX(w io.Writer, r audit.Report) error {
	created := r.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	const imageID = common.ElementID("Image")
	doc := spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: r.Image,
		DocumentNamespace: "https://hsectl.dev/spdx/" + serial(r).String(),
		CreationInfo:      &spdx.CreationInfo{Created: created.UTC().Format(time.RFC3339), Creators: []common.Creator{{CreatorType: "Tool", Creator: "hsectl"}}},
		Packages: []*spdx.Package{{PackageName: r.Image, PackageSPDXIdentifier: imageID, PackageVersion: r.Digest, PackageDownloadLocation: "NOASSERTION",
			PrimaryPackagePurpose: "CONTAINER"}},
		Relationships: []*spdx.Relationship{relate("DOCUMENT", "DESCRIBES", imageID)},
	}
	if len(r.Problems) > 0 {
		lines := []string{"Not complete, for what could not be read:"}
		for _, p := range r.Problems {
			lines = append(lines, "/"+p.Path+": "+p.Text)
		}
		doc.CreationInfo.CreatorComment = strings.Join(lines, "\n")
	}
	for i, p := range r.Packages {
		id := common.ElementID("Package-" + strconv.Itoa(i))
		out := &spdx.Package{PackageName: p.Name, PackageSPDXIdentifier: id, PackageVersion: p.Version, PackageDownloadLocation: "NOASSERTION",
			PackageSourceInfo: "found in /" + p.Location, PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION", PackageCopyrightText: "NOASSERTION"}
		if p.PURL != "" {
			out.PackageExternalReferences = []*spdx.PackageExternalReference{{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: p.PURL}}
		}
		doc.Packages = append(doc.Packages, out)
		doc.Relationships = append(doc.Relationships, relate(imageID, "CONTAINS", id))
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(doc); err != nil {
		return fmt.Errorf("writing SPDX: %w", err)
	}
	return nil
}

// Statement writes SPDX as an in-toto statement about nothing yet: who keeps it says which image it is about
// (https://github.com/in-toto/attestation/blob/main/spec/predicates/spdx.md).
func Statement(w io.Writer, r audit.Report) error {
	var document bytes.Buffer
	if err := SPDX(&document, r); err != nil {
		return err
	}
	statement := struct {
		Type          string          `json:"_type"`
		PredicateType string          `json:"predicateType"`
		Subject       []string        `json:"subject"`
		Predicate     json.RawMessage `json:"predicate"`
	}{"https://in-toto.io/Statement/v0.1", "https://spdx.dev/Document", []string{}, document.Bytes()}
	if err := json.NewEncoder(w).Encode(statement); err != nil {
		return fmt.Errorf("writing a statement: %w", err)
	}
	return nil
}

func relate(a common.ElementID, how string, b common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.DocElementID{ElementRefID: a}, RefB: common.DocElementID{ElementRefID: b}, Relationship: how}
}

// serial is the same for the same image and tools. What has no digest is known by its layers.
func serial(r audit.Report) uuid.UUID {
	name := "hsectl:" + r.Image + "@" + r.Digest
	if r.Digest == "" {
		for _, l := range r.Layers {
			name += " " + l.DiffID
		}
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name))
}

func diffID(r audit.Report, layer int) string {
	if layer < 0 || layer >= len(r.Layers) {
		return ""
	}
	return r.Layers[layer].DiffID
}
