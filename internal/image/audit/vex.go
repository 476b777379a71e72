package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Statement is what an OpenVEX document says about one vulnerability and its products:
// https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md.
type Statement struct {
	Names         []string
	Products      []string // package URLs or image digests
	Parts         []string // subcomponents; none is the whole product
	Status        string
	Justification string
}

// ParseVEX reads an OpenVEX document. Only statements that take a vulnerability away are returned; one without a
// product, or without a reason, takes nothing away.
func ParseVEX(data []byte) ([]Statement, error) {
	type component struct {
		ID          string            `json:"@id"`
		Identifiers map[string]string `json:"identifiers"`
		Hashes      map[string]string `json:"hashes"`
	}
	var doc struct {
		Context    string `json:"@context"`
		Statements []struct {
			Vulnerability struct {
				Name    string   `json:"name"`
				Aliases []string `json:"aliases"`
			} `json:"vulnerability"`
			Products []struct {
				component
				Subcomponents []component `json:"subcomponents"`
			} `json:"products"`
			Status          string `json:"status"`
			Justification   string `json:"justification"`
			ImpactStatement string `json:"impact_statement"`
		} `json:"statements"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading the OpenVEX document: %w", err)
	}
	if !strings.Contains(doc.Context, "openvex.dev/ns") {
		return nil, fmt.Errorf("reading the OpenVEX document: its @context is %q", doc.Context)
	}
	names := func(c component) []string {
		out := []string{c.ID, c.Identifiers["purl"]}
		for _, h := range c.Hashes {
			out = append(out, "sha256:"+h)
		}
		return slices.DeleteFunc(out, func(s string) bool { return s == "" })
	}
	var out []Statement
	for _, s := range doc.Statements {
		reason := s.Justification
		if reason == "" {
			reason = s.ImpactStatement
		}
		if s.Status != "fixed" && (s.Status != "not_affected" || reason == "") {
			continue
		}
		for _, p := range s.Products {
			statement := Statement{Names: append([]string{s.Vulnerability.Name}, s.Vulnerability.Aliases...), Products: names(p.component),
				Status: s.Status, Justification: reason}
			for _, sub := range p.Subcomponents {
				statement.Parts = append(statement.Parts, names(sub)...)
			}
			out = append(out, statement)
		}
	}
	return out, nil
}

// about tells whether the statement is about a vulnerability of a package in an image of that digest.
func (s Statement) about(v Vulnerability, digest string) bool {
	if !slices.ContainsFunc(s.Names, v.named) {
		return false
	}
	isImage := slices.ContainsFunc(s.Products, func(p string) bool { return digest != "" && strings.Contains(p, strings.TrimPrefix(digest, "sha256:")) })
	if isImage {
		return len(s.Parts) == 0 || slices.ContainsFunc(s.Parts, func(p string) bool { return covers(p, v.PURL) })
	}
	return slices.ContainsFunc(s.Products, func(p string) bool { return covers(p, v.PURL) })
}

// covers tells whether a package URL names a package; one without version or qualifiers names all of them.
func covers(pattern, purl string) bool {
	if purl == "" || !strings.HasPrefix(pattern, "pkg:") {
		return false
	}
	if pattern == purl {
		return true
	}
	base, _, _ := strings.Cut(purl, "?")
	if pattern == base {
		return true
	}
	at := strings.LastIndexByte(base, '@')
	return at > 0 && pattern == base[:at]
}
