package vuln

import "time"

// Info describes the database of one ecosystem.
type Info struct {
	Ecosystem string    `json:"ecosystem"`
	Source    string    `json:"source"`
	Published time.Time `json:"published"` // when the source last changed it
	Checked   time.Time `json:"checked"`   // when the source was last asked
	Newest    time.Time `json:"newest"`    // change of its youngest record
	Records   int       `json:"records"`
	ETag      string    `json:"etag,omitempty"`
	Archive   string    `json:"archive"` // sha256 of the archive, which names its files
	Warning   string    `json:"-"`       // why a newer one could not be had
}

// Age is the time since the source was last known to have nothing newer.
func (i Info) Age(now time.Time) time.Duration { return now.Sub(i.Checked) }
