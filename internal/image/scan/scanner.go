package scan

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/osv-scalibr/extractor/filesystem"
	scalibrlog "github.com/google/osv-scalibr/log"
)

// Scanner reads layers. It keeps no state between them and may be used concurrently.
type Scanner struct {
	extractors []filesystem.Extractor
	limits     Limits
	scratch    func() (Scratch, error)
}

// Scratch is a file for what is too large for memory.
type Scratch interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.Closer
	Truncate(size int64) error
}

// silenced takes the library's logger away. It is one for the whole program, so it is set once.
var silenced = sync.OnceFunc(func() { scalibrlog.SetLogger(quiet{}) })

// New returns a scanner that puts large files into a scratch file while it reads them.
func New(limits Limits, scratch func() (Scratch, error)) (*Scanner, error) {
	silenced()
	extractors, err := newExtractors()
	if err != nil {
		return nil, fmt.Errorf("preparing the extractors: %w", err)
	}
	return &Scanner{extractors: extractors, limits: limits, scratch: scratch}, nil
}

// builder collects what one layer has.
type builder struct {
	s     *Scanner
	out   Layer
	buf   bytes.Buffer
	spool Scratch
}

func newBuilder(s *Scanner) *builder { return &builder{s: s} }

// Sizes up to which a file is read.
const (
	memoryBytes = 4 << 20 // larger ones go through a file
	secretBytes = 1 << 20 // credentials are small files; larger ones are data
	textBytes   = 1 << 20
	fileBytes   = 1 << 30 // programs and archives
)

// file reads one regular file for everything that wants it, once.
func (b *builder) file(ctx context.Context, name string, h *tar.Header, content io.Reader) error {
	wanted := b.wanted(name, h)
	secrets := h.Size > 0 && h.Size <= secretBytes && mayHoldSecrets(name)
	text := h.Size <= textBytes && isText(name)
	if len(wanted) == 0 && !secrets && !text {
		return nil
	}
	if h.Size > fileBytes {
		b.problem(name, "is larger than what is read for packages")
		return nil
	}
	magic := make([]byte, min(4, h.Size))
	if _, err := io.ReadFull(content, magic); err != nil {
		return err
	}
	if !isProgram(magic) {
		wanted = slices.DeleteFunc(wanted, readsPrograms)
	}
	if len(wanted) == 0 && !secrets && !text {
		return nil
	}
	whole, err := b.load(io.MultiReader(bytes.NewReader(magic), content), h.Size)
	if err != nil {
		return err
	}
	if secrets {
		b.out.Secrets = append(b.out.Secrets, FindSecrets(name, b.buf.Bytes())...)
	}
	if text {
		b.out.Texts = append(b.out.Texts, Text{Path: name, Data: b.buf.String()})
	}
	before := len(b.out.Packages)
	for _, e := range wanted {
		if _, err := whole.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("reading %s again: %w", name, err)
		}
		b.extract(ctx, e, &filesystem.ScanInput{FS: noFiles{}, Path: name, Info: h.FileInfo(), Reader: whole})
	}
	if slices.ContainsFunc(wanted, readsPrograms) && len(b.out.Packages) == before {
		if why := unreadable(whole); why != "" {
			b.problem(name, why)
		}
	}
	return ctx.Err()
}

// wanted returns the extractors that read a file of that name and mode.
func (b *builder) wanted(name string, h *tar.Header) []filesystem.Extractor {
	var out []filesystem.Extractor
	for _, e := range b.s.extractors {
		if e.FileRequired(candidate{name, h.FileInfo()}) {
			out = append(out, e)
		}
	}
	return out
}

type seekableReaderAt interface {
	io.ReadSeeker
	io.ReaderAt
}

// load brings a file to memory, or to a file that goes when it is closed.
func (b *builder) load(r io.Reader, size int64) (seekableReaderAt, error) {
	b.buf.Reset()
	if size <= memoryBytes {
		if _, err := b.buf.ReadFrom(r); err != nil {
			return nil, err
		}
		return bytes.NewReader(b.buf.Bytes()), nil
	}
	if b.spool == nil {
		f, err := b.s.scratch()
		if err != nil {
			return nil, err
		}
		b.spool = f
	}
	if err := b.spool.Truncate(0); err != nil {
		return nil, fmt.Errorf("emptying a temporary file: %w", err)
	}
	if _, err := b.spool.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("emptying a temporary file: %w", err)
	}
	if _, err := io.Copy(b.spool, r); err != nil {
		return nil, err
	}
	return b.spool, nil
}

func (b *builder) close() error {
	if b.spool == nil {
		return nil
	}
	return b.spool.Close()
}

func (b *builder) problem(name, text string) {
	b.out.Problems = append(b.out.Problems, Problem{Path: name, Text: text})
}

// isText names the files that are kept whole.
func isText(name string) bool {
	switch name {
	case "etc/os-release", "usr/lib/os-release", "etc/passwd", "etc/shadow", "etc/group":
		return true
	}
	return false
}

// isProgram tells ELF, PE and Mach-O by their first bytes.
func isProgram(magic []byte) bool {
	for _, m := range []string{"\x7fELF", "MZ", "\xfe\xed\xfa", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xca\xfe\xba\xbe"} {
		if strings.HasPrefix(string(magic), m) {
			return true
		}
	}
	return false
}

// candidate is a file that extractors are asked about.
type candidate struct {
	name string
	info fs.FileInfo
}

// Path implements filesystem.FileAPI.
func (c candidate) Path() string { return c.name }

// Stat implements filesystem.FileAPI.
func (c candidate) Stat() (fs.FileInfo, error) { return c.info, nil }

// noFiles is a tree without files: a layer is read in the order of its entries, and no extractor may look around.
type noFiles struct{}

// Open implements fs.FS.
func (noFiles) Open(name string) (fs.File, error) { return nil, missing("open", name) }

// ReadDir implements fs.ReadDirFS.
func (noFiles) ReadDir(name string) ([]fs.DirEntry, error) { return nil, missing("readdir", name) }

// Stat implements fs.StatFS.
func (noFiles) Stat(name string) (fs.FileInfo, error) { return nil, missing("stat", name) }

func missing(op, name string) error {
	return &fs.PathError{Op: op, Path: path.Clean(name), Err: fs.ErrNotExist}
}

// extractTime bounds one extractor on one file.
const extractTime = 30 * time.Second
