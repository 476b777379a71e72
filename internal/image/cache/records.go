// Package cache is the door to what is kept on this machine between scans: records of layers, which never change and
// are kept by digest, and databases of advisories, which are fetched from OSV or from a copy. It is bounded, several
// processes may use it at once, and losing it costs time only.
package cache

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/atomicfile"
)

// Records is a directory of entries, each named by a digest.
type Records struct {
	dir string
	max int64 // bytes
}

// maxEntry bounds what is unpacked of one entry.
const maxEntry = 512 << 20

// key is what names an entry: a kind, a version and a digest.
var key = regexp.MustCompile(`^[a-z0-9]+-[0-9]+-sha256:[0-9a-f]{64}$`)

// OpenRecords returns the records in dir, which may hold max bytes.
func OpenRecords(dir string, max int64) (Records, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Records{}, fmt.Errorf("opening the cache: %w", err)
	}
	return Records{dir: dir, max: max}, nil
}

// Key names an entry of a kind and version about content with a digest.
func Key(kind string, version int, digest string) string {
	return fmt.Sprintf("%s-%d-%s", kind, version, digest)
}

// Get fills a value and tells whether it was there. An entry that cannot be read is removed: it is made anew.
func (s Records) Get(name string, into any) bool {
	if !key.MatchString(name) {
		return false
	}
	err := s.read(name, into)
	if err == nil {
		now := time.Now()
		_ = os.Chtimes(s.path(name), now, now) // the order of use is a matter of speed only
		return true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(s.path(name)) // the next Put replaces it in any case
	}
	return false
}

func (s Records) read(name string, into any) error {
	f, err := os.Open(s.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(z, maxEntry))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// Put keeps a value. It appears whole or not at all.
func (s Records) Put(name string, value any) error {
	if !key.MatchString(name) {
		return fmt.Errorf("keeping %q: it is not named by a digest", name)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(value), z.Close()); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	f, err := atomicfile.New(s.path(name), 0o600)
	if err == nil {
		err = atomicfile.Write(f, func(w io.Writer) error {
			_, err := b.WriteTo(w)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	return s.shrink()
}

// abandoned is the age at which a temporary file counts as left behind.
const abandoned = time.Hour

// shrink removes the entries that were not used for longest until the rest fits.
func (s Records) shrink() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("bounding the cache: %w", err)
	}
	var files []fs.FileInfo
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // another process removed it
		}
		if strings.HasPrefix(e.Name(), ".") && time.Since(info.ModTime()) < abandoned {
			continue
		}
		files = append(files, info)
		total += info.Size()
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, f := range files {
		if total <= s.max && !strings.HasPrefix(f.Name(), ".") {
			break
		}
		if err := os.Remove(filepath.Join(s.dir, f.Name())); err == nil {
			total -= f.Size()
		}
	}
	return nil
}

func (s Records) path(name string) string {
	return filepath.Join(s.dir, strings.ReplaceAll(name, ":", "-")+".json.gz")
}

// Has tells whether there is an entry, without reading it.
func (s Records) Has(name string) bool {
	if !key.MatchString(name) {
		return false
	}
	_, err := os.Stat(s.path(name))
	return err == nil
}

// Scratch makes a file for what is too large for memory. It goes when it is closed.
func (s Records) Scratch() (*Scratch, error) {
	f, err := os.CreateTemp("", "hsectl-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return &Scratch{f}, nil
}

// Scratch is a temporary file.
type Scratch struct{ *os.File }

// Close closes and removes the file.
func (s *Scratch) Close() error { return errors.Join(s.File.Close(), os.Remove(s.Name())) }
