package deploy

import (
	"cmp"
	"slices"
	"time"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/stack"
)

// Release is everything that is needed to bring a stack back to one state, from any machine: no source, no profile and
// no value of a secret is needed again.
type Release struct {
	Stack       string            `json:"stack"`
	Number      int               `json:"number"`
	Made        Made              `json:"made"`
	Again       int               `json:"again,omitempty"` // the release that a rollback returned to
	Model       stack.Stack       `json:"model"`
	Environment map[string]string `json:"environment,omitempty"` // variables taken from the deploying environment
	Compose     []byte            `json:"compose"`               // as deploy applied it
	Rendered    []generate.File   `json:"rendered,omitempty"`    // as generate writes it
	Images      map[string]Image  `json:"images"`                // by reference, as the profile writes it
	Secrets     map[string]string `json:"secrets,omitempty"`     // volume of secrets, by service
	Configs     map[string]string `json:"configs,omitempty"`     // volume of configuration, by service
	Live        []string          `json:"live,omitempty"`        // services that read them through volumes that stay
}

// Made says who made a release, where, when, and from what. The time is the engine's.
type Made struct {
	By       string    `json:"by"`
	Host     string    `json:"host"`
	At       time.Time `json:"at"`
	Revision string    `json:"revision,omitempty"` // git commit of the profile's directory
	Source   string    `json:"source,omitempty"`
	Tool     string    `json:"tool"`
}

// Image is what a reference meant.
type Image struct {
	ID     string `json:"id"`
	Digest string `json:"digest,omitempty"` // name@sha256:… in a registry; empty for an image that was built here
}

// Status is how the deploy of a release ended.
type Status string

// The ends of a deploy. A release without an end was cut off.
const (
	Deployed Status = "deployed"
	Undone   Status = "undone"
	Cut      Status = "cut off"
)

// Outcome is written once, when the deploy of a release has ended.
type Outcome struct {
	Status     Status              `json:"status"`
	At         time.Time           `json:"at"`
	Reason     string              `json:"reason,omitempty"`
	Proof      *Proof              `json:"proof,omitempty"`      // nil when nothing was verified
	Containers map[string][]string `json:"containers,omitempty"` // ids by service
	Hooks      []HookRun           `json:"hooks,omitempty"`      // that ran on the machine that deployed
}

// Proof is what verification said.
type Proof struct {
	Proven bool           `json:"proven"`
	Counts map[string]int `json:"counts"`           // findings by status
	Failed []string       `json:"failed,omitempty"` // such as "web HSE-FS-001: the root is writable"
}

// Record is a release as the engine keeps it.
type Record struct {
	Number  int
	Volume  string
	Release Release
	Outcome Outcome // without a Status when the deploy has not ended
	Err     error   // when the record cannot be trusted
}

// NewRelease records what a plan brings about. Images that a plan leaves alone keep the ids of the last release.
func NewRelease(d Desired, o Observed, p Plan, number int) Release {
	r := Release{Stack: d.Stack.Name, Number: number, Model: d.Stack, Environment: d.Environment, Compose: p.File,
		Images: map[string]Image{}, Secrets: p.Delivery.Secrets, Configs: p.Delivery.Configs, Live: p.Live}
	for _, s := range d.Stack.Services {
		r.Images[s.Image] = Image{o.Images[s.Image], o.Digests[s.Image]}
		if d.Last != nil && d.untouched(s.Name) {
			if image, ok := d.Last.Release.Images[s.Image]; ok {
				r.Images[s.Image] = image
			}
		}
	}
	return r
}

// EncodeRelease returns the bytes to keep.
func EncodeRelease(r Release) ([]byte, error) { return seal("Release", r) }

// DecodeRelease is the inverse of EncodeRelease.
func DecodeRelease(data []byte) (r Release, err error) { return r, unseal("Release", data, &r) }

// EncodeOutcome returns the bytes to keep.
func EncodeOutcome(o Outcome) ([]byte, error) { return seal("Outcome", o) }

// DecodeOutcome is the inverse of EncodeOutcome.
func DecodeOutcome(data []byte) (o Outcome, err error) { return o, unseal("Outcome", data, &o) }

// History are the records of a stack.
type History []Record

// Sorted returns the records, newest first.
func (h History) Sorted() History {
	return slices.SortedFunc(slices.Values(h), func(a, b Record) int { return cmp.Compare(b.Number, a.Number) })
}

// Current returns the release that the stack is at: the newest that was deployed.
func (h History) Current() (Record, bool) { return h.before(h.Next()) }

// before returns the newest deployed release with a lower number.
func (h History) before(number int) (Record, bool) {
	for _, r := range h.Sorted() {
		if r.Number < number && r.Outcome.Status == Deployed {
			return r, true
		}
	}
	return Record{}, false
}

// Previous returns the release before the current one. A rollback counts as the release that it returned to: two
// rollbacks in a row go back two releases.
func (h History) Previous() (Record, bool) {
	current, ok := h.Current()
	for ok && current.Release.Again > 0 {
		again, found := h.Find(current.Release.Again)
		if !found {
			return h.before(current.Release.Again)
		}
		current = again
	}
	if !ok {
		return Record{}, false
	}
	return h.before(current.Number)
}

// Find returns a record by its number.
func (h History) Find(number int) (Record, bool) {
	for _, r := range h {
		if r.Number == number {
			return r, true
		}
	}
	return Record{}, false
}

// Next returns the number of the next release.
func (h History) Next() int {
	next := 1
	for _, r := range h {
		next = max(next, r.Number+1)
	}
	return next
}

// Expired returns the records beyond the keep newest deployed ones. What failed is kept as long as its neighbours.
func (h History) Expired(keep int) History {
	oldest, left := 0, max(keep, 1)
	for _, r := range h.Sorted() {
		if r.Outcome.Status == Deployed && left > 0 {
			oldest, left = r.Number, left-1
		}
	}
	if left > 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(h), func(r Record) bool { return r.Number >= oldest })
}

// Needed returns the volumes of secrets and of configuration, and the ids of images that the deployed releases need.
func (h History) Needed() (volumes, images map[string]bool) {
	volumes, images = map[string]bool{}, map[string]bool{}
	for _, r := range h {
		if r.Outcome.Status != Deployed {
			continue
		}
		mounts := r.Release.mounts()
		for _, delivered := range []map[string]string{r.Release.Secrets, r.Release.Configs, mounts.Secrets, mounts.Configs} {
			for _, volume := range delivered {
				volumes[volume] = true
			}
		}
		for _, image := range r.Release.Images {
			images[image.ID] = true
		}
	}
	return volumes, images
}
