//go:build linux && (amd64 || arm64)

package probe

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// maxMachine bounds the processes of a machine that are looked at.
const maxMachine = 32_768

// initOfMachine is the first process. It may be closed even to root, and who has it has the machine.
const initOfMachine = 1

// machineProcess is a process as its own kernel numbers it.
type machineProcess struct {
	name      string
	zombie    bool
	parent    int
	namespace string
	numbers   []int // in each pid namespace, from ours inwards
	place     kernel.Place
}

// population is all processes of a machine, read once for all containers, and where they are found by what they share: by
// the links of namespaces, and by the ids of containers in the names of control groups.
type population struct {
	processes map[int]machineProcess
	at        map[string][]int
	cut       string // why some are missing
}

func populate() (population, error) {
	out := population{processes: map[int]machineProcess{}, at: map[string][]int{}}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return out, fmt.Errorf("listing processes: %w", err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if len(out.processes) >= maxMachine {
			out.cut = fmt.Sprintf("the machine has more than %d processes", maxMachine)
			break
		}
		p, err := processOf(pid)
		if gone(err) {
			continue // it ended meanwhile
		}
		if err != nil && pid != initOfMachine {
			out.cut = fmt.Sprintf("process %d: %v", pid, err)
		}
		if p.namespace == "" {
			continue
		}
		out.processes[pid] = p
		for _, link := range p.place.Namespaces {
			out.at[link] = append(out.at[link], pid)
		}
		for _, id := range kernel.Containers(p.place.Groups) {
			out.at[id] = append(out.at[id], pid)
		}
	}
	return out, nil
}

// processOf reads one process. What could be read of it is returned with an error, too.
func processOf(pid int) (machineProcess, error) {
	status, err := readBounded(filepath.Join(procDir(pid), "status"))
	if err != nil {
		return machineProcess{}, err
	}
	p := machineProcess{name: verify.ProcessName(status), zombie: isZombie(status), place: kernel.Place{Namespaces: map[string]string{}}}
	for line := range strings.Lines(status) {
		switch name, value, _ := strings.Cut(line, ":"); name {
		case "PPid":
			p.parent, _ = strconv.Atoi(strings.TrimSpace(value)) // what is no number has no parent here
		case "NSpid":
			for _, word := range strings.Fields(value) {
				n, err := strconv.Atoi(word)
				if err != nil {
					return p, fmt.Errorf("reading its numbers: %w", err)
				}
				p.numbers = append(p.numbers, n)
			}
		}
	}
	for _, kind := range kernel.Kinds() {
		link, readErr := os.Readlink(filepath.Join(procDir(pid), "ns", kind))
		if readErr != nil && !p.zombie { // which has left all of them
			err = errors.Join(err, readErr)
		}
		p.place.Namespaces[kind] = link
	}
	p.namespace = p.place.Namespaces["pid"]
	groups, readErr := readBounded(filepath.Join(procDir(pid), "cgroup"))
	p.place.Groups = groups
	return p, errors.Join(err, readErr)
}

// strangers are the processes of the machine that are in the place of a container and are none of its own: members are those in its pid
// namespace. Where those of the machine may not be looked at there is no answer; why some were not seen is told.
func strangers(all population, pid int, id string, members map[int]int, pause func(time.Duration)) (*verify.Machine, string) {
	first, err := processOf(pid)
	starter, starterErr := processOf(all.processes[pid].parent)
	if err != nil || starterErr != nil || starter.namespace == "" {
		return nil, ""
	}
	home := kernel.Home{ID: id, Place: first.place, Machine: starter.place}
	candidates := map[int]bool{}
	for _, kind := range home.Own() {
		for _, other := range all.at[home.Place.Namespaces[kind]] {
			candidates[other] = true
		}
	}
	for _, other := range all.at[id] {
		candidates[other] = true
	}
	delete(candidates, pid)
	delete(candidates, os.Getpid()) // which looks
	found, cut := settle(home, slices.Sorted(maps.Keys(candidates)), members, pause)
	return &verify.Machine{Home: home, Strangers: found}, cmp.Or(cut, all.cut)
}

// Bounds on the wait for a process that may be on its way: one of the runtime, which enters the container step by step, and another one.
const runtimeTries, strangerTries = settleTries, 8

// settle looks at processes until each has become one of the container's, has ended, or stays a stranger. All are waited for
// together.
func settle(home kernel.Home, candidates []int, members map[int]int, pause func(time.Duration)) (out []kernel.Process, cut string) {
	for try := 0; len(candidates) > 0; try++ {
		candidates = slices.DeleteFunc(candidates, func(pid int) bool {
			is, err := processOf(pid)
			if gone(err) || is.zombie {
				return true
			}
			_, member := members[pid]
			seen := kernel.Process{PID: pid, Name: is.name, Place: is.place, Inside: member || is.namespace == home.Place.Namespaces["pid"]}
			if _, _, strange := home.Shares(seen); !strange && err == nil {
				return true
			}
			if try < strangerTries || strings.HasPrefix(is.name, "runc") && try < runtimeTries {
				return false
			}
			if err != nil {
				cut = fmt.Sprintf("process %d: %v", pid, err)
			}
			if len(out) < maxStrangers {
				out = append(out, seen)
			}
			return true
		})
		if len(candidates) > 0 {
			pause(settlePause)
		}
	}
	return out, cut
}

// maxStrangers bounds what is told of one container.
const maxStrangers = 100
