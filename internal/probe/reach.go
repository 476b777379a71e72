package probe

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/hsectl/hsectl/internal/verify"
)

// namespaces reads which namespaces a process is in; only its own user may.
func (p *prober) namespaces(pid int) {
	p.dump.Namespaces = map[string]string{}
	dir := filepath.Join(p.root, "proc", strconv.Itoa(pid), "ns")
	for _, name := range verify.NamespaceNames() {
		if link, err := os.Readlink(filepath.Join(dir, name)); err == nil {
			p.dump.Namespaces[name] = link
		}
	}
}

// exposed looks for secrets in the environment and the command line of a process. Only names and numbers leave this
// function: values would end in the engine's log of the probe.
func (p *prober) exposed(pid int, status string) {
	dir := filepath.Join(p.root, "proc", strconv.Itoa(pid))
	name := verify.ProcessName(status)
	if text, err := readBounded(filepath.Join(dir, "environ")); err == nil || gone(err) {
		p.dump.EnvironRead++
		p.dump.Exposed = append(p.dump.Exposed, verify.ExposedVariables(name, text)...)
	}
	if text, err := readBounded(filepath.Join(dir, "cmdline")); err == nil {
		p.dump.Exposed = append(p.dump.Exposed, verify.ExposedArguments(name, text)...)
	}
}
