package scan

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/display"
)

// Limits bound what is read of one layer.
type Limits struct {
	Bytes   int64 // of the unpacked layer
	Entries int
}

// DefaultLimits take images of common sizes: 16 GiB and a million files in one layer.
func DefaultLimits() Limits { return Limits{Bytes: 16 << 30, Entries: 1 << 20} }

// ErrTooLarge is a layer beyond the limits: a decompression bomb, or an image too large to run.
var ErrTooLarge = errors.New("the layer is larger than the limit")

// ErrDigest is a layer whose content is not what its digest says.
var ErrDigest = errors.New("the layer's content does not match its digest")

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// Read reads an unpacked layer to its end and checks its digest, such as sha256:…; an empty one is not checked.
func (s *Scanner) Read(ctx context.Context, r io.Reader, diffID string) (layer Layer, err error) {
	sum := sha256.New()
	bounded := &boundedReader{ctx: ctx, r: io.TeeReader(r, sum), left: s.limits.Bytes}
	b := newBuilder(s)
	defer func() { err = errors.Join(err, b.close()) }()
	err = b.walk(ctx, tar.NewReader(bounded))
	if err == nil {
		_, err = io.Copy(io.Discard, bounded) // padding belongs to the digest
	}
	if bounded.exceeded {
		err = ErrTooLarge
	}
	if err != nil {
		return Layer{}, fmt.Errorf("reading layer %s: %w", display.Digest(diffID), err)
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); diffID != "" && got != diffID {
		return Layer{}, fmt.Errorf("reading layer %s: %w: it is %s", display.Digest(diffID), ErrDigest, display.Digest(got))
	}
	return b.layer(diffID), nil
}

// walk reads every entry. Names are only ever compared, so that one with .. leads nowhere.
func (b *builder) walk(ctx context.Context, t *tar.Reader) error {
	left := b.s.limits.Bytes // files count at their full size: a hole takes no room in an archive
	for entries := 0; ; entries++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if left -= h.Size; entries >= b.s.limits.Entries || len(h.Name) > maxPath || left < 0 {
			return ErrTooLarge
		}
		if err := b.entry(ctx, h, t); err != nil {
			return err
		}
	}
}

// maxPath is PATH_MAX of Linux.
const maxPath = 4096

func (b *builder) entry(ctx context.Context, h *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	dir, base := path.Split(name)
	switch {
	case base == opaque:
		b.out.Opaque = append(b.out.Opaque, "/"+dir)
		return nil
	case strings.HasPrefix(base, whiteout):
		b.out.Whiteouts = append(b.out.Whiteouts, dir+strings.TrimPrefix(base, whiteout))
		return nil
	case name == "":
		return nil
	}
	if h.Typeflag == tar.TypeDir {
		b.out.Paths = append(b.out.Paths, name+"/")
		b.mark(name, h)
		return nil
	}
	b.out.Paths = append(b.out.Paths, name)
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	b.out.Size += h.Size
	b.mark(name, h)
	return b.file(ctx, name, h, content)
}

// mark notes what the mode and the attributes of a file give.
func (b *builder) mark(name string, h *tar.Header) {
	add := func(kind string) {
		b.out.Marks = append(b.out.Marks, Mark{Kind: kind, Path: name, Mode: h.Mode & 0o7777})
	}
	dir := h.Typeflag == tar.TypeDir
	if h.Mode&0o4000 != 0 && !dir {
		add(Setuid)
	}
	if h.Mode&0o2000 != 0 && h.Mode&0o010 != 0 && !dir {
		add(Setgid)
	}
	if _, ok := h.PAXRecords["SCHILY.xattr.security.capability"]; ok {
		add(Capability)
	}
	if h.Mode&0o002 != 0 && (!dir || h.Mode&0o1000 == 0) {
		add(WorldWritable)
	}
}

// layer returns the record in the order in which it is compared.
func (b *builder) layer(diffID string) Layer {
	out := b.out
	out.Version, out.DiffID = Version, diffID
	for i, dir := range out.Opaque {
		if out.Opaque[i] = strings.TrimPrefix(dir, "/"); out.Opaque[i] == "" {
			out.Opaque[i] = "/"
		}
	}
	slices.Sort(out.Paths)
	out.Paths = slices.Compact(out.Paths)
	slices.Sort(out.Whiteouts)
	return out
}

// boundedReader ends a read that is too long, or whose context is done.
type boundedReader struct {
	ctx      context.Context
	r        io.Reader
	left     int64
	exceeded bool
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		b.exceeded = true
		return 0, ErrTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
