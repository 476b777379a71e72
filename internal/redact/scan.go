package redact

import (
	"cmp"
	"slices"
	"strings"
)

// longest bounds what is looked for at once, and so what a stream has to keep. A longer form is looked for in pieces that
// cover it; a part of it, from a line that was cut, is found by the way.
const longest = 64

// needles are what is looked for, by their first bytes, and the mark that can be told from all of them.
type needles struct {
	byStart map[string][]string // of MinLength bytes; longest first
	starts  map[string]bool     // of fewer
	mark    string
}

func newNeedles(forms []string) *needles {
	n := &needles{byStart: map[string][]string{}, starts: map[string]bool{}}
	var all []string
	for _, form := range forms {
		plain, _ := normalise([]byte(form))
		text := string(plain)
		for len(text) > longest {
			all = append(all, text[:longest])
			text = text[min(longest, len(text)-longest):]
		}
		if len(text) >= MinLength {
			all = append(all, text)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	all = slices.Compact(all)
	for _, needle := range all {
		start := needle[:MinLength]
		n.byStart[start] = append(n.byStart[start], needle)
		for i := 1; i < MinLength; i++ {
			n.starts[needle[:i]] = true
		}
	}
	n.mark = markFor(all)
	return n
}

// markFor returns a mark with which no needle overlaps, so that what was redacted can be redacted again.
func markFor(all []string) string {
	clashes := func(mark string) bool {
		return slices.ContainsFunc(all, func(needle string) bool { return overlap(mark, needle) })
	}
	if !clashes(Mark) {
		return Mark
	}
	for c := byte('!'); c <= '~'; c++ {
		if mark := strings.Repeat(string(rune(c)), len(Mark)); c != '%' && c != '\\' && !clashes(mark) {
			return mark
		}
	}
	return Mark
}

func overlap(mark, needle string) bool {
	if strings.Contains(mark, needle) || strings.Contains(needle, mark) {
		return true
	}
	for i := 1; i < min(len(mark), len(needle)); i++ {
		if strings.HasSuffix(mark, needle[:i]) || strings.HasSuffix(needle, mark[:i]) {
			return true
		}
	}
	return false
}

// normalise drops control characters, and says where each byte that is left was.
func normalise(text []byte) (plain []byte, at []int) {
	for i, c := range text {
		switch {
		case c == '\t':
			c = ' '
		case c < ' ' || c == 0x7f:
			continue
		}
		plain, at = append(plain, c), append(at, i)
	}
	return plain, at
}

// match returns the length of the longest needle at the beginning of a text.
func (n *needles) match(text []byte) int {
	if len(text) < MinLength {
		return 0
	}
	for _, needle := range n.byStart[string(text[:MinLength])] {
		if len(needle) <= len(text) && string(text[:len(needle)]) == needle {
			return len(needle)
		}
	}
	return 0
}

// undecided reports whether a text is the beginning of a needle that is longer.
func (n *needles) undecided(text []byte) bool {
	if len(text) < MinLength {
		return n.starts[string(text)]
	}
	return slices.ContainsFunc(n.byStart[string(text[:MinLength])], func(needle string) bool {
		return len(needle) > len(text) && needle[:len(text)] == string(text)
	})
}

// scan goes through a text that comes in parts.
type scan struct {
	needles *needles
	rest    []byte // not decided yet
	covered int    // how many plain bytes of the rest belong to a value that began before it
	before  bool   // the last plain byte that was decided belongs to a value
	marked  bool   // its mark is written, in this line
}

// feed takes a part, and returns what is decided. After the last part everything is.
func (s *scan) feed(part []byte, last bool) []byte {
	text := slices.Concat(s.rest, part)
	plain, at := normalise(text)
	decided := len(plain)
	if !last {
		for i := max(0, len(plain)-longest+1); i < len(plain); i++ {
			if s.needles.undecided(plain[i:]) {
				decided = i
				break
			}
		}
	}
	var out []byte
	next := 0 // of text
	for i := range decided {
		s.covered = max(s.covered, s.needles.match(plain[i:]))
		hidden := s.covered > 0
		out = s.between(out, text[next:at[i]], s.before && hidden)
		switch {
		case !hidden:
			out = append(out, text[at[i]])
			s.marked = false
		case !s.marked:
			out = append(out, s.needles.mark...)
			s.marked = true
		}
		s.before, s.covered, next = hidden, max(0, s.covered-1), at[i]+1
	}
	for ; next < len(text) && (text[next] == '\n' || text[next] == '\r'); next++ { // lines are not held back
		out = append(out, text[next])
		s.marked = false
	}
	if last || decided == len(plain) && !s.before {
		out = s.between(out, text[next:], false)
		next = len(text)
	}
	s.rest = slices.Clone(text[next:])
	return out
}

// between passes control characters on; within a value only the ends of lines are left.
func (s *scan) between(out, controls []byte, hidden bool) []byte {
	for _, c := range controls {
		if c == '\n' || c == '\r' || !hidden {
			out = append(out, c)
			s.marked = false
		}
	}
	return out
}
