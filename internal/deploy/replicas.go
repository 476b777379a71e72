package deploy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// strangers says which containers are not those of the last release, when their number is right.
func strangers(running []Running, last record.Entry, s stack.Service) string {
	if len(running) != s.Wanted() {
		return ""
	}
	ids := last.Outcome.Containers[s.Name]
	n := 0
	for _, r := range running {
		if !slices.Contains(ids, r.ID) {
			n++
		}
	}
	switch {
	case n == 0:
		return ""
	case len(running) == 1:
		return fmt.Sprintf("its container is not the one of release %d", last.Number)
	}
	return fmt.Sprintf("%d of its %d containers are not those of release %d", n, len(running), last.Number)
}

// oddest is the first container that is not as the release left it, or the first of all.
func oddest(running []Running) Running {
	for _, r := range running {
		if len(r.Differences) > 0 {
			return r
		}
	}
	return running[0]
}

// called names a container among its like.
func called(r Running, all []Running) string {
	if len(all) == 1 {
		return "the running container"
	}
	return r.Name
}

func subject(r Running, all []Running) string {
	if len(all) == 1 {
		return "it"
	}
	return r.Name
}

// resized says that there are more or fewer containers than wanted, and why, or nothing.
func (c comparison) resized(running []Running, s stack.Service) string {
	have, want := len(running), s.Wanted()
	if have == want {
		return ""
	}
	if c.was.project != nil {
		if before, ok := c.was.project.Services[s.Name]; ok && before.GetScale() != want {
			return fmt.Sprintf("replicas: %d → %d", before.GetScale(), want)
		}
	}
	return miscounted(have, want)
}

func miscounted(have, want int) string {
	if have < want {
		return fmt.Sprintf("%d of %d containers exist", have, want)
	}
	return fmt.Sprintf("%d containers exist, not %d", have, want)
}

// expected are the containers of a service, of which none may have ended when others call the service: its end is no work done.
func expected(in stack.Stack, s stack.Service, running []Running) []Running {
	called := len(s.Ports) > 0 || in.Behind(s.Name) || slices.ContainsFunc(in.Services, func(other stack.Service) bool {
		return slices.ContainsFunc(other.DependsOn, func(d stack.Dependency) bool { return d.Service == s.Name && d.Condition == "healthy" })
	})
	out := slices.Clone(running)
	for i := range out {
		out[i].Well = out[i].Well && !(out[i].Ended && called)
	}
	return out
}

// unwell says which containers do not work, or nothing.
func unwell(running []Running) string {
	var out []string
	for _, r := range running {
		if !r.Well {
			out = append(out, subject(r, running)+" is "+r.State)
		}
	}
	return strings.Join(out, ", ")
}

// scaling says how containers come and go when nothing else changes.
func scaling(in stack.Stack, s stack.Service, running []Running) string {
	more := s.Wanted() > len(running)
	moved := in.Behind(s.Name) && startsFirst(in, s, running)
	switch {
	case more && moved:
		return "next to the running ones, with traffic once it is " + goal(s)
	case more:
		return "next to the running ones"
	case moved:
		return "the edge takes its traffic away before it stops"
	}
	return "it stops within its grace period"
}

// together is the state of all containers of a service in a few words, and whether all are well.
func together(running []Running, want int) (string, bool) {
	if len(running) == 1 && want == 1 {
		return running[0].State, running[0].Well
	}
	well, word := 0, "running"
	for _, r := range running {
		if r.Well {
			well, word = well+1, r.State
		}
	}
	text := fmt.Sprintf("%d/%d %s", well, want, word)
	if sick := unwell(running); sick != "" {
		return text + "; " + sick, false
	}
	return text, true
}
