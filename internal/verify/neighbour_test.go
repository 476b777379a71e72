package verify

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

const around = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  web: {image: "example/web:1", user: "1000:1000", limits: {cpus: "2", memory: 1G, pids: 200}, health: {command: [check]}, networks: [front, common], ports: ["8080:8080"]}
  db: {image: "example/db:1", user: "1001:1001", limits: {cpus: "2", memory: 1G, pids: 200}, health: {command: [check]}, networks: [back], writable: [{path: /data, volume: data}, {path: /given, volume: given}]}
networks: {front: {publish: true}, back: {}, common: {external: true}}
volumes: {given: {external: true}, data: {}}
`

// Whatever shares something with a service and is not declared is named, by what it shares and not by what its labels say.
func TestNeighbours(t *testing.T) {
	s := parse(t, around)
	port := policy.Port{Address: "127.0.0.1", Host: 8080, Container: 8080, Protocol: "tcp"}
	web := Resident{ID: "w", Name: "shop-web-1", Project: "shop", Service: "web", Running: true, Ports: []policy.Port{port},
		Networks: map[string][]string{"shop_front": {"shop-web-1", "web"}, "common": {"shop-web-1", "web"}}}
	db := Resident{ID: "d", Name: "shop-db-1", Project: "shop", Service: "db", Running: true, Volumes: []string{"shop_data", "given"},
		Networks: map[string][]string{"shop_back": {"shop-db-1", "db", "main"}}}
	on := func(network string, names ...string) Resident {
		return Resident{ID: "x", Name: "x", Running: true, Networks: map[string][]string{network: append(names, "x")}}
	}
	with := func(r Resident, change func(*Resident)) Resident {
		change(&r)
		return r
	}
	alone := Resident{ID: "x", Name: "x", Running: true}
	for name, row := range map[string]struct {
		stranger Resident
		want     string // service: what it shares, each
	}{
		"nothing in common":           {on("other"), ""},
		"a network":                   {on("shop_back"), "db: is on network shop_back"},
		"a network, not running":      {with(on("shop_back"), func(r *Resident) { r.Running = false }), ""},
		"a network made elsewhere":    {on("common"), ""},
		"a name there":                {on("common", "WEB"), "web: answers to the name web on network common"},
		"a name as an alias":          {on("shop_back", "main"), "db: answers to the name main on network shop_back; db: is on network shop_back"},
		"a name as its own":           {with(on("shop_back"), func(r *Resident) { r.Networks["shop_back"] = []string{"db"} }), "db: answers to the name db on network shop_back; db: is on network shop_back"},
		"a one-off":                   {with(on("shop_back"), func(r *Resident) { r.Project, r.Service, r.Oneoff = "shop", "db", true }), "db: is a one-off with the labels of the stack; db: is on network shop_back"},
		"a one-off that has ended":    {with(alone, func(r *Resident) { r.Project, r.Oneoff, r.Running = "shop", true, false }), "db: is a one-off with the labels of the stack"},
		"what is not in the profile":  {with(on("shop_back"), func(r *Resident) { r.Project, r.Service = "shop", "old" }), "db: is on network shop_back"},
		"another container of it":     {with(on("shop_back", "db"), func(r *Resident) { r.Project, r.Service = "shop", "db" }), ""},
		"another service as it":       {with(on("shop_back", "db"), func(r *Resident) { r.Project, r.Service = "shop", "web" }), "db: answers to the name db on network shop_back"},
		"the monitoring":              {with(on("shop_back"), func(r *Resident) { r.Project, r.Service = "shop-monitoring", "prometheus" }), ""},
		"a one-off of the monitoring": {with(on("shop_back"), func(r *Resident) { r.Project, r.Oneoff = "shop-monitoring", true }), "db: is on network shop_back"},
		"a fake probe":                {with(on("shop_back"), func(r *Resident) { r.Role, r.For = "probe", "shop" }), "db: has the label of a probe of hsectl, and was not made by it; db: is on network shop_back"},
		"a probe": {with(alone, func(r *Resident) {
			r.Role, r.For, r.Own, r.Namespaces = "probe", "shop", true, map[string][]string{"d": {"network", "pid"}}
		}), ""},
		"in its namespaces":            {with(alone, func(r *Resident) { r.Namespaces = map[string][]string{"d": {"network", "pid"}} }), "db: is in its network namespace; db: is in its pid namespace"},
		"a volume":                     {with(alone, func(r *Resident) { r.Volumes = []string{"shop_data"} }), "db: mounts volume shop_data"},
		"a volume made elsewhere":      {with(alone, func(r *Resident) { r.Volumes = []string{"given"} }), ""},
		"the network of the machine":   {with(alone, func(r *Resident) { r.Host = true }), "web: is on the network of the machine, for which alone port 127.0.0.1:8080 is published"},
		"the same port":                {with(alone, func(r *Resident) { r.Ports = []policy.Port{{Address: "10.0.0.5", Host: 8080, Protocol: "tcp"}} }), "web: publishes port 8080/tcp, too"},
		"the same port, other traffic": {with(alone, func(r *Resident) { r.Ports = []policy.Port{{Address: "10.0.0.5", Host: 8080, Protocol: "udp"}} }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for service, list := range neighbours(s, []Resident{web, db, row.stranger}) {
				for _, n := range list {
					got = append(got, service+": "+n.Shares)
					if n.Container != row.stranger.Name || n.Machine != row.stranger.Host {
						t.Errorf("container %s, %v", n.Container, n.Machine)
					}
				}
			}
			slices.Sort(got)
			if text := strings.Join(got, "; "); text != row.want {
				t.Errorf("got %q, not %q", text, row.want)
			}
		})
	}
	lent := with(db, func(r *Resident) { r.Namespaces = map[string][]string{"x": {"ipc"}} })
	if got := neighbours(s, []Resident{lent, alone})["db"]; len(got) != 1 || got[0].Shares != "lends it its ipc namespace" {
		t.Errorf("who lends a namespace: %v", got)
	}
	if f := neighbourFacts(s, nil, errors.New("no list"))("db"); f.Known() || f.Why != "no list" {
		t.Errorf("without a list: %+v", f)
	}
	if f := neighbourFacts(s, []Resident{db}, nil)("db"); f.Tier != finding.Applied || len(f.Value) > 0 {
		t.Errorf("with a list: %+v", f)
	}
	if f := neighbourFacts(s, []Resident{db}, nil)("web"); f.Known() {
		t.Errorf("without its own container: %+v", f)
	}
}
