package engine

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/errdefs"

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
	answer, err := e.API.ImageLoad(ctx, reader)
	if err != nil {
		return fmt.Errorf("loading image %s: %w", img.Reference, err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return fmt.Errorf("loading image %s: %w", img.Reference, err)
	}
	if _, err := e.API.ImageInspect(ctx, img.Reference); err != nil {
		return fmt.Errorf("loading image %s: the engine did not keep it: %w", img.Reference, err)
	}
	return nil
}
