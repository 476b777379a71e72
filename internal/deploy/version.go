package deploy

import (
	"errors"
	"fmt"

	"github.com/hsectl/hsectl/internal/stack"
)

// VersionFile is where PostgreSQL says which major version has written its data. It is the first file of the data in the order of names.
const VersionFile = "PG_VERSION"

// DataVersionError is data that the version of an image cannot read. The server would not start, or begin with an empty database.
type DataVersionError struct{ Service, Volume, Data, Image, Brings string }

// Error implements error.
func (e *DataVersionError) Error() string {
	return fmt.Sprintf("service %s: the data in volume %s is of PostgreSQL %s, and %s brings version %s, which does not read it", e.Service, e.Volume, e.Data, e.Image, e.Brings)
}

// Hint says what to do.
func (e *DataVersionError) Hint() string {
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

// unreadSnapshots finds snapshots that would not be read. The last of several settings counts.
func unreadSnapshots(s stack.Stack, o Observed) error {
	var all []error
	for _, service := range s.Services {
		log := false
		for i, word := range service.Command {
			if word == "--appendonly" && i+1 < len(service.Command) {
				log = service.Command[i+1] == "yes"
			}
		}
		for _, w := range service.Volumes() {
			if name := VolumeName(s, w.Volume); log && o.Volumes[name].Snapshot {
				all = append(all, &SnapshotError{service.Name, name})
			}
		}
	}
	return errors.Join(all...)
}

// olderData compares the version of each database with that of its data, as the image and the data say it.
func olderData(s stack.Stack, o Observed) error {
	var all []error
	for _, service := range s.Services {
		brings := o.Databases[service.Image]
		for _, w := range service.Volumes() {
			name := VolumeName(s, w.Volume)
			if data := o.Volumes[name].Version; data != "" && brings != "" && data != brings {
				all = append(all, &DataVersionError{service.Name, name, data, service.Image, brings})
			}
		}
	}
	return errors.Join(all...)
}
