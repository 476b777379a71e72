package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hsectl/hsectl/internal/app"
)

// Every command that the documentation shows exists, with every flag that it is shown with.
func TestDocumentedCommandsExist(t *testing.T) {
	files := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fenced := false
		for i, line := range strings.Split(string(data), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			for _, command := range commandsIn(line, fenced) {
				shown++
				if problem := unknownCommand(command); problem != "" {
					t.Errorf("%s:%d: %s: %s", file, i+1, strings.Join(command, " "), problem)
				}
			}
		}
	}
	if shown < 50 {
		t.Errorf("only %d commands were found", shown)
	}
}

// commandsIn returns the words of each command in a line: of a block of code, or between backquotes.
func commandsIn(line string, fenced bool) [][]string {
	texts := []string{line}
	if !fenced {
		texts = nil
		for i, part := range strings.Split(line, "`") {
			if i%2 == 1 {
				texts = append(texts, part)
			}
		}
	}
	var out [][]string
	for _, text := range texts {
		text, _, _ = strings.Cut(text, " #")
		for _, one := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("|;&", r) }) {
			words := strings.Fields(one)
			for len(words) > 0 && (words[0] == "$" || strings.Contains(words[0], "=")) {
				words = words[1:]
			}
			if len(words) > 1 && (words[0] == "hsectl" || words[0] == "bin/hsectl") {
				out = append(out, words[1:])
			}
		}
	}
	return out
}

// unknownCommand says what of a command does not exist; empty when all of it does.
func unknownCommand(words []string) string {
	root := newRoot(app.Streams{Out: io.Discard, Err: io.Discard})
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	if strings.HasPrefix(words[0], "-") || strings.ContainsAny(words[0], "[…<") {
		return ""
	}
	cmd, _, err := root.Find(words)
	if err != nil || cmd == root {
		return "there is no such command"
	}
	cmd.InitDefaultHelpFlag()
	for _, w := range words {
		w = strings.Trim(w, "[]`'\"(),.:…")
		name, _, _ := strings.Cut(w, "=")
		if w == "--" {
			break
		}
		switch {
		case strings.HasPrefix(name, "--") && flagOf(cmd, name[2:]) == nil:
			return "there is no flag " + name
		case len(name) == 2 && name[0] == '-' && name[1] != '-' && cmd.Flags().ShorthandLookup(name[1:]) == nil && root.PersistentFlags().ShorthandLookup(name[1:]) == nil:
			return "there is no flag " + name
		}
	}
	return ""
}

func flagOf(cmd *cobra.Command, name string) *pflag.Flag {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}

// The test itself sees what does not exist.
func TestUnknownCommands(t *testing.T) {
	for command, known := range map[string]bool{
		"lint -f x.yaml --format sarif": true, "drill shutdown app": true, "completion bash": true,
		"lnit": false, "lint --colour": false, "lint -Z": false, "review main --fail-on=high --nope": false,
	} {
		if problem := unknownCommand(strings.Fields(command)); (problem == "") != known {
			t.Errorf("hsectl %s: %q", command, problem)
		}
	}
}
