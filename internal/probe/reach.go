package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// namespaces reads which namespaces a process is in; only its own user may.
func (p *prober) namespaces(pid int) {
	p.dump.Namespaces = map[string]string{}
	dir := filepath.Join(p.root, "proc", strconv.Itoa(pid), "ns")
	for _, name := range kernel.Kinds() {
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
	text, err := p.memory(filepath.Join(dir, "environ"))
	if err == nil || gone(err) {
		p.dump.EnvironRead++
	}
	p.expose(verify.ExposedVariables(name, text))     // also of what could not be read to its end
	text, _ = p.memory(filepath.Join(dir, "cmdline")) // readable for all, but for one that is gone
	p.expose(verify.ExposedArguments(name, text))
}

// memory reads a file that is the memory of a process, within what a container may take of a probe's time.
func (p *prober) memory(path string) (string, error) {
	if p.text > maxTextBytes {
		p.cut(verify.LookExposed, fmt.Sprintf("environments and command lines of the processes are longer than %d bytes", maxTextBytes))
		return "", errTooLong
	}
	text, err := readBounded(path)
	p.text += len(text)
	if errors.Is(err, errTooLong) {
		p.cut(verify.LookExposed, fmt.Sprintf("the environment or the command line of a process is longer than %d bytes", maxFileBytes))
	}
	return text, err
}

func (p *prober) expose(names []string) {
	p.dump.Exposed = append(p.dump.Exposed, names[:min(len(names), maxExposed-len(p.dump.Exposed))]...)
}
