package vuln

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a database. npm, the largest, has about a quarter of them.
const (
	maxRecords     = 2 << 20
	maxRecordBytes = 32 << 20
)

// ErrDatabase is a database that is cut, damaged or no database at all.
var ErrDatabase = errors.New("the vulnerability database is damaged")

// Index says which records of an archive are about which package, so that a scan reads those and no others.
type Index struct {
	Records int
	Newest  time.Time
	byName  map[string][]int
}

// NewIndex reads every record of an archive, and with that proves the archive whole: each entry has a checksum.
func NewIndex(z *zip.Reader) (Index, error) {
	out := Index{byName: map[string][]int{}}
	if len(z.File) > maxRecords {
		return Index{}, fmt.Errorf("%w: it has %d records", ErrDatabase, len(z.File))
	}
	for i, f := range z.File {
		if !strings.HasSuffix(f.Name, ".json") {
			continue
		}
		data, err := ReadRecord(f)
		if err != nil {
			return Index{}, err
		}
		var a struct {
			Withdrawn json.RawMessage `json:"withdrawn"`
			Modified  time.Time       `json:"modified"`
			Affected  []struct {
				Package struct {
					Name string `json:"name"`
				} `json:"package"`
			} `json:"affected"`
		}
		if err := json.Unmarshal(data, &a); err != nil {
			return Index{}, fmt.Errorf("%w: record %s: %w", ErrDatabase, f.Name, err)
		}
		out.Records++
		if a.Modified.After(out.Newest) {
			out.Newest = a.Modified
		}
		if len(a.Withdrawn) > 0 && string(a.Withdrawn) != "null" {
			continue
		}
		for _, affected := range a.Affected {
			name := affected.Package.Name
			if mine := out.byName[name]; len(mine) == 0 || mine[len(mine)-1] != i {
				out.byName[name] = append(mine, i)
			}
		}
	}
	if out.Records == 0 {
		return Index{}, fmt.Errorf("%w: it has no records", ErrDatabase)
	}
	return out, nil
}

// ReadRecord unpacks one record of an archive and checks it against its checksum.
func ReadRecord(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: record %s: %w", ErrDatabase, f.Name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxRecordBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w: record %s: %w", ErrDatabase, f.Name, err)
	}
	if len(data) > maxRecordBytes {
		return nil, fmt.Errorf("%w: record %s is too large", ErrDatabase, f.Name)
	}
	return data, nil
}

// Write writes a line for each package: its name in quotes and the numbers of its records.
func (x Index) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(x.byName)) {
		fmt.Fprint(b, strconv.Quote(name)) // a failed write is kept until Flush
		for _, i := range x.byName[name] {
			fmt.Fprintf(b, " %d", i)
		}
		fmt.Fprintln(b)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	return nil
}

// Lookup reads the lines of the wanted names.
func Lookup(r io.Reader, wanted map[string]bool) (map[string][]int, error) {
	out := map[string][]int{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		quoted, err := strconv.QuotedPrefix(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%w: its index has a bad line", ErrDatabase)
		}
		name, err := strconv.Unquote(quoted)
		if err != nil || !wanted[name] {
			continue
		}
		for _, field := range strings.Fields(lines.Text()[len(quoted):]) {
			i, err := strconv.Atoi(field)
			if err != nil || i < 0 {
				return nil, fmt.Errorf("%w: its index has a bad line", ErrDatabase)
			}
			out[name] = append(out[name], i)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: its index: %w", ErrDatabase, err)
	}
	return out, nil
}

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
