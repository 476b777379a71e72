// Package healthtest says whether a health test can fail at all, by what its shell would do. It is pure.
package healthtest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Vacuous says why a health test, as Docker and Compose write it, tests nothing; it is empty for one that can fail.
func Vacuous(test []string) string {
	said := strings.Join(test, " ")
	if len(test) == 0 {
		return "no health test, so it cannot fail"
	}
	form, rest := test[0], test[1:]
	switch {
	case form == "NONE":
		return fmt.Sprintf("the test %q cannot fail", said)
	case form != "CMD" && form != "CMD-SHELL":
		rest = test
	}
	if strings.TrimSpace(strings.Join(rest, "")) == "" {
		return fmt.Sprintf("the test %q names no program", said)
	}
	if form == "CMD-SHELL" && succeeds(strings.Join(rest, " "), false) || form != "CMD-SHELL" && succeedsCommand(literals(rest)) {
		return fmt.Sprintf("the test %q cannot fail", said)
	}
	return ""
}

// succeeds reports whether a script of a shell ends with 0 whatever becomes of the programs that it runs. With stops, the
// first command that fails ends it. What is not understood can fail.
func succeeds(script string, stops bool) bool {
	file, err := syntax.NewParser().Parse(strings.NewReader(script), "")
	if err != nil {
		return false
	}
	understood := true
	syntax.Walk(file, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			switch words := wordsOf(call); words[0].text {
			case "exit", "return":
				understood = understood && (len(words) == 1 || words[1].static && words[1].text == "0")
			case "set", "trap", "kill", "eval", "source", ".":
				understood = false
			}
		}
		return true
	})
	return understood && succeedsAll(file.Stmts, stops)
}

func succeedsAll(statements []*syntax.Stmt, stops bool) bool {
	always := true
	for _, s := range statements {
		if call, ok := s.Cmd.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			if words := wordsOf(call); words[0].text == "exit" || words[0].text == "return" {
				return len(words) > 1 || always
			}
		}
		next := succeedsOne(s)
		if stops && !next {
			return false
		}
		always = next
	}
	return always
}

func succeedsOne(s *syntax.Stmt) bool {
	if s.Background {
		return true
	}
	for _, r := range s.Redirs {
		if to := static(r.Word); r.Op != syntax.DplOut && r.Op != syntax.DplIn && (!to.static || to.text != "/dev/null") {
			return false // the file may not be there, or not be writable
		}
	}
	if s.Negated {
		call, ok := s.Cmd.(*syntax.CallExpr)
		return ok && len(call.Args) > 0 && path.Base(wordsOf(call)[0].text) == "false"
	}
	switch c := s.Cmd.(type) {
	case nil:
		return true
	case *syntax.CallExpr:
		if len(c.Args) > 0 {
			return succeedsCommand(wordsOf(c))
		}
		return !slices.ContainsFunc(c.Assigns, func(a *syntax.Assign) bool { return a.Value != nil && !static(a.Value).static })
	case *syntax.BinaryCmd:
		switch c.Op {
		case syntax.AndStmt:
			return succeedsOne(c.X) && succeedsOne(c.Y)
		case syntax.OrStmt:
			return succeedsOne(c.X) || succeedsOne(c.Y)
		case syntax.Pipe, syntax.PipeAll:
			return succeedsOne(c.Y)
		}
	case *syntax.Subshell:
		return succeedsAll(c.Stmts, false)
	case *syntax.Block:
		return succeedsAll(c.Stmts, false)
	case *syntax.IfClause:
		return succeedsIf(c)
	}
	return false
}

func succeedsIf(c *syntax.IfClause) bool {
	for ; c != nil; c = c.Else { // the last else has no condition
		if !succeedsAll(c.Then, false) {
			return false
		}
	}
	return true
}

// succeedsCommand reports whether a program with its arguments ends with 0 whatever happens.
func succeedsCommand(words []word) bool {
	for len(words) > 0 && words[0].static {
		name, args := path.Base(words[0].text), words[1:]
		switch name {
		case "true", ":", "echo", "printf", "sleep", "exit", "return": // exits other than 0 were found before
			return true
		case "exec", "command", "builtin", "env", "nohup", "busybox", "tini", "dumb-init", "--":
			words = args
			continue
		case "timeout":
			i := slices.IndexFunc(args, func(w word) bool { return !strings.HasPrefix(w.text, "-") })
			if i < 0 {
				return false
			}
			words = args[i+1:]
			continue
		case "sh", "bash", "ash", "dash", "zsh", "ksh":
			i := slices.IndexFunc(args, func(w word) bool { return strings.HasPrefix(w.text, "-") && strings.Contains(w.text, "c") })
			if i < 0 || i+1 >= len(args) || !args[i+1].static {
				return false
			}
			stops := slices.ContainsFunc(args[:i+1], func(w word) bool { return strings.HasPrefix(w.text, "-") && strings.Contains(w.text, "e") })
			return succeeds(args[i+1].text, stops)
		case "test":
			return holds(args)
		case "[":
			return len(args) > 0 && args[len(args)-1].text == "]" && holds(args[:len(args)-1])
		}
		return false
	}
	return false
}

// holds reports whether a test of constants is true.
func holds(words []word) bool {
	if slices.ContainsFunc(words, func(w word) bool { return !w.static }) {
		return false
	}
	switch len(words) {
	case 1:
		return words[0].text != ""
	case 3:
		return slices.Contains([]string{"=", "==", "-eq"}, words[1].text) && words[0].text == words[2].text
	}
	return false
}

// word is one word of a command. What a shell puts together when it runs is not static.
type word struct {
	text   string
	static bool
}

func literals(words []string) []word {
	var out []word
	for _, w := range words {
		out = append(out, word{w, true})
	}
	return out
}

func wordsOf(c *syntax.CallExpr) []word {
	var out []word
	for _, w := range c.Args {
		out = append(out, static(w))
	}
	return out
}

func static(w *syntax.Word) word {
	if w == nil {
		return word{}
	}
	var out strings.Builder
	parts := w.Parts
	for len(parts) > 0 {
		part := parts[0]
		parts = parts[1:]
		switch p := part.(type) {
		case *syntax.Lit:
			out.WriteString(p.Value)
		case *syntax.SglQuoted:
			out.WriteString(p.Value)
		case *syntax.DblQuoted:
			parts = append(slices.Clone(p.Parts), parts...)
		default:
			return word{}
		}
	}
	return word{out.String(), true}
}
