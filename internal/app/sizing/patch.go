package sizing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/size"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// patch is the profile with the proposals in it.
type patch struct {
	data   []byte
	loaded app.Loaded // what the changed profile stands for
	done   int
	byHand []byHand
	moves  map[string][]move // by service
}

// byHand is a proposal that the profile's own file cannot be given.
type byHand struct {
	Path  string `json:"path"`
	Value string `json:"value"`
	Where string `json:"where"`
	Why   string `json:"why"`
}

// move is a part of a service's command or environment that follows a limit.
type move struct {
	Now      string `json:"now"`
	Proposed string `json:"proposed"`
}

// edit is one proposal as a change of the profile.
type edit struct {
	yamldoc.Edit
	service string
	change  size.Change
}

// newPatch changes the bytes of the profile key by key. A change that does not come out as the proposed value, because a stronger layer
// says something else, or that makes the profile invalid, is left for a person.
func newPatch(from app.Selection, l app.Loaded, proposals []size.Proposal) patch {
	out := patch{data: l.Data, loaded: l, moves: map[string][]move{}}
	for _, p := range proposals {
		edits := out.edits(l, p)
		if len(edits) == 0 || out.try(from, l, edits) {
			continue
		}
		for _, e := range edits { // one by one: the others may still be possible
			if !out.try(from, l, []edit{e}) {
				out.byHand = append(out.byHand, byHand{Path: e.Path, Value: e.Value + e.Item, Where: l.Profile.Written(e.Path).String(), Why: "this value is set elsewhere, or the file cannot be changed there"})
			}
		}
	}
	for _, before := range l.Stack.Services {
		if after, ok := out.loaded.Stack.Service(before.Name); ok {
			if moved := moves(before, after); len(moved) > 0 {
				out.moves[before.Name] = moved
			}
		}
	}
	return out
}

// edits returns the proposals for a service as changes, in an order in which a reservation is never above its limit.
func (p *patch) edits(l app.Loaded, proposal size.Proposal) []edit {
	var out []edit
	for _, c := range proposal.Settings {
		if c.Verdict != size.Changes {
			continue
		}
		e := edit{service: proposal.Service, change: c}
		e.Path, e.Value = "services."+proposal.Service+"."+c.Key, c.Proposed
		if strings.HasSuffix(c.Key, ".cpus") {
			e.Value = `"` + c.Proposed + `"` // a decimal number that is meant as text, as everywhere in a profile
		}
		if path, ok := strings.CutPrefix(c.Key, size.TmpfsKey("")); ok {
			e.Edit = tmpfsEdit(l, proposal.Service, path, c.Proposed)
		}
		out = append(out, e)
	}
	first := func(e edit) int {
		switch lowersReservation := e.change.Lowers && strings.HasPrefix(e.change.Key, "reservations."); {
		case lowersReservation:
			return 0
		case strings.HasPrefix(e.change.Key, "reservations."):
			return 2
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b edit) int { return first(a) - first(b) })
	return out
}

// tmpfsEdit sets the size of a tmpfs: where the profile's own file has it, or as an entry that takes the place of the preset's.
func tmpfsEdit(l app.Loaded, service, path, value string) yamldoc.Edit {
	list := "services." + service + ".writable"
	root := yamldoc.Parse(yamldoc.Source{File: l.Path, Data: l.Data}, &yamldoc.Collector{})
	if own, ok := root.Find(list); ok {
		for i, item := range own.Items {
			if at := item.Get("path"); at != nil && at.Value == path {
				return yamldoc.Edit{Path: fmt.Sprintf("%s[%d].tmpfs", list, i), Value: value}
			}
		}
	}
	item := fmt.Sprintf("{path: %s, tmpfs: %s", path, value)
	for _, w := range l.Profile.Services[service].Writable {
		if w.Path != path {
			continue
		}
		if w.Mode.Set {
			item += fmt.Sprintf(", mode: %q", w.Mode)
		}
		if w.Owner.Set {
			item += fmt.Sprintf(", owner: %q", w.Owner)
		}
		if w.Exec {
			item += ", exec: true"
		}
		if w.Why != "" {
			item += fmt.Sprintf(", why: %q", w.Why)
		}
	}
	return yamldoc.Edit{Path: list, Item: item + "}"}
}

// try makes changes, and keeps them when the profile is valid and says what is proposed.
func (p *patch) try(from app.Selection, l app.Loaded, edits []edit) bool {
	data := p.data
	for _, e := range edits {
		next, err := yamldoc.Patch(data, e.Edit)
		if err != nil {
			return false
		}
		data = next
	}
	after, err := reload(from, l, data)
	if err != nil {
		return false
	}
	for _, e := range edits {
		service, ok := after.Stack.Service(e.service)
		if before, _ := l.Stack.Service(e.service); !ok || !says(service, e.change) || !sameFiles(before, service) {
			return false
		}
	}
	p.data, p.loaded, p.done = data, after, p.done+len(edits)
	return true
}

// says reports whether a service has what is proposed.
func says(s stack.Service, c size.Change) bool {
	switch c.Key {
	case "limits.memory":
		return s.Limits.Memory.Text == c.Proposed
	case "limits.cpus":
		return s.Limits.CPUs == c.Proposed
	case "limits.pids":
		return fmt.Sprint(s.Limits.PIDs) == c.Proposed
	case "reservations.memory":
		return s.Reservations.Memory.Text == c.Proposed
	case "reservations.cpus":
		return s.Reservations.CPUs == c.Proposed
	}
	return slices.ContainsFunc(s.Writable, func(w stack.Writable) bool { return size.TmpfsKey(w.Path) == c.Key && w.Size.Text == c.Proposed })
}

// sameFiles reports whether two versions of a service write the same paths in the same way, whatever the sizes are.
func sameFiles(before, after stack.Service) bool {
	byPath := func(list []stack.Writable) []stack.Writable {
		return slices.SortedFunc(slices.Values(list), func(a, b stack.Writable) int { return strings.Compare(a.Path, b.Path) })
	}
	return slices.EqualFunc(byPath(before.Writable), byPath(after.Writable), func(a, b stack.Writable) bool {
		a.Size, b.Size = stack.Size{}, stack.Size{}
		return a == b
	})
}

// moves are the words of a service's command and environment that differ after a change.
func moves(before, after stack.Service) []move {
	out := words(before.Command, after.Command)
	for i, v := range before.Environment {
		if i >= len(after.Environment) || after.Environment[i].Name != v.Name {
			break // another set of variables: nothing can be told word by word
		}
		for _, m := range words(strings.Fields(v.Value), strings.Fields(after.Environment[i].Value)) {
			if !strings.HasPrefix(m.Now, "-") {
				m.Now, m.Proposed = v.Name+"="+m.Now, v.Name+"="+m.Proposed
			}
			out = append(out, m)
		}
	}
	if before.ShmSize.Bytes != after.ShmSize.Bytes {
		out = append(out, move{"shm_size " + before.ShmSize.Text, "shm_size " + after.ShmSize.Text})
	}
	return out
}

// words compares two lists of words, and puts an option before a value that stands for itself.
func words(before, after []string) []move {
	if len(before) != len(after) {
		return nil
	}
	var out []move
	for i, word := range before {
		if word == after[i] {
			continue
		}
		m := move{display.Name(word), display.Name(after[i])}
		if i > 0 && strings.HasPrefix(before[i-1], "--") && !strings.HasPrefix(word, "-") {
			m.Now, m.Proposed = before[i-1]+" "+m.Now, before[i-1]+" "+m.Proposed
		}
		out = append(out, m)
	}
	return out
}

// write puts the changed bytes into the profile, when it still is what was read.
func (p patch) write(l app.Loaded, s app.Streams) error {
	if p.done == 0 {
		s.Say("nothing was written to %s", l.Path)
		return nil
	}
	now, err := app.ReadProfile(host.ReadFile, l.Path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, l.Data) {
		return &app.UsageError{Err: errors.New(l.Path + " was changed while it was measured; nothing was written"), Hint: "run hsectl size again"}
	}
	if err := host.Rewrite(l.Path, p.data); err != nil {
		return err
	}
	s.Say("%s written to %s; next: hsectl review and hsectl deploy, then hsectl drill memory", display.Count(p.done, "change"), l.Path)
	return nil
}
