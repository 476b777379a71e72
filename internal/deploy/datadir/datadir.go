// Package datadir tells whether a server reads the data that lies in its volume: one that does not starts empty, or not at all.
package datadir

import (
	"errors"
	"fmt"

	"github.com/hsectl/hsectl/internal/stack"
)

// VersionFile is where PostgreSQL says which major version has written its data. It is the first file of the data in the order of names.
const VersionFile = "PG_VERSION"

// VersionError is data that the version of an image cannot read. The server would not start, or begin with an empty database.
type VersionError struct{ Service, Volume, Data, Image, Brings string }

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("service %s: the data in volume %s is of PostgreSQL %s, and %s brings version %s, which does not read it", e.Service, e.Volume, e.Data, e.Image, e.Brings)
}

// Hint says what to do.
func (e *VersionError) Hint() string {
	return fmt.Sprintf("nothing was changed; use the image of version %s, or dump the data with that version and restore it into a new volume (pg_dumpall, psql)", e.Data)
}

// SnapshotFile is where Redis and Valkey save a snapshot. The log of changes lies in appendonlydir or appendonly.aof, which come before
// it in the order of names.
const SnapshotFile = "dump.rdb"

// SnapshotError is data of Redis or Valkey that a server with a log of changes does not read: it would start empty, and save that
// over the snapshot.
type SnapshotError struct{ Service, Volume string }

// Error implements error.
func (e *SnapshotError) Error() string {
	return fmt.Sprintf("service %s: volume %s has a snapshot and no log of changes, and --appendonly yes reads the log only", e.Service, e.Volume)
}

// Hint says what to do.
func (e *SnapshotError) Hint() string {
	return "nothing was changed; write command: !reset null to keep snapshots, or let the running server write its log first: redis-cli CONFIG SET appendonly yes"
}

// Volume is what is known of the data in a volume.
type Volume struct {
	Name     string // on the engine
	Version  string // major version of PostgreSQL that wrote it; empty where that is not known
	Snapshot bool   // it begins with a snapshot of Redis or Valkey, without a log of changes before it
}

// Check returns an error for each volume whose data its service would not read. Brings says which major version of PostgreSQL an image
// has, and look what is in a volume of the stack.
func Check(s stack.Stack, brings map[string]string, look func(volume string) Volume) error {
	return errors.Join(olderData(s, brings, look), unreadSnapshots(s, look))
}

// unreadSnapshots finds snapshots that would not be read. The last of several settings counts.
func unreadSnapshots(s stack.Stack, look func(volume string) Volume) error {
	var all []error
	for _, service := range s.Services {
		log := false
		for i, word := range service.Command {
			if word == "--appendonly" && i+1 < len(service.Command) {
				log = service.Command[i+1] == "yes"
			}
		}
		for _, w := range service.Volumes() {
			if v := look(w.Volume); log && v.Snapshot {
				all = append(all, &SnapshotError{service.Name, v.Name})
			}
		}
	}
	return errors.Join(all...)
}

// olderData compares the version of each database with that of its data, as the image and the data say it.
func olderData(s stack.Stack, brings map[string]string, look func(volume string) Volume) error {
	var all []error
	for _, service := range s.Services {
		wanted := brings[service.Image]
		for _, w := range service.Volumes() {
			if v := look(w.Volume); v.Version != "" && wanted != "" && v.Version != wanted {
				all = append(all, &VersionError{service.Name, v.Name, v.Version, service.Image, wanted})
			}
		}
	}
	return errors.Join(all...)
}
