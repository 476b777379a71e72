package cache

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/atomicfile"
	"github.com/hsectl/hsectl/internal/image/vuln"
)

// Database is the advisories on this machine.
type Database struct {
	Dir    string
	Source Source
	Policy Policy
}

// Policy says how young a database must be.
type Policy struct {
	Offline bool
	Refresh time.Duration // age from which a newer one is asked for
	MaxAge  time.Duration // age from which nothing is concluded; zero is no bound
	Now     time.Time
}

// ErrNoDatabase is an ecosystem of which there is no database on this machine, and none could be had.
var ErrNoDatabase = errors.New("no vulnerability database")

// StaleError is a database that is older than allowed.
type StaleError struct {
	Ecosystem string
	Age, Max  time.Duration
}

// Error implements error.
func (e *StaleError) Error() string {
	return fmt.Sprintf("the vulnerability database of %s is %s old; at most %s is allowed", e.Ecosystem, e.Age.Round(time.Hour), e.Max)
}

// Find returns the advisories for each of the named packages of one ecosystem, such as Debian or npm.
func (d Database) Find(ctx context.Context, ecosystem string, names map[string]bool) (vuln.Info, map[string][]vuln.Advisory, error) {
	info, err := d.Ensure(ctx, ecosystem)
	if err != nil {
		return vuln.Info{}, nil, err
	}
	out, err := d.read(info, names)
	if errors.Is(err, fs.ErrNotExist) {
		// Another process has just put a newer database in its place.
		if info, err = d.info(ecosystem); err == nil {
			out, err = d.read(info, names)
		}
	}
	if err != nil {
		return vuln.Info{}, nil, fmt.Errorf("reading the vulnerability database of %s: %w", ecosystem, err)
	}
	return info, out, nil
}

func (d Database) read(info vuln.Info, names map[string]bool) (map[string][]vuln.Advisory, error) {
	lines, err := os.Open(d.path(info.Ecosystem, info.Archive+".index"))
	if err != nil {
		return nil, err
	}
	defer lines.Close()
	numbers, err := vuln.Lookup(lines, names)
	if err != nil {
		return nil, err
	}
	z, err := zip.OpenReader(d.path(info.Ecosystem, info.Archive+".zip"))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	out := map[string][]vuln.Advisory{}
	for name, list := range numbers {
		for _, i := range list {
			if i >= len(z.File) {
				return nil, fmt.Errorf("%w: its index is of another archive", vuln.ErrDatabase)
			}
			data, err := vuln.ReadRecord(z.File[i])
			if err != nil {
				return nil, err
			}
			a, err := vuln.Parse(data)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", vuln.ErrDatabase, err)
			}
			out[name] = append(out[name], a)
		}
	}
	return out, nil
}

// Ensure returns the database of an ecosystem, after asking for a newer one when it is due.
func (d Database) Ensure(ctx context.Context, ecosystem string) (vuln.Info, error) {
	have, err := d.info(ecosystem)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return vuln.Info{}, err
	}
	due := !exists || have.Age(d.Policy.Now) >= d.Policy.Refresh
	if due && (!d.Policy.Offline || d.Source.Local()) {
		newer, err := d.update(ctx, ecosystem, have)
		switch {
		case err == nil:
			have, exists = newer, true
		case ctx.Err() != nil:
			return vuln.Info{}, ctx.Err()
		case !exists:
			return vuln.Info{}, fmt.Errorf("%w of %s: %w", ErrNoDatabase, ecosystem, err)
		default:
			have.Warning = err.Error()
		}
	}
	if !exists {
		return vuln.Info{}, fmt.Errorf("%w of %s on this machine, and --offline forbids to fetch it", ErrNoDatabase, ecosystem)
	}
	if age := have.Age(d.Policy.Now); d.Policy.MaxAge > 0 && age > d.Policy.MaxAge {
		return vuln.Info{}, &StaleError{Ecosystem: ecosystem, Age: age, Max: d.Policy.MaxAge}
	}
	return have, nil
}

// update brings a newer archive. The one that is there stays until the new one is proven whole, and files are named
// after their content, so that a reader never sees an index of another archive.
func (d Database) update(ctx context.Context, ecosystem string, have vuln.Info) (vuln.Info, error) {
	if err := os.MkdirAll(d.path(ecosystem), 0o755); err != nil {
		return vuln.Info{}, fmt.Errorf("making the directory of the database: %w", err)
	}
	f, err := os.CreateTemp(d.path(ecosystem), "new-*")
	if err != nil {
		return vuln.Info{}, fmt.Errorf("making a file for the database: %w", err)
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }()
	if have.Source != d.Source.String() {
		have = vuln.Info{} // what is there came from elsewhere
	}
	answer, err := d.Source.Fetch(ctx, ecosystem, have.ETag, f)
	if err != nil {
		return vuln.Info{}, err
	}
	if answer.Unchanged {
		if !answer.Carried {
			have.Checked = d.Policy.Now
		}
		return have, d.save(have)
	}
	return d.install(ecosystem, f, answer)
}

func (d Database) install(ecosystem string, f *os.File, answer Answer) (vuln.Info, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return vuln.Info{}, fmt.Errorf("reading the new database: %w", err)
	}
	z, err := zip.NewReader(f, size)
	if err != nil {
		return vuln.Info{}, fmt.Errorf("%w: %w", vuln.ErrDatabase, err)
	}
	idx, err := vuln.NewIndex(z)
	if err != nil {
		return vuln.Info{}, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, size)); err != nil {
		return vuln.Info{}, fmt.Errorf("reading the new database: %w", err)
	}
	checked := d.Policy.Now
	if answer.Carried && !answer.Published.IsZero() {
		checked = answer.Published // a file that was carried here is as old as it is
	}
	info := vuln.Info{Ecosystem: ecosystem, Source: d.Source.String(), Published: answer.Published, Checked: checked, Newest: idx.Newest,
		Records: idx.Records, ETag: answer.ETag, Archive: hex.EncodeToString(sum.Sum(nil))}
	err = replace(d.path(ecosystem, info.Archive+".index"), idx.Write)
	if err == nil {
		err = replace(d.path(ecosystem, info.Archive+".zip"), func(w io.Writer) error {
			_, err := io.Copy(w, io.NewSectionReader(f, 0, size))
			return err
		})
	}
	if err == nil {
		err = d.save(info)
	}
	if err != nil {
		return vuln.Info{}, fmt.Errorf("keeping the new database: %w", err)
	}
	d.sweep(info)
	return info, nil
}

// sweep removes archives that no reader will ask for any more. Whoever has one open keeps it.
func (d Database) sweep(current vuln.Info) {
	entries, err := os.ReadDir(d.path(current.Ecosystem))
	if err != nil {
		return
	}
	for _, e := range entries {
		old := strings.HasSuffix(e.Name(), ".zip") || strings.HasSuffix(e.Name(), ".index")
		if old && !strings.HasPrefix(e.Name(), current.Archive) {
			_ = os.Remove(filepath.Join(d.path(current.Ecosystem), e.Name())) // next time, then
		}
	}
}

func (d Database) path(ecosystem string, rest ...string) string {
	return filepath.Join(append([]string{d.Dir, url.PathEscape(ecosystem)}, rest...)...)
}

func (d Database) info(ecosystem string) (vuln.Info, error) {
	data, err := os.ReadFile(d.path(ecosystem, "info.json"))
	if err != nil {
		return vuln.Info{}, err
	}
	var out vuln.Info
	if err := json.Unmarshal(data, &out); err != nil || out.Archive == "" || strings.ContainsAny(out.Archive, "/\\.") {
		return vuln.Info{}, fs.ErrNotExist // a damaged note is as good as none: the database is fetched again
	}
	out.Ecosystem = ecosystem
	return out, nil
}

// save replaces the note about the database in one step.
func (d Database) save(info vuln.Info) error {
	data, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("writing about the database: %w", err)
	}
	err = replace(d.path(info.Ecosystem, "info.json"), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing about the database: %w", err)
	}
	return nil
}

// replace writes a file of the database in one step.
func replace(path string, write func(io.Writer) error) error {
	f, err := atomicfile.New(path, 0o600)
	if err != nil {
		return err
	}
	return atomicfile.Write(f, write)
}
