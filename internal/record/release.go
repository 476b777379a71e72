// Package record holds what hsectl keeps of a stack on its engine: the releases, how the deploy of each one ended, and the
// journal of the transaction that is open.
//
// The types are those of the records and of nothing else, so that no change of the hardened model makes a release unreadable.
// Every record carries the version of its form. This package reads all forms up to its own, and refuses newer ones.
package record

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/stack"
)

// Release is everything that is needed to bring a stack back to one state, from any machine: no source, no profile and
// no value of a secret is needed again.
type Release struct {
	Stack       string            `json:"stack"`
	Number      int               `json:"number"`
	Made        Made              `json:"made"`
	Again       int               `json:"again,omitempty"`       // the release that a rollback returned to
	Intent      Intent            `json:"intent"`                // what the profile granted
	Environment map[string]string `json:"environment,omitempty"` // variables taken from the deploying environment
	Compose     []byte            `json:"compose"`               // the file as deploy applied it
	Rendered    []File            `json:"rendered,omitempty"`    // the files as generate writes them
	Images      map[string]Image  `json:"images"`                // by reference, as the profile writes it
	Secrets     map[string]string `json:"secrets,omitempty"`     // volume of secrets, by service
	Configs     map[string]string `json:"configs,omitempty"`     // volume of configuration, by service
	Live        []string          `json:"live,omitempty"`        // services that read them through volumes that stay
}

// File is one rendered file. Path is relative to the output directory, with forward slashes.
type File struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
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

// The ends of a deploy. A release without an end was interrupted.
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
	Failure    *Failure            `json:"failure,omitempty"`    // what did not work; nil when nothing is known of it
}

// Failure is what a service showed when its deploy failed. It is kept because the undo takes the container away, and it is bounded.
// Values of secrets are taken out before it is kept.
type Failure struct {
	Service  string   `json:"service"`
	State    string   `json:"state"`
	ExitCode int      `json:"exitCode,omitempty"`
	OOM      bool     `json:"oom,omitempty"`
	Health   string   `json:"health,omitempty"` // output of the last health test
	Logs     []string `json:"logs,omitempty"`   // the lines that say most
}

// Proof is what verification said.
type Proof struct {
	Proven bool           `json:"proven"`
	Counts map[string]int `json:"counts"`           // findings by status
	Failed []string       `json:"failed,omitempty"` // such as "web HSE-FS-001: the root is writable"
	About  []string       `json:"-"`                // the subjects of these; not recorded
}

// HookRun is a hook of a deploy, and how it ended.
type HookRun struct {
	Name  string     `json:"name"`
	When  stack.When `json:"when"`
	Ended string     `json:"ended"` // ok, skipped, or why it failed
}

// How a hook ends that did not fail.
const (
	HookDone    = "ok"
	HookSkipped = "skipped"
)

// Failed tells a hook that ended badly.
func (r HookRun) Failed() bool { return r.Ended != HookDone && r.Ended != HookSkipped }

// Entry is a release as the engine keeps it.
type Entry struct {
	Number  int
	Volume  string
	Release Release
	Outcome Outcome // without a Status when the deploy has not ended
	Err     error   // when the record cannot be trusted
	Signed  bool    // the record carries a signature, whoever it is from
	Foreign error   // why it is not the record of a known deployer; nil where nothing is asked of signatures
}

// Model returns the hardened model that the release was made from.
func (r Release) Model() stack.Stack { return r.Intent.Stack() }

const liveSuffix = "live" // in the place of a version

// LiveVolume is the volume that a container of a live service has in the place of that of a version.
func LiveVolume(version string) string {
	return version[:strings.LastIndexByte(version, '_')+1] + liveSuffix
}

// Mounts returns the volumes of secrets and of configuration that the containers of the release have, by service.
func (r Release) Mounts() (secrets, configs map[string]string) {
	return Mounted(r.Secrets, r.Live), Mounted(r.Configs, r.Live)
}

// Mounted returns delivered volumes by service, with those that stay for the live services.
func Mounted(delivered map[string]string, live []string) map[string]string {
	out := maps.Clone(delivered)
	for service, volume := range out {
		if slices.Contains(live, service) {
			out[service] = LiveVolume(volume)
		}
	}
	return out
}

// EncodeRelease returns the bytes to keep.
func EncodeRelease(r Release) ([]byte, error) { return seal("Release", r) }

// releaseV1 is a release of version 1. It differs in the name and the inside of one key: encoding/json matches names without
// regard to case, so the Go names of that day are read as those of Intent.
type releaseV1 struct {
	Release
	Model  Intent `json:"model"`
	Intent *none  `json:"intent,omitempty"` // was not there
}

type none struct{}

// DecodeRelease is the inverse of EncodeRelease. It reads all versions up to its own; a later one is a NewerError.
func DecodeRelease(data []byte) (Release, error) {
	version, body, err := open("Release", data)
	if err != nil {
		return Release{}, err
	}
	if version == First {
		var old releaseV1
		err := Strict(body, &old)
		old.Release.Intent = old.Model
		return old.Release, err
	}
	var r Release
	err = Strict(body, &r)
	return r, err
}

// EncodeOutcome returns the bytes to keep.
func EncodeOutcome(o Outcome) ([]byte, error) { return seal("Outcome", o) }

// DecodeOutcome is the inverse of EncodeOutcome.
func DecodeOutcome(data []byte) (o Outcome, err error) {
	err = unseal("Outcome", data, &o)
	return o, err
}

// History are the records of a stack.
type History []Entry

// Sorted returns the records, newest first.
func (h History) Sorted() History {
	return slices.SortedFunc(slices.Values(h), func(a, b Entry) int { return cmp.Compare(b.Number, a.Number) })
}

// Current returns the release that the stack is at: the newest that was deployed.
func (h History) Current() (Entry, bool) { return h.before(h.Next()) }

// before returns the newest deployed release with a lower number.
func (h History) before(number int) (Entry, bool) {
	for _, r := range h.Sorted() {
		if r.Number < number && r.Outcome.Status == Deployed {
			return r, true
		}
	}
	return Entry{}, false
}

// Failed returns the newest release whose deploy failed after the current one was deployed.
func (h History) Failed() (Entry, bool) {
	for _, r := range h.Sorted() {
		if r.Outcome.Status == Deployed {
			break
		}
		if r.Outcome.Status != "" {
			return r, true
		}
	}
	return Entry{}, false
}

// Previous returns the release before the current one. A rollback counts as the release that it returned to: two
// rollbacks in a row go back two releases.
func (h History) Previous() (Entry, bool) {
	current, ok := h.Current()
	for ok && current.Release.Again > 0 {
		again, found := h.Find(current.Release.Again)
		if !found {
			return h.before(current.Release.Again)
		}
		current = again
	}
	if !ok {
		return Entry{}, false
	}
	return h.before(current.Number)
}

// Newer returns the error of a record that a later hsectl wrote, or nil.
func (h History) Newer() error {
	for _, r := range h {
		if newer, ok := errors.AsType[*NewerError](r.Err); ok {
			return newer
		}
	}
	return nil
}

// Find returns a record by its number.
func (h History) Find(number int) (Entry, bool) {
	for _, r := range h {
		if r.Number == number {
			return r, true
		}
	}
	return Entry{}, false
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
	return slices.DeleteFunc(slices.Clone(h), func(r Entry) bool { return r.Number >= oldest })
}

// Needed returns the volumes of secrets and of configuration, and the ids of images that the deployed releases need.
func (h History) Needed() (volumes, images map[string]bool) {
	volumes, images = map[string]bool{}, map[string]bool{}
	for _, r := range h {
		if r.Outcome.Status != Deployed {
			continue
		}
		secrets, configs := r.Release.Mounts()
		for _, delivered := range []map[string]string{r.Release.Secrets, r.Release.Configs, secrets, configs} {
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
