package edge

import (
	"fmt"
	"path"
)

// At rest Caddy asks Docker's DNS which containers a service has, and lets all of them answer in turn. While containers are
// replaced it must know better: one that runs is not yet well, and one that still runs is about to stop. So a service has
// two banks of slots, "now" and "next", each slot a file with the name of a container. A bank counts when its switch is
// open, and "next" counts before "now". A switch is a file when it is open, and a directory when it is closed, because files
// can be put into a volume from outside and not be taken out. Caddy looks at them for each request.
//
// A bank is written while it does not count, so no request meets half of one. Only where an earlier run was interrupted may it
// count: a file that is replaced is missing for an instant, an address without a name cannot be dialled, and the next try
// takes another slot.
const (
	// SlotDir holds the slots, below the directory of the configuration. What is in it changes while the edge runs.
	SlotDir = "slots"

	nowBank  = "now"
	nextBank = "next"

	maintenanceSlot = "maintenance.on"

	// bank is the least number of slots, and what it grows by: 1, 2, 3 and 6 containers share it evenly, and between 1 and 6
	// the number of containers changes without another configuration, which the edge would have to load.
	bank = 6
)

// Slots returns how many slots a bank has for so many containers.
func Slots(containers int) int { return (max(containers, 1) + bank - 1) / bank * bank }

// Switch is one change of a slot: content for a file, or a directory in its place.
type Switch struct {
	Path   string // below the directory of the configuration
	Data   []byte
	Closed bool
}

func slot(service, bank string, n int) string {
	return path.Join(SlotDir, service, fmt.Sprintf("%s-%d", bank, n))
}

func switchOf(service, bank string) string { return path.Join(SlotDir, service, bank+".on") }

// bankOf writes a bank: every slot names a container, each as often as the others as far as that goes.
func bankOf(service, bank string, slots int, containers []string) []Switch {
	var out []Switch
	for i := range slots {
		out = append(out, Switch{Path: slot(service, bank, i+1), Data: []byte(containers[i%len(containers)])})
	}
	return out
}

// Point sends all new requests of a service to some of its containers, named in a way that Docker's DNS knows; what another
// one has begun, it ends. There is at least one, and at no moment is none named. Slots is what Slots says of the service.
func Point(service string, slots int, containers ...string) []Switch {
	out := bankOf(service, nextBank, slots, containers)
	out = append(out, opened(service, nextBank))
	out = append(out, bankOf(service, nowBank, slots, containers)...)
	return append(out, opened(service, nowBank), closed(service, nextBank))
}

// Rest lets all containers of a service answer again that DNS knows.
func Rest(service string) []Switch {
	return []Switch{closed(service, nowBank), closed(service, nextBank)}
}

func opened(service, bank string) Switch {
	return Switch{Path: switchOf(service, bank), Data: []byte("open\n")}
}

func closed(service, bank string) Switch {
	return Switch{Path: switchOf(service, bank), Closed: true}
}

// Maintenance shows the page, or lets the services answer again.
func Maintenance(on bool) []Switch {
	s := Switch{Path: path.Join(SlotDir, maintenanceSlot), Closed: !on}
	if on {
		s.Data = []byte("on\n")
	}
	return []Switch{s}
}

// slotSnippet is what a site imports to reach a service: its argument is the port.
func slotSnippet(w *writer, dir, service string, slots int) {
	w.line("")
	w.line("(%s) {", snippet(service))
	for _, bank := range []string{nextBank, nowBank} {
		w.line("@%s file {", bank)
		w.line("root %s", path.Join(dir, SlotDir, service))
		w.line("try_files /%s.on", bank)
		w.line("}")
	}
	for _, bank := range []string{nextBank, nowBank} {
		w.line("handle @%s {", bank)
		w.line("reverse_proxy {")
		for i := range slots {
			w.line("to {file.%s}:{args[0]}", path.Join(dir, slot(service, bank, i+1)))
		}
		w.line("import upstream")
		w.line("}")
		w.line("}")
	}
	w.line("handle {")
	w.line("reverse_proxy {")
	w.line("dynamic a %s {args[0]} {", service)
	w.line("refresh 500ms")
	w.line("}")
	w.line("import upstream")
	w.line("}")
	w.line("}")
	w.line("}")
}

// snippet names the snippet of a service; no name of hsectl's own has a colon.
func snippet(service string) string { return "to:" + service }
