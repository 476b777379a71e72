package scan

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Tree reads a directory as if it were the only layer of an image. Links are not followed. The record is named after
// what was found, because a tree has no digest.
func (s *Scanner) Tree(ctx context.Context, tree fs.FS) (layer Layer, err error) {
	b := newBuilder(s)
	defer func() { err = errors.Join(err, b.close()) }()
	entries, left := 0, s.limits.Bytes
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		entries++
		if left -= info.Size(); entries > s.limits.Entries || left < 0 || len(name) > maxPath {
			return ErrTooLarge
		}
		return b.leaf(ctx, tree, name, info)
	})
	if err != nil {
		return Layer{}, fmt.Errorf("reading the tree: %w", err)
	}
	layer = b.layer("")
	data, err := json.Marshal(layer)
	if err != nil {
		return Layer{}, fmt.Errorf("naming what is in the tree: %w", err)
	}
	sum := sha256.Sum256(data)
	layer.DiffID = "sha256:" + hex.EncodeToString(sum[:])
	return layer, nil
}

// leaf reads one entry of a tree as an archive would have it.
func (b *builder) leaf(ctx context.Context, tree fs.FS, name string, info fs.FileInfo) (err error) {
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return nil // a socket: no archive has it, and no image
	}
	header.Name = name
	var content io.Reader = eof{}
	if info.Mode().IsRegular() {
		f, err := tree.Open(name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		content = f
	}
	return b.entry(ctx, header, content)
}

// eof is the content of what has none.
type eof struct{}

// Read implements io.Reader.
func (eof) Read([]byte) (int, error) { return 0, io.EOF }
