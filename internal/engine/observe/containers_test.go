package observe

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/engine/enginetest"
	"github.com/hsectl/hsectl/internal/engine/symptoms"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify"
)

// A volume without a name of its own has the name that the engine gave it, also where the engine does not tell.
func TestVolumeOf(t *testing.T) {
	const name = "9a42fbe71a6e4f07b1c8d0c3ef06338f033e0e3bd9c4400aaeeb1537f90e5de7"
	for want, m := range map[string]container.MountPoint{
		"shop_data": {Type: mount.TypeVolume, Name: "shop_data", Source: "/var/lib/docker/volumes/shop_data/_data"},
		name:        {Type: mount.TypeVolume, Source: "/var/lib/docker/volumes/" + name + "/_data"},
		"":          {Type: mount.TypeBind, Source: "/srv/_data"},
	} {
		if got := volumeOf(m); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A container whose layer takes the engine too long, or whose log cannot be read, is unknown in that alone.
func TestSlowContainer(t *testing.T) {
	t.Parallel()
	sick := map[string]any{"State": map[string]any{"Status": "exited", "ExitCode": 1}}
	answers := enginetest.Containers("shop", enginetest.Container("0123456789ab", "shop-app-1", "app", sick))
	answers["GET /containers/{id}/changes"] = enginetest.Silent()
	answers["GET /containers/{id}/logs"] = enginetest.Silent()
	e, err := engine.Connect(t.Context(), engine.Endpoint{Host: enginetest.New(t, answers).Host(), Bounds: engine.Bounds{Prompt: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	o := observer(e)
	if f := o.changes(t.Context(), engine.Container{InspectResponse: container.InspectResponse{ID: "0123456789ab", HostConfig: &container.HostConfig{}}}, nil); f.Known() {
		t.Errorf("the changes are known: %+v", f)
	}
	found, err := symptoms.New(o.engine, o.images).Symptoms(t.Context(), stack.Stack{Name: "shop", Services: []stack.Service{{Name: "app", Image: "app:1"}}})
	if err != nil || len(found) != 1 || found[0].Unread == "" {
		t.Errorf("got %+v, %v", found, err)
	}
}

// A layer of which only a part was listed proves no change, but never the lack of one.
func TestChangesOfAPart(t *testing.T) {
	t.Parallel()
	c := engine.Container{InspectResponse: container.InspectResponse{HostConfig: &container.HostConfig{}}}
	part := func(paths ...string) *verify.Dump {
		return &verify.Dump{Changed: &paths, Unfinished: map[string]string{verify.LookChanged: "too many"}}
	}
	o := &Observer{}
	if f := o.changes(t.Context(), c, part("/dev/x")); f.Known() {
		t.Errorf("known: %+v", f)
	}
	if f := o.changes(t.Context(), c, part("/dev/x", "/etc/x")); !f.Known() || len(f.Value) != 1 {
		t.Errorf("got %+v", f)
	}
}
