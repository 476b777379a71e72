package vuln

import (
	"fmt"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"github.com/hsectl/hsectl/internal/finding"
)

// Severity is how bad an advisory is. Known is false when the database does not say; such an advisory counts as
// critical for a threshold, because unknown is never good.
type Severity struct {
	Known  bool             `json:"known"`
	Level  finding.Severity `json:"level"`
	Score  float64          `json:"score,omitempty"` // CVSS base score
	Vector string           `json:"vector,omitempty"`
}

// String returns the level in words.
func (s Severity) String() string {
	if !s.Known {
		return "unknown"
	}
	return s.Level.String()
}

// AtLeast tells whether the severity reaches a threshold.
func (s Severity) AtLeast(level finding.Severity) bool { return !s.Known || s.Level >= level }

// Rate returns the severity of an advisory for one affected package: the newest CVSS version that it has, else what
// the database says in words.
func (a Advisory) Rate(affected Affected) Severity {
	best, rank := Severity{}, -1
	for _, scores := range [][]Score{affected.Severity, a.Severity} {
		for _, s := range scores {
			if score, level, r, err := rate(s); err == nil && r > rank {
				best, rank = Severity{Known: true, Level: level, Score: score, Vector: s.Score}, r
			}
		}
		if rank >= 0 {
			return best
		}
	}
	if strings.HasPrefix(a.ID, "MAL-") {
		return Severity{Known: true, Level: finding.Critical}
	}
	word, _ := a.Database.Severity.(string)
	for _, w := range []string{word, affected.Ecosystem.Urgency} {
		if level, ok := inWords(w); ok {
			return Severity{Known: true, Level: level}
		}
	}
	return Severity{}
}

// rate reads one score; a higher rank is a newer scale.
func rate(s Score) (score float64, level finding.Severity, rank int, err error) {
	switch {
	case strings.HasPrefix(s.Score, "CVSS:4.0/"):
		v, err := gocvss40.ParseVector(s.Score)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("reading %q: %w", s.Score, err)
		}
		return v.Score(), byScore(v.Score()), 3, nil
	case strings.HasPrefix(s.Score, "CVSS:3.1/"):
		v, err := gocvss31.ParseVector(s.Score)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("reading %q: %w", s.Score, err)
		}
		return v.BaseScore(), byScore(v.BaseScore()), 2, nil
	case strings.HasPrefix(s.Score, "CVSS:3.0/"):
		v, err := gocvss30.ParseVector(s.Score)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("reading %q: %w", s.Score, err)
		}
		return v.BaseScore(), byScore(v.BaseScore()), 2, nil
	case s.Type == "CVSS_V2":
		v, err := gocvss20.ParseVector(s.Score)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("reading %q: %w", s.Score, err)
		}
		return v.BaseScore(), byScore(v.BaseScore()), 1, nil
	}
	if level, ok := inWords(s.Score); ok {
		return 0, level, 0, nil
	}
	return 0, 0, 0, fmt.Errorf("score %q is of no known form", s.Score)
}

// byScore is the qualitative scale of CVSS 3.1, section 5, which CVSS 4.0 kept.
func byScore(score float64) finding.Severity {
	switch {
	case score >= 9:
		return finding.Critical
	case score >= 7:
		return finding.High
	case score >= 4:
		return finding.Medium
	case score > 0:
		return finding.Low
	}
	return finding.Info
}

func inWords(word string) (finding.Severity, bool) {
	switch strings.ToLower(word) {
	case "critical":
		return finding.Critical, true
	case "high", "important":
		return finding.High, true
	case "medium", "moderate":
		return finding.Medium, true
	case "low":
		return finding.Low, true
	case "negligible", "unimportant", "info", "none":
		return finding.Info, true
	}
	return 0, false
}
