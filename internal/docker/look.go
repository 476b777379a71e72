package docker

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
)

// Observe implements deploy.Engine.
func (e *Engine) Observe(ctx context.Context, d deploy.Desired) (deploy.Observed, error) {
	_, o, err := e.look(ctx, d, roleJournal, roleSecrets, roleConfig, roleLive) // the journal's volume tells whose root is
	if err == nil && d.Last != nil {
		o.Use(d.Last.Release)
	}
	return o, err
}

// Look returns what the engine has recorded of a stack, and what it has of what is desired, without the lock. The last
// release of what is desired is the current one.
func (e *Engine) Look(ctx context.Context, d deploy.Desired) (deploy.Records, deploy.Observed, error) {
	r, o, err := e.look(ctx, d, roleJournal, roleRelease, roleSecrets, roleConfig, roleLive)
	if err != nil {
		return r, o, err
	}
	if current, ok := r.History.Current(); ok {
		o.Use(current.Release)
	}
	// Last of all: who took the lock since the journal was read still has it, or has written the journal.
	held, err := e.locked(ctx, d.Stack.Name)
	r.Quiet = r.Quiet && !held
	return r, o, err
}

// History reads the releases of a stack. A record that cannot be trusted is returned with its error.
func (e *Engine) History(ctx context.Context, name string) (record.History, error) {
	s, err := e.shelf(ctx, name, roleRelease)
	if err == nil {
		err = e.unpack(ctx, &s, nil)
	}
	return s.history(), err
}

// Journal reads the last journal without the lock, for showing it.
func (e *Engine) Journal(ctx context.Context, name string) (record.Journal, error) {
	s, err := e.shelf(ctx, name, roleJournal)
	if err == nil {
		err = e.unpack(ctx, &s, nil)
	}
	if err != nil {
		return record.Journal{}, err
	}
	return s.journal()
}

// look asks at once for everything that does not wait for another answer, and reads all volumes through one carrier.
func (e *Engine) look(ctx context.Context, d deploy.Desired, roles ...string) (r deploy.Records, o deploy.Observed, err error) {
	o = deploy.Observed{Images: map[string]string{}, Digests: map[string]string{}, Kept: map[string]bool{}, Volumes: map[string]deploy.Volume{}, HandsOver: e.handsOver}
	asking, asked := errgroup.WithContext(ctx)
	asking.Go(func() error {
		kept, err := e.keptImages(asked, d.Stack.Name)
		for _, id := range kept {
			o.Kept[id] = true
		}
		return err
	})
	asking.Go(func() (err error) { o.Running, err = e.running(asked, d.Stack.Name); return err })
	asking.Go(func() (err error) { o.Images, o.Digests, err = e.images(asked, d.Stack); return err })
	s, err := e.shelf(ctx, d.Stack.Name, roles...)
	if err == nil {
		s.own(d.Stack)
		err = e.unpack(ctx, &s, asking.Wait)
	}
	if waited := asking.Wait(); err == nil {
		err = waited
	}
	if err != nil {
		return r, o, err
	}
	o.Volumes, o.Delivered, o.Secrets, o.Configs = s.roots, s.contents, s.newest(roleSecrets), s.newest(roleConfig)
	r.Quiet, r.History = s.unchanged, s.history()
	r.Journal, err = s.journal()
	return r, o, err
}

// images returns the ids and the digests of the images of a stack, by reference.
func (e *Engine) images(ctx context.Context, in stack.Stack) (ids, digests map[string]string, err error) {
	type found struct{ id, digest string }
	references := map[string]*found{}
	for _, s := range in.Services {
		references[s.Image] = &found{}
	}
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(inspectParallel)
	for reference, f := range references {
		asking.Go(func() (err error) { f.id, f.digest, err = e.findImage(asked, reference); return err })
	}
	err = asking.Wait()
	ids, digests = map[string]string{}, map[string]string{}
	for reference, f := range references {
		ids[reference], digests[reference] = f.id, f.digest
	}
	return ids, digests, err
}

// locked tells whether somebody has the lock of a stack, or has left it behind.
func (e *Engine) locked(ctx context.Context, stack string) (bool, error) {
	_, err := e.api.ContainerInspect(ctx, lockName(stack), client.ContainerInspectOptions{})
	if err != nil && !errdefs.IsNotFound(err) {
		return false, fmt.Errorf("looking for the lock: %w", err)
	}
	return err == nil, nil
}
