// Package scanners reads what other scanners found, so that a team that has one keeps it, and its findings are judged
// by the same policy. Both forms say which image they are about; what they do not say is unknown, never good.
package scanners

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hsectl/hsectl/internal/image/audit"
	"github.com/hsectl/hsectl/internal/image/scan"
	"github.com/hsectl/hsectl/internal/image/vuln"
)

// MaxBytes bounds a report.
const MaxBytes = 256 << 20

// ErrForm is a file that is no report of a scanner that is known here.
var ErrForm = errors.New("it is neither Trivy's nor Grype's JSON")

// Found is what another scanner says about an image.
type Found struct {
	Report    audit.Report
	Looked    bool          // packages were looked up at all
	Secrets   []scan.Secret // found; none is no proof that there are none
	EndOfLife bool          // the distribution no longer gets updates
}

// Parse reads a report of Trivy (https://trivy.dev, schema 2) or Grype (https://github.com/anchore/grype), in their
// JSON form.
func Parse(data []byte) (Found, error) {
	var form struct {
		SchemaVersion int `json:"SchemaVersion"`
		Descriptor    struct {
			Name string `json:"name"`
		} `json:"descriptor"`
	}
	if err := json.Unmarshal(data, &form); err != nil {
		return Found{}, fmt.Errorf("reading the scanner's report: %w", err)
	}
	var out Found
	var err error
	switch {
	case form.SchemaVersion == 2:
		out, err = parseTrivy(data)
	case form.Descriptor.Name == "grype":
		out, err = parseGrype(data)
	default:
		err = ErrForm
	}
	if err != nil {
		return Found{}, fmt.Errorf("reading the scanner's report: %w", err)
	}
	out.Report.Sort()
	return out, nil
}

// severity takes the scanner's own word, which is what its users know, and the newest score for the record.
func severity(word string, scores []vuln.Score) vuln.Severity {
	out := vuln.Advisory{Severity: []vuln.Score{{Score: word}}}.Rate(vuln.Affected{})
	scored := vuln.Advisory{Severity: scores}.Rate(vuln.Affected{})
	if !out.Known {
		return scored
	}
	out.Score, out.Vector = scored.Score, scored.Vector
	return out
}

// layersOf pairs layers with the steps that made them.
func layersOf(diffIDs []string, history []v1.History) []audit.Layer {
	out := make([]audit.Layer, 0, len(diffIDs))
	for _, id := range diffIDs {
		out = append(out, audit.Layer{DiffID: id})
	}
	next := 0
	for _, h := range history {
		if !h.EmptyLayer && next < len(out) {
			out[next].CreatedBy = h.CreatedBy
			next++
		}
	}
	return out
}

// place finds a layer by its digest. What is not found came with no layer that is known.
func place(v *audit.Vulnerability, layers []audit.Layer, diffID string) {
	v.Layer = -1
	for i, l := range layers {
		if l.DiffID == diffID && diffID != "" {
			v.Layer, v.CreatedBy = i, l.CreatedBy
		}
	}
}

// database is what a report says about the age of what it knew. A report that does not say is of no age: it fails
// every bound.
func database(scanner string, built time.Time) vuln.Info {
	return vuln.Info{Ecosystem: scanner, Source: scanner, Published: built, Checked: built}
}

// location is a path as this program writes it, without a leading slash.
func location(path string) string { return strings.TrimPrefix(path, "/") }
