package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/image/lock"
	"github.com/hsectl/hsectl/internal/verify"
)

// byContent sees a container that runs the locked content as one that runs the locked reference. A bundle brings images by
// their names alone, because an engine that loads an image knows no digest of a registry; its content has digests all the
// same.
type byContent struct {
	engine *docker.Engine
	l      app.Loaded
}

// Containers implements verify.Observer.
func (o byContent) Containers(ctx context.Context, stack string, ask func(service string) verify.Request, rendered *verify.Rendered) ([]verify.Container, error) {
	out, err := o.engine.Containers(ctx, stack, ask, rendered)
	if err != nil {
		return nil, err
	}
	for i, c := range out {
		service, ok := o.l.Stack.Service(c.Service)
		e, locked := o.l.Locked.Entry(o.l.Root + c.Service)
		from := c.Engine.Image.Value
		if !ok || !locked || !c.Engine.Image.Known() || from.Reference == service.Image || !slices.Contains([]string{e.Reference, e.Mirror}, from.Reference) {
			continue
		}
		same, err := o.same(ctx, e, from.ID)
		if err != nil {
			return nil, fmt.Errorf("comparing the image of %s with the lock: %w", c.Name, err)
		}
		if same {
			out[i].Engine.Image.Value.Reference = service.Image
		}
	}
	return out, nil
}

// Residents implements verify.Observer.
func (o byContent) Residents(ctx context.Context, stack string) ([]verify.Resident, error) {
	return o.engine.Residents(ctx, stack)
}

// AskOutside implements verify.Observer.
func (o byContent) AskOutside(ctx context.Context, stack string, checks []verify.Check) ([]verify.Answer, error) {
	return o.engine.AskOutside(ctx, stack, checks)
}

// same tells whether an image of the engine has the locked content. An engine that was handed an image by another kind of
// engine gives it a manifest of its own; the configuration, which names every layer, stays.
func (o byContent) same(ctx context.Context, e lock.Entry, id string) (bool, error) {
	facts, err := o.engine.ImageFacts(ctx, id)
	switch {
	case errors.Is(err, images.ErrNoImage):
		return e.Recognises(id, nil), nil
	case err != nil:
		return false, err
	case e.Recognises(facts.ID, facts.RepoDigests):
		return true, nil
	}
	img, err := o.engine.OpenImage(ctx, id, "")
	if err != nil {
		return false, err
	}
	return e.Recognises(img.Digest, nil), img.Close()
}
