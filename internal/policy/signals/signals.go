// Package signals says how a signal that stops a container travels from PID 1 to the programs that do its work, through inits, shells,
// runners of commands and wrappers, and what the programs make of it.
package signals

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/policy"
)

// inits are those that engines and images start as PID 1. While they wait they show neither a caught nor a blocked signal, and
// pass on to their child what they get.
func inits() []string {
	return []string{"docker-init", "tini", "tini-static", "catatonit", "dumb-init"}
}

// shells do not pass a signal on to what they wait for, unless their script traps it.
func shells() []string { return []string{"sh", "bash", "dash", "ash", "busybox", "zsh", "ksh"} }

// runners catch every signal and pass it on to the command that they run, by a shell.
func runners() []string { return []string{"npm", "yarn", "pnpm"} }

// GroupVariable lets tini, and with it docker-init, signal the whole group of its child, whatever its value is.
const GroupVariable = "TINI_KILL_PROCESS_GROUP"

// IsInit reports whether a process has the name of an init.
func IsInit(name string) bool { return slices.Contains(inits(), name) }

// helpers listen next to a program and have nothing to lose: Erlang's port mapper answers where the program is.
func helpers() []string { return []string{"epmd"} }

func isShell(name string) bool { return slices.Contains(shells(), name) }

func isRunner(name string) bool {
	command, _, _ := strings.Cut(name, " ") // npm calls itself "npm start"
	return slices.Contains(runners(), command)
}

// Program is a process that does the work of a container: it holds a listening socket, or it is what inits, shells and runners
// have started.
type Program struct {
	policy.Process
	Through []policy.Process // from PID 1 on to its parent; empty for PID 1 itself

	grouped bool // an init on the way signals the whole process group that it is in
	aside   string
}

// Programs are the programs of a container. Where any process that PID 1 has started holds a listening socket, it is the first
// ones on the way down that do; else those that are no init, shell or runner. Group says that inits signal the whole group of
// their child, as GroupVariable asks for.
func Programs(all []policy.Process, group bool) []Program {
	i := slices.IndexFunc(all, func(p policy.Process) bool { return p.PID == 1 })
	if i < 0 {
		return nil
	}
	holds := func(p policy.Process, _ []policy.Process) bool { return len(p.Listens) > 0 }
	works := func(p policy.Process, children []policy.Process) bool {
		return len(children) == 0 || !IsInit(p.Name) && !isShell(p.Name) && !isRunner(p.Name)
	}
	first := Program{Process: all[i]}
	if out := below(all, first, group, holds); len(out) > 0 {
		if main := slices.DeleteFunc(slices.Clone(out), func(p Program) bool { return slices.Contains(helpers(), p.Name) }); len(main) > 0 {
			return main
		}
		return out
	}
	return below(all, first, group, works)
}

// below finds the first processes on the way down from one that are programs.
func below(all []policy.Process, at Program, group bool, is func(policy.Process, []policy.Process) bool) []Program {
	seen := map[int]bool{at.PID: true} // numbers can be used twice while processes are listed: none is its own ancestor
	for _, p := range at.Through {
		seen[p.PID] = true
	}
	var children []policy.Process
	for _, c := range all {
		if c.Parent == at.PID && !seen[c.PID] && c.State != "Z" && c.State != "X" {
			children = append(children, c)
		}
	}
	if is(at.Process, children) {
		return []Program{at}
	}
	slices.SortFunc(children, func(a, b policy.Process) int { return a.PID - b.PID })
	var out []Program
	for i, c := range children {
		next := Program{Process: c, Through: append(slices.Clone(at.Through), at.Process), aside: at.aside,
			grouped: at.grouped && c.Group == at.Group}
		if IsInit(at.Name) {
			next.grouped = next.grouped || signalsGroup(at.Process, group) && c.Group != 0 && c.Group == children[0].Group
			if i > 0 && !next.grouped && next.aside == "" {
				next.aside = fmt.Sprintf("%s passes signals on to %s only, not to %s", at.Name, children[0].Name, c.Name)
			}
		}
		out = append(out, below(all, next, group, is)...)
	}
	return out
}

// signalsGroup reports whether an init signals the whole group of its child: dumb-init does unless told otherwise, tini when told.
func signalsGroup(p policy.Process, group bool) bool {
	has := func(long string, short byte) bool {
		return slices.ContainsFunc(p.Options, func(o string) bool {
			return o == long || strings.HasPrefix(o, "-") && !strings.HasPrefix(o, "--") && strings.IndexByte(o, short) > 0
		})
	}
	if p.Name == "dumb-init" {
		return !has("--single-child", 'c')
	}
	return group && p.Name != "catatonit" || has("-g", 'g')
}

// String names the program with the port at which users find it.
func (p Program) String() string {
	if len(p.Listens) == 0 {
		return p.Name
	}
	return p.Name + " (port " + strconv.Itoa(p.Listens[0]) + ")"
}

// Handles reports whether the program has a handler for a signal, or waits for it.
func (p Program) Handles(signal int) bool { return (p.Caught|p.Blocked)&bit(signal) != 0 }

// GivesUp reports whether the runtime of the program catches signals that the program itself does not handle, to end by them after all:
// Go's catches all that there are, Node's resets the terminal first. Then a handler that is seen says nothing of the program.
func (p Program) GivesUp() bool {
	return bits.OnesCount64(p.Caught>>(realtime-1)) >= 25 || slices.Contains([]string{"node", "nodejs", "MainThread"}, p.Name)
}

// realtime is the first signal that a program can use for itself (signal(7)).
const realtime = 34

func bit(signal int) uint64 { return 1 << (signal - 1) }

// Lost says why a signal that the engine sends to PID 1 does not reach the program; empty when it does, or when processes on the
// way catch it and may pass it on. PID 1 is not ended by a signal that it does not handle, so for it that counts too.
func (p Program) Lost(signal int, name string) string {
	way := append(slices.Clone(p.Through), p.Process)
	if p.grouped {
		way = way[len(way)-1:] // the init signals it directly
	}
	for i, hop := range way {
		last := i == len(way)-1
		handles := (hop.Caught|hop.Blocked)&bit(signal) != 0
		why := ""
		switch {
		case IsInit(hop.Name) && !last:
			continue
		case hop.Ignored&bit(signal) != 0:
			why = fmt.Sprintf("%s ignores %s", hop.Name, name)
		case handles, !last && isRunner(hop.Name):
			continue
		case !last && isShell(hop.Name):
			why = fmt.Sprintf("the shell %s does not pass %s on to %s: start the program with exec", hop.Name, name, way[i+1].Name)
		case hop.PID == 1:
			why = fmt.Sprintf("PID 1 (%s) does not handle %s", hop.Name, name)
		case !last:
			why = fmt.Sprintf("%s does not handle %s, and ends without passing it on to %s", hop.Name, name, way[i+1].Name)
		default:
			continue
		}
		if i == 0 {
			return why
		}
		return fmt.Sprintf("%s %s %s on, but %s", Names(way[:i]), passes(i), name, why)
	}
	if p.aside != "" && !p.grouped {
		return p.aside
	}
	return ""
}

func passes(hops int) string {
	if hops > 1 {
		return "pass"
	}
	return "passes"
}

// Way says by which way the program gets the signal, and what it does with it: through what, if anything.
func (p Program) Way(name string) string {
	switch {
	case p.PID == 1:
		return fmt.Sprintf("%s is PID 1 and handles %s", p, name)
	case p.grouped:
		return fmt.Sprintf("%s is in the group that %s signals, and handles %s", p, p.Through[0].Name, name)
	}
	return fmt.Sprintf("%s %s %s on to %s, which handles it", Names(p.Through), passes(len(p.Through)), name, p)
}

// Doubt names what on the way catches the signal and may keep it; empty when nothing does. Inits pass on what they get, and so do
// runners.
func (p Program) Doubt(signal int) string {
	if p.grouped {
		return ""
	}
	for _, hop := range p.Through {
		if !IsInit(hop.Name) && !isRunner(hop.Name) && (hop.Caught|hop.Blocked)&bit(signal) != 0 {
			return hop.Name
		}
	}
	return ""
}

// Names are the names of processes in words.
func Names(all []policy.Process) string {
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// Number knows the signals that stop programs (signal(7), x86 and ARM); 0 is another one.
func Number(name string) int {
	name = strings.TrimPrefix(strings.ToUpper(name), "SIG")
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n < 65 {
		return n
	}
	if rest, ok := strings.CutPrefix(name, "RTMIN"); ok {
		n, _ := strconv.Atoi(strings.TrimPrefix(rest, "+")) // RTMIN itself has no number after it
		return realtime + n
	}
	return map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15, "WINCH": 28, "PWR": 30}[name]
}
