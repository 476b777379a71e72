package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/image"
)

// EmptyImage is the empty image of transfer containers. It is loaded where one cannot be created for want of it.
func (e *Connection) EmptyImage() image.Static {
	return image.NewStatic("hsectl/carrier", e.OS, e.Arch, []byte("hsectl: never started\n"))
}

// LoadStatic brings an image to the engine unless it is there.
func (e *Connection) LoadStatic(ctx context.Context, img image.Static) error {
	_, err := e.API.ImageInspect(ctx, img.Reference)
	if err == nil {
		return nil
	}
	if !errdefs.IsNotFound(err) {
		return fmt.Errorf("looking for image %s: %w", img.Reference, err)
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(img.Write(writer)) }()
	defer reader.Close()
	loaded := e.LoadImages(ctx, reader)
	// The name follows from the content. Where another process loads the same at this moment, an engine may refuse the second one.
	_, err = e.API.ImageInspect(ctx, img.Reference)
	switch {
	case err == nil:
		return nil
	case loaded != nil:
		return fmt.Errorf("loading image %s: %w", img.Reference, loaded)
	}
	return fmt.Errorf("loading image %s: the engine did not keep it: %w", img.Reference, err)
}

// LoadImages sends images in the form that engines load.
func (e *Connection) LoadImages(ctx context.Context, r io.Reader) error {
	return e.Bounds.Upload(ctx, "POST /images/load", r, func(ctx context.Context, r io.Reader) error {
		answer, err := e.API.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
		if err != nil {
			return err
		}
		_, err = ReadProgress(answer)
		return errors.Join(err, answer.Close())
	})
}

// ReadProgress reads what an engine says of images that it moves, to its end. It returns the error that the engine says, and
// the digest, when it says one.
func ReadProgress(r io.Reader) (digest string, err error) {
	decoder := json.NewDecoder(r)
	for {
		var line struct {
			Error string `json:"error"`
			Aux   struct{ Digest string }
		}
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return digest, nil
		} else if err != nil {
			return "", err
		}
		if line.Error != "" {
			return "", errors.New(display.Clean(line.Error))
		}
		if line.Aux.Digest != "" {
			digest = line.Aux.Digest
		}
	}
}
