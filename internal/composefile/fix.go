package composefile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hsectl/hsectl/internal/composefile/resources"
	"github.com/hsectl/hsectl/internal/finding"
)

// Fixed is a file and what was fixed in it. All other bytes are as they were, comments included.
type Fixed struct {
	Path  string
	Data  []byte
	Notes []string // what was added, one line each
}

// Fix adds what cannot break a service: no-new-privileges, rotation of logs, a grace period, and no swap beyond a memory
// limit that is there. It adds keys, and never changes or removes one. A service written in braces is left alone.
func (p *Project) Fix() []Fixed {
	findings := p.Check()
	var out []Fixed
	for _, d := range p.written {
		if p.documents(d.path) > 1 {
			continue // which of them a line belongs to is not worth guessing
		}
		f := Fixed{Path: d.path}
		var inserts []insert
		for _, s := range p.ServiceConfigs() {
			in, key, value := p.service(s.Name)
			if in.path != d.path || !writable(value) {
				continue
			}
			failed := func(control string) bool {
				return slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Subject == s.Name && f.Control == control && !f.Proven() })
			}
			for _, a := range additions(resources.Memory(s)) {
				if failed(a.control) && !p.keys(s.Name)[a.key] && a.lines != "" {
					inserts = append(inserts, insert{key.Line, value.Column - 1, a.lines})
					f.Notes = append(f.Notes, fmt.Sprintf("%s:%d: %s: %s", d.path, key.Line, s.Name, strings.ReplaceAll(a.lines, "\n", " ")))
				}
			}
		}
		if len(inserts) > 0 {
			f.Data = applied(d.data, inserts)
			out = append(out, f)
		}
	}
	return out
}

// documents counts what a file holds.
func (w written) documents(path string) int {
	n := 0
	for _, d := range w {
		if d.path == path {
			n++
		}
	}
	return n
}

// writable tells a mapping that has a line for each key.
func writable(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0
}

// addition is a key that is safe to add when its control does not hold.
type addition struct{ control, key, lines string }

func additions(memory int64) []addition {
	swap := ""
	switch {
	case memory > 0 && memory%(1<<20) == 0:
		swap = fmt.Sprintf("memswap_limit: %dm", memory>>20)
	case memory > 0:
		swap = fmt.Sprintf("memswap_limit: %d", memory)
	}
	return []addition{
		{"HSE-PRV-002", "security_opt", "security_opt:\n  - no-new-privileges:true"},
		{"HSE-LIF-002", "stop_grace_period", "stop_grace_period: 30s"},
		{"HSE-RES-002", "memswap_limit", swap},
		{"HSE-LOG-001", "logging", "logging:\n  driver: json-file\n  options:\n    max-size: 10m\n    max-file: \"3\""},
	}
}

// insert is text to be put after a line, indented.
type insert struct {
	after, indent int
	lines         string
}

// applied puts the texts in, from the end of the file to its beginning, so that line numbers hold.
func applied(data []byte, inserts []insert) []byte {
	end := "\n"
	if bytes.Contains(data, []byte("\r\n")) {
		end = "\r\n"
	}
	lines := strings.SplitAfter(string(data), "\n")
	slices.Reverse(inserts) // of several after one line the last one put in stands first
	slices.SortStableFunc(inserts, func(a, b insert) int { return b.after - a.after })
	for _, i := range inserts {
		pad := strings.Repeat(" ", i.indent)
		var added []string
		for _, line := range strings.Split(i.lines, "\n") {
			added = append(added, pad+line+end)
		}
		lines = slices.Insert(lines, i.after, added...)
	}
	return []byte(strings.Join(lines, ""))
}
