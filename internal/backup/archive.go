package backup

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
)

// Content is what an archive holds, in a form that can be compared: the number of files, and a digest over names, kinds,
// modes, owners and contents, without times.
type Content struct {
	Entries int    `json:"entries"`
	Content string `json:"content"`
}

// Pack copies the tar of one directory, as an engine sends it, to a compressed tar whose names begin at that directory.
func Pack(dst io.Writer, src io.Reader) (Content, error) {
	zipped := gzip.NewWriter(dst)
	out := tar.NewWriter(zipped)
	c, err := copyTree(out, tar.NewReader(src), "")
	if err := errors.Join(err, out.Close(), zipped.Close()); err != nil {
		return Content{}, fmt.Errorf("packing a backup: %w", err)
	}
	return c, nil
}

// Unpack copies an archive that Pack made to the tar of a directory of another name, as an engine takes it.
func Unpack(dst io.Writer, src io.Reader, dir string) (Content, error) {
	zipped, err := gzip.NewReader(src)
	if err != nil {
		return Content{}, fmt.Errorf("unpacking a backup: %w", err)
	}
	out := tar.NewWriter(dst)
	c, err := copyTree(out, tar.NewReader(zipped), dir)
	if err == nil {
		_, err = io.Copy(io.Discard, zipped) // to the end, where the checksum is
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return Content{}, fmt.Errorf("unpacking a backup: %w", err)
	}
	return c, nil
}

// Digest reads the tar of one directory, as an engine sends it, to the end.
func Digest(src io.Reader) (Content, error) {
	c, err := copyTree(nil, tar.NewReader(src), "")
	if err != nil {
		return Content{}, fmt.Errorf("reading a volume: %w", err)
	}
	return c, nil
}

// copyTree copies entry by entry, with the first element of each name replaced, and takes the digest. Nothing but what is
// beneath the directory is taken.
func copyTree(dst *tar.Writer, src *tar.Reader, dir string) (Content, error) {
	sum := sha256.New()
	c := Content{}
	for {
		h, err := src.Next()
		if errors.Is(err, io.EOF) {
			if c.Entries == 0 {
				return c, errors.New("it is empty: the directory itself is missing")
			}
			c.Content = hex.EncodeToString(sum.Sum(nil))
			return c, nil
		}
		if err != nil {
			return c, err
		}
		name, err := beneath(h.Name)
		if err != nil {
			return c, err
		}
		if name == "." && h.Typeflag != tar.TypeDir {
			return c, fmt.Errorf("%q is not a directory", h.Name)
		}
		if h.Typeflag == tar.TypeLink {
			link, err := beneath(h.Linkname)
			if err != nil {
				return c, err
			}
			h.Linkname = moved(dir, link, false)
		}
		c.Entries++
		if err := c.entry(dst, src, h, name, dir, sum); err != nil {
			return c, err
		}
	}
}

func (c *Content) entry(dst *tar.Writer, src io.Reader, h *tar.Header, name, dir string, sum hash.Hash) error {
	link := h.Linkname
	if h.Typeflag == tar.TypeLink {
		link, _ = beneath(h.Linkname)
	}
	fmt.Fprintf(sum, "%q %c %04o %d:%d %d %q\n", name, h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Size, link)
	into := io.Writer(sum)
	if dst != nil {
		h.Name = moved(dir, name, h.Typeflag == tar.TypeDir)
		if err := dst.WriteHeader(h); err != nil {
			return err
		}
		into = io.MultiWriter(sum, dst)
	}
	_, err := io.Copy(into, src)
	return err
}

// beneath returns a name without its first element, the directory that was read. The directory itself is ".".
func beneath(name string) (string, error) {
	clean := path.Clean(name)
	if path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%q points outside the volume", name)
	}
	_, rest, ok := strings.Cut(clean, "/")
	if !ok {
		return ".", nil
	}
	return rest, nil
}

func moved(dir, name string, isDir bool) string {
	if dir == "" {
		dir = "volume"
	}
	out := path.Join(dir, name)
	if isDir {
		out += "/"
	}
	return out
}
