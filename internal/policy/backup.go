package policy

import "time"

// Keeping is what is known of the backups of a service's volumes.
type Keeping struct {
	Volumes []Kept
	Silent  bool // no volume of the stack declares how it is backed up
}

// Kept is a volume, what is declared about its backups, and what was seen of them.
type Kept struct {
	Volume      string
	Ephemeral   string // why the data may be lost; empty when it must not
	Declared    bool
	By          string // outside system that makes the backups; empty for hsectl
	MaxAge      time.Duration
	MaxUntested time.Duration

	Looked   bool                // what follows was looked for
	Age      Fact[time.Duration] // since the volume was made
	Last     Fact[Past]          // the last backup
	Restored Fact[Past]          // the last tested restore
}

// Past is something that was to happen, and when it last did.
type Past struct {
	Never bool
	Bad   string // why it does not count; empty when it was good
	Ago   time.Duration
}
