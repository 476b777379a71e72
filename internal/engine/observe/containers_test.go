package observe

import (
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
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
