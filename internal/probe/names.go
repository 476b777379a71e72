package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/probe/place"
	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// surroundings looks at the place that the thread is in: at the network, and at what lies in the container below target.
func (p *prober) surroundings(target string, volumes []string) {
	note := func(look string, err error) {
		if err != nil {
			p.cut(look, err.Error())
		}
	}
	mounts, err := "", error(nil)
	if i := slices.IndexFunc(p.dump.Processes, func(r verify.RawProcess) bool { return r.PID == 1 }); i >= 0 {
		mounts = p.dump.Processes[i].Files["mountinfo"]
	}
	p.dump.Tops = place.Tops(target, volumes)
	p.dump.Special, err = place.Special(target, mounts)
	note(verify.LookSpecial, err)
	p.dump.Nodes, err = place.Nodes(target)
	note(verify.LookNodes, err)
	p.names(target)
}

// names reads the files by which a container knows names. Only names, addresses and settings of a resolver leave it: what else
// somebody may have written there would end in the engine's log of the probe.
func (p *prober) names(target string) {
	p.dump.Names.Files = map[string]string{}
	for _, file := range kernel.NameFiles() {
		text, err := readIn(target, file)
		if gone(err) {
			continue
		}
		if err != nil {
			p.note("reading %s: %v", file, err)
			continue
		}
		p.dump.Names.Files[file] = kernel.Reduced(file, text)
		if file == kernel.ResolverFile {
			sum := sha256.Sum256([]byte(text))
			p.sum = "sha256:" + hex.EncodeToString(sum[:])
		}
	}
}

// recorded compares the resolver's file with what the engine has recorded of it, next to its own copy, on the machine of the process that
// started the container.
func (p *prober) recorded(starter int, written string) {
	root := filepath.Join(p.root, "proc", fmt.Sprint(starter), "root")
	if text, err := readIn(root, kernel.ResolverFile); err == nil {
		p.dump.Names.Machine = kernel.Reduced(kernel.ResolverFile, text)
	}
	if written == "" || p.sum == "" {
		return
	}
	if sum, err := readIn(root, written+".hash"); err == nil {
		p.dump.Names.Written = strings.TrimSpace(sum) == p.sum
	}
}

// readIn reads a file below root, as a container would find it, and waits for none.
func readIn(root, name string) (string, error) {
	at, err := place.Resolve(root, name)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(at, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNamesBytes+1))
	if err == nil && len(data) > maxNamesBytes {
		return "", fmt.Errorf("it is longer than %d bytes", maxNamesBytes)
	}
	return string(data), err
}

// maxNamesBytes bounds a file of names.
const maxNamesBytes = 64 << 10
