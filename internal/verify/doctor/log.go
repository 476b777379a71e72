package doctor

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hsectl/hsectl/internal/stack"
)

// reading is a line with what it is understood by.
type reading struct {
	stack   stack.Stack
	service stack.Service
	symptom Symptom
	line    string
	near    []string // the lines around it; the cause and its path are often not on one line
	match   []string // what the pattern of the rule found
}

// rule recognises a line that programs print, and says what it means.
type rule struct {
	words   []string              // one of them is in the line, in small letters
	pattern func() *regexp.Regexp // nil where the words are enough
	explain func(reading) (Diagnosis, bool)
	weak    bool // a consequence of many causes: what is more exact comes first
}

// severity is what a line says of its own weight.
type severity int

// The severities of a line. One that says nothing counts as an error.
const (
	unmarked severity = iota
	remark
	warning
	failure
)

// candidate is what one line may mean.
type candidate struct {
	Diagnosis
	severity severity
	weak     bool
	last     int // line in which it was seen last
}

// perhaps begins a cause that rests on what the program itself calls no error.
const perhaps = "perhaps "

// Bounds of what is read of a line, and around it.
const (
	longest = 4096
	around  = 8
)

// lazily compiles a pattern when it is first needed: no other verb than doctor reads log lines.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

func cut(line string) string { return line[:min(len(line), longest)] }

// explain finds the first rule that knows a line.
func explain(r reading) (candidate, bool) {
	small := strings.ToLower(r.line)
	for _, k := range rules() {
		if !slices.ContainsFunc(k.words, func(word string) bool { return strings.Contains(small, word) }) {
			continue
		}
		if r.match = nil; k.pattern != nil {
			if r.match = k.pattern().FindStringSubmatch(r.line); r.match == nil {
				continue
			}
		}
		if d, ok := k.explain(r); ok {
			d.Evidence = strings.TrimSpace(r.line)
			return candidate{Diagnosis: guarded(r, d), severity: severityOf(r.line), weak: k.weak}, true
		}
	}
	return candidate{}, false
}

// explainLog says what the lines of a log mean: exact causes before those that follow from many, and of those the later one first.
// What the program itself calls a remark or a warning counts only where nothing else does, and changes no profile.
func explainLog(s stack.Stack, service stack.Service, symptom Symptom, lines []string) []Diagnosis {
	var found []candidate
	known := map[string]bool{} // lines that mean nothing, or what is found already
	for i, line := range lines {
		if line = cut(line); harmless().MatchString(line) {
			continue
		}
		key := digits().ReplaceAllString(line, "0")
		if known[key] {
			continue
		}
		c, ok := explain(reading{stack: s, service: service, symptom: symptom, line: line, near: lines[max(0, i-around):min(len(lines), i+around+1)]})
		if !ok {
			known[key] = true
			continue
		}
		c.last = i
		if at := slices.IndexFunc(found, func(o candidate) bool { return o.Cause == c.Cause }); at >= 0 {
			if weigh(c) < weigh(found[at]) {
				found[at] = c
			}
			found[at].last = i
			continue
		}
		found = append(found, c)
	}
	slices.SortStableFunc(found, func(a, b candidate) int {
		if d := weigh(a) - weigh(b); d != 0 {
			return d
		}
		return b.last - a.last
	})
	exact := slices.ContainsFunc(found, func(c candidate) bool { return !strings.HasPrefix(c.Cause, undeclaredPath) })
	var out []Diagnosis
	for _, c := range found {
		switch {
		case weigh(c) > weak && weigh(found[0]) <= weak, strings.HasPrefix(c.Cause, undeclaredPath) && exact:
			continue
		case weigh(c) > weak:
			c.Cause = perhaps + c.Cause
			if c.Patch.Certain() {
				c.Advice = "the program itself calls this no error, and it may be harmless: look for another cause first"
				c.Patch = Patch{Path: c.Patch.Path}
			}
		}
		out = append(out, c.Diagnosis)
	}
	return out
}

// The weights of a candidate, the most certain first.
const (
	exact = iota
	weak
	warned
	remarked
)

func weigh(c candidate) int {
	switch {
	case c.severity == remark:
		return remarked
	case c.severity == warning:
		return warned
	case c.weak:
		return weak
	}
	return exact
}

// certain tells whether anything was found that the program itself calls an error.
func certain(list []Diagnosis) bool { return slices.ContainsFunc(list, Diagnosis.Recognised) }

var (
	// lineSeverity finds the word by which a line says how grave it is: as a word in capitals, in brackets, before a colon, or as the
	// value of a key; and the letter of MongoDB's records.
	lineSeverity = lazily(`(?:^|[\s\[|(<#*])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|CRIT|FATAL|PANIC|SEVERE|EMERG|ALERT)(?:[\s\]:|)>,]|$)` +
		`|[\[<](?i:\w+:)?(trace|debug|info|notice|note|warn|warning|error|crit|alert|emerg|fatal|Note|Warning|System|ERROR)[\]>]` +
		`|(?i:"?\b(?:level|lvl|severity|log\.level)"?\s*[=:]\s*"?(\w+))` +
		`|"s":\s*"([DIWEF])\d?"` +
		`|(?:^|\s)(?:npm )?(info|notice|warn|warning|Warning|debug|Debug|Info)(?:[:\s])`)
	digits = lazily(`\d+`)
	// harmless are lines that programs print in hardened containers where nothing is the matter.
	harmless = lazily(`10-listen-on-ipv6-by-default\.sh|15-local-resolvers\.envsh|Fontconfig error: No writable cache|Memory overcommit must be enabled|Transparent Huge Pages|` +
		`(?:the )?"user" directive makes sense only|npm (?:notice|update)|update-notifier|unable to setrlimit|can't set maximum open files|TCP backlog setting|` +
		`could not determine the server's fully qualified domain name|Log files were not written due to an error`)
	lineGaveUp = lazily(`(?i)\b(?:fatal|panic|emerg|error|exception|failed|cannot|could not|unable to|unhandled|abort(?:ed|ing)?|traceback)\b|\bE[A-Z]{4,}\b|Error:|Exception:`)
	lineFrame  = lazily(`^\s+at |^\s+File "|^\s+\^|^\s*\.\.\. \d+ more|^goroutine \d+|^\s+/\S+:\d+|^Node\.js v\d|^\s+(?:errno|code|syscall|path|dest|requireStack):|^\s*[{}\])]`)
)

// severityOf returns what a line says of its own weight.
func severityOf(line string) severity {
	if lineAVX().MatchString(line) { // MongoDB calls it a warning, and ends
		return failure
	}
	m := lineSeverity().FindStringSubmatch(line[:min(len(line), 400)])
	if m == nil {
		return unmarked
	}
	switch strings.ToLower(strings.Join(m[1:], "")) {
	case "trace", "debug", "info", "notice", "note", "system", "d", "i":
		return remark
	case "warn", "warning", "w":
		return warning
	case "error", "err", "critical", "crit", "fatal", "panic", "severe", "emerg", "alert", "e", "f":
		return failure
	}
	return unmarked
}

// lastWords returns the line with which a program gave up: the last one that speaks of an error, or just the last one.
func lastWords(s Symptom) string {
	lines := s.Logs[min(max(s.Earlier, 0), len(s.Logs)):]
	if len(lines) == 0 {
		lines = s.Logs
	}
	for _, line := range slices.Backward(lines) {
		if g := severityOf(cut(line)); g == failure || g == unmarked && lineGaveUp().MatchString(cut(line)) && !lineFrame().MatchString(line) && !harmless().MatchString(line) {
			return cut(line)
		}
	}
	for _, line := range slices.Backward(lines) {
		if !lineFrame().MatchString(line) {
			return cut(line)
		}
	}
	return cut(lastOf(lines))
}

// Bounds of an excerpt.
const (
	excerptLines = 160
	excerptWidth = 400
)

// Excerpt returns what is worth keeping of a log: the lines that a rule knows with those around them, how it began, and how it ended.
func Excerpt(s stack.Stack, symptom Symptom) []string {
	service, _ := s.Service(symptom.Service)
	wanted := make([]bool, len(symptom.Logs))
	mark := func(from, to int) {
		for i := max(0, from); i < min(to, len(wanted)); i++ {
			wanted[i] = true
		}
	}
	mark(len(symptom.Logs)-excerptLines/3, len(symptom.Logs))
	mark(symptom.Earlier, symptom.Earlier+excerptLines/8)
	left := excerptLines / 2
	for i, line := range slices.Backward(symptom.Logs) {
		if left <= 0 {
			break
		}
		if wanted[i] || harmless().MatchString(cut(line)) {
			continue
		}
		if _, ok := explain(reading{stack: s, service: service, symptom: symptom, line: cut(line)}); ok {
			mark(i-2, i+4)
			left -= 6
		}
	}
	var out []string
	for i, line := range symptom.Logs {
		if wanted[i] {
			out = append(out, line[:min(len(line), excerptWidth)])
		}
	}
	return out[max(0, len(out)-excerptLines):]
}
