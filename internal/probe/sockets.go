package probe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/policy/signals"
	"github.com/hsectl/hsectl/internal/verify"
)

// Bounds on the descriptors that are looked at: what listens is opened first, so its number is low.
const (
	maxDescriptors    = 2048 // of one process
	maxAllDescriptors = 1 << 16
)

// listens returns the ports of the listening sockets that a process holds. A process whose descriptors may not be seen holds none
// that are known of.
func (p *prober) listens(pid int, sockets map[string]int) []int {
	if len(sockets) == 0 {
		return nil
	}
	if p.descriptors >= maxAllDescriptors {
		p.overlooked = true
		return nil
	}
	dir := filepath.Join(p.root, "proc", strconv.Itoa(pid), "fd")
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, err := f.Readdirnames(maxDescriptors)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	p.descriptors += len(names)
	p.overlooked = p.overlooked || len(names) == maxDescriptors
	var out []int
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(dir, name))
		inode, isSocket := strings.CutPrefix(target, "socket:[")
		if port, ok := sockets[strings.TrimSuffix(inode, "]")]; err == nil && isSocket && ok && !slices.Contains(out, port) {
			out = append(out, port)
		}
	}
	slices.Sort(out)
	return out
}

// unheld notes that a socket was found with no process, where some of their open files were not looked at.
func (p *prober) unheld(sockets map[string]int) {
	if !p.overlooked {
		return
	}
	for _, port := range sockets {
		if !slices.ContainsFunc(p.dump.Processes, func(r verify.RawProcess) bool { return slices.Contains(r.Listens, port) }) {
			p.cut(verify.LookSockets, fmt.Sprintf("a process has more open files than are looked at, and none of those seen listens on port %d", port))
		}
	}
}

// initOption is a word by which an init is told about signals: -g, --single-child, --rewrite, 15:3. Nothing else of a command line leaves
// the probe.
var initOption = regexp.MustCompile(`^(?:-[A-Za-z]{1,8}|--[a-z-]{1,24}|\d{1,2}:-?\d{1,2})$`)

// initOptions returns what an init was told, up to the program that it starts.
func (p *prober) initOptions(pid int, status string) []string {
	name, _, _ := strings.Cut(strings.TrimPrefix(status, "Name:\t"), "\n")
	if !signals.IsInit(name) {
		return nil
	}
	text, err := readBounded(filepath.Join(p.root, "proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return nil
	}
	var out []string
	words := strings.Split(text, "\x00")
	for _, word := range words[min(1, len(words)):] {
		if word == "--" || !initOption.MatchString(word) {
			break
		}
		out = append(out, word)
	}
	return out
}
