package observe

import (
	"context"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/drift"
	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/images"
	"github.com/hsectl/hsectl/internal/engine/records"
	"github.com/hsectl/hsectl/internal/record"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// Observe implements deploy.Engine.
func (obs *Observer) Observe(ctx context.Context, d deploy.Desired) (deploy.Observed, error) {
	list, _, o, err := obs.look(ctx, d, records.RoleJournal, records.RoleSecrets, records.RoleConfig, records.RoleLive) // the journal's volume tells whose root is
	if err != nil || d.Last == nil {
		return o, err
	}
	o.Use(d.Last.Release)
	return obs.held(ctx, list, o, d.Last.Release)
}

// Look returns what the engine has recorded of a stack, and what it has of what is desired, without the lock. The last
// release of what is desired is the current one.
func (obs *Observer) Look(ctx context.Context, d deploy.Desired) (deploy.Records, deploy.Observed, error) {
	list, r, o, err := obs.look(ctx, d, records.RoleJournal, records.RoleRelease, records.RoleSecrets, records.RoleConfig, records.RoleLive)
	if err != nil {
		return r, o, err
	}
	if current, ok := r.History.Current(); ok {
		o.Use(current.Release)
		if o, err = obs.held(ctx, list, o, current.Release); err != nil {
			return r, o, err
		}
	}
	// Last of all: who took the lock since the journal was read still has it, or has written the journal.
	held, err := obs.records.Locked(ctx, d.Stack.Name)
	r.Quiet = r.Quiet && !held
	return r, o, err
}

// look asks at once for everything that does not wait for another answer, and reads all volumes through one transfer container.
func (obs *Observer) look(ctx context.Context, d deploy.Desired, roles ...string) (list []engine.Container, r deploy.Records, o deploy.Observed, err error) {
	o = deploy.Observed{Images: map[string]string{}, Digests: map[string]string{}, Kept: map[string]bool{}, Volumes: map[string]deploy.Volume{}, HandsOver: obs.engine.HandsOver}
	asking, asked := errgroup.WithContext(ctx)
	asking.Go(func() error {
		kept, err := obs.records.KeptImages(asked, d.Stack.Name)
		for _, id := range kept {
			o.Kept[id] = true
		}
		return err
	})
	asking.Go(func() (err error) { list, err = obs.engine.Stack(asked, d.Stack.Name); return err })
	asking.Go(func() (err error) { o.Images, o.Digests, o.Databases, err = obs.imagesOf(asked, d.Stack); return err })
	s, err := obs.records.List(ctx, d.Stack.Name, roles...)
	if err == nil {
		s.AddStack(d.Stack)
		err = obs.records.Read(ctx, &s, asking.Wait)
	}
	if waited := asking.Wait(); err == nil {
		err = waited
	}
	if err != nil {
		return list, r, o, err
	}
	o.Running = running(list)
	o.Volumes, o.Delivered, o.Secrets, o.Configs = s.Roots, s.Delivered, s.Newest(records.RoleSecrets), s.Newest(records.RoleConfig)
	r.Quiet, r.History = s.Unchanged, s.History()
	r.Journal, err = s.Journal()
	return list, r, o, err
}

// imagesOf returns the ids and the digests of the images of a stack, by reference.
func (obs *Observer) imagesOf(ctx context.Context, in stack.Stack) (ids, digests, databases map[string]string, err error) {
	references := map[string]*images.Found{}
	for _, s := range in.Services {
		references[s.Image] = &images.Found{}
	}
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(engine.InspectParallel)
	for reference, f := range references {
		asking.Go(func() (err error) { *f, err = obs.images.Lookup(asked, reference); return err })
	}
	err = asking.Wait()
	ids, digests, databases = map[string]string{}, map[string]string{}, map[string]string{}
	for reference, f := range references {
		ids[reference], digests[reference], databases[reference] = f.ID, f.Digest, f.Database
	}
	return ids, digests, databases, err
}

// held holds the containers against what a release had rendered. That nothing could be compared is no error: a stack can be
// deployed and undone all the same.
func (obs *Observer) held(ctx context.Context, list []engine.Container, o deploy.Observed, r record.Release) (deploy.Observed, error) {
	if len(list) == 0 {
		return o, nil
	}
	daemon, err := obs.engine.Daemon(ctx)
	if err != nil {
		return o, err
	}
	of := verify.Rendered{File: r.Compose, Environment: r.Environment, Images: map[string]string{}}
	for reference, image := range r.Images {
		of.Images[reference] = image.ID
	}
	found, err := obs.differences(ctx, list, daemon.Info, of)
	if err != nil {
		o.Uncompared = display.Clean(err.Error())
		return o, ctx.Err()
	}
	o.Resources = map[string][]drift.Difference{}
	for kind, resources := range map[string]map[string][]drift.Difference{"network ": found.networks, "volume ": found.volumes} {
		for name, differences := range resources {
			if len(differences) > 0 {
				o.Resources[kind+name] = differences
			}
		}
	}
	for service, all := range o.Running {
		for i, one := range all {
			o.Running[service][i].Differences = found.containers[one.ID]
		}
	}
	return o, nil
}

// running returns the containers of a stack by service.
func running(list []engine.Container) map[string][]deploy.Running {
	out := map[string][]deploy.Running{}
	for _, c := range list {
		service := c.Config.Labels[engine.ComposeService]
		_, replacing := engine.FinalName(c.Name)
		r := deploy.Running{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Image: c.Image, Well: engine.Well(c) && !replacing, Ended: engine.Well(c) && !c.State.Running, State: engine.State(c)}
		out[service] = append(out[service], r)
	}
	return out
}

// Identities returns the id of the container of each service of a stack. Counters of the kernel are named by it.
func (obs *Observer) Identities(ctx context.Context, project string) (map[string]string, error) {
	list, err := obs.engine.Stack(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, c := range list {
		out[c.Config.Labels[engine.ComposeService]] = c.ID
	}
	return out, nil
}

// RunningImage returns the id of the image that a service's container was made of, or nothing where it has none.
func (obs *Observer) RunningImage(ctx context.Context, project, service string) (string, error) {
	list, err := obs.engine.Stack(ctx, project)
	if err != nil {
		return "", err
	}
	for _, c := range list {
		if c.Config.Labels[engine.ComposeService] == service {
			return c.Image, nil
		}
	}
	return "", nil
}
