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
