package app

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/image/lock"
)

// ReadLock reads the lock next to the profile; without one it is empty.
func ReadLock(l Loaded) (lock.File, error) {
	data, err := host.ReadFile(filepath.Join(l.Dir(), lock.Name), lock.MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return lock.File{}, nil
	}
	if err != nil {
		return lock.File{}, fmt.Errorf("reading the lock: %w", err)
	}
	f, err := lock.Parse(data)
	if err != nil {
		return lock.File{}, &UsageError{err, "fix " + lock.Name + ", or remove it and run hsectl lock"}
	}
	return f, nil
}

// LoadPinned reads the profile and its lock, and leaves out the services that are not chosen.
func LoadPinned(from Selection) (Loaded, error) {
	l, err := Load(from)
	if err != nil {
		return Loaded{}, err
	}
	if l, err = l.Pinned(); err != nil {
		return l, err
	}
	return l.Chosen(from.Profiles)
}

// Pinned returns what was loaded with the stack's references as the lock has them. A lock that does not fit is an
// error: half a lock pins nothing.
func (l Loaded) Pinned() (Loaded, error) {
	f, err := ReadLock(l)
	if err != nil || len(f.Images) == 0 {
		return l, err
	}
	wanted, err := l.Wanted()
	if err != nil {
		return l, err
	}
	if stale := f.Stale(wanted); len(stale) > 0 {
		return l, &UsageError{fmt.Errorf("%s does not match %s: %s", lock.Name, l.Path, stale[0]), "update it with: hsectl lock"}
	}
	l.Locked = f
	return l.of(l.Stack.Pinned(f.Pins(""))), nil
}

// Wanted are the images of the stack, and of the one that watches it. The names of the latter begin with monitoring.,
// because both may have a service of one name.
func (l Loaded) Wanted() ([]lock.Wanted, error) {
	var out []lock.Wanted
	add := func(l Loaded) {
		for _, service := range l.Stack.Services {
			out = append(out, lock.Wanted{Service: l.EntryName(service.Name), Reference: service.Image, Built: service.Build != nil})
		}
	}
	add(l)
	monitor, ok, err := l.MonitoringStack()
	if ok && err == nil {
		add(monitor)
	}
	return out, err
}

// EntryName is the name of a service in the lock.
func (l Loaded) EntryName(service string) string { return l.Root + service }
