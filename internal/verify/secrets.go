package verify

import (
	"fmt"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/policy"
)

// ProcessName returns the name in the text of /proc/PID/status.
func ProcessName(status string) string {
	for line := range strings.Lines(status) {
		if name, ok := strings.CutPrefix(line, "Name:"); ok {
			return display.Name(name)
		}
	}
	return "unnamed"
}

// ExposedVariables names the variables in the text of /proc/PID/environ that look like secrets. It returns no value.
func ExposedVariables(process, environ string) []string {
	var out []string
	for entry := range strings.SplitSeq(environ, "\x00") {
		name, value, ok := strings.Cut(entry, "=")
		if ok && policy.LooksSecret(policy.Variable{Name: name, Value: value}) {
			out = append(out, fmt.Sprintf("process %s: variable %s", process, display.Name(name)))
		}
	}
	return out
}

// ExposedArguments numbers the words in the text of /proc/PID/cmdline that look like secrets.
func ExposedArguments(process, cmdline string) []string {
	var out []string
	for _, n := range policy.SecretArguments(strings.Split(strings.TrimRight(cmdline, "\x00"), "\x00")) {
		out = append(out, fmt.Sprintf("process %s: argument %d", process, n))
	}
	return out
}
