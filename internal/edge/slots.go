package edge

import "path"

// A service behind the edge has two slots, each a file with the name of a container. Slot "now" always answers, unless
// slot "next" is open. What opens it is a switch: a file when it is open, a directory when it is closed, because files can
// be put into a volume from outside and not be taken out. Caddy looks at them for each request. A file that is replaced
// is missing for an instant: an address without a name cannot be dialled, and is looked up again for the next try.
const (
	// SlotDir holds the slots, below the directory of the configuration. What is in it changes while the edge runs.
	SlotDir = "slots"

	nowSlot    = "now"
	nextSlot   = "next"
	nextSwitch = "next.on"

	maintenanceSlot = "maintenance.on"
)

// Switch is one change of a slot: content for a file, or a directory in its place.
type Switch struct {
	Path   string // below the directory of the configuration
	Data   []byte
	Closed bool
}

func slot(service, name string) string { return path.Join(SlotDir, service, name) }

// initial are the slots of a service as its configuration begins: its own name answers.
func initial(service string) []File {
	return []File{{slot(service, nowSlot), []byte(service)}}
}

// Pin sends all traffic of a service to one container, named in a way that Docker's DNS knows, without a moment in
// which none is named. It is what a service with one container is like before the second one starts.
func Pin(service, container string) []Switch {
	return []Switch{
		{Path: slot(service, nextSlot), Data: []byte(container)},
		{Path: slot(service, nextSwitch), Data: []byte("open\n")},
		{Path: slot(service, nowSlot), Data: []byte(container)},
		{Path: slot(service, nextSwitch), Closed: true},
	}
}

// Move sends new requests to another container; what the first one has begun, it ends. Pin must have come before.
func Move(service, container string) []Switch {
	return []Switch{
		{Path: slot(service, nextSlot), Data: []byte(container)},
		{Path: slot(service, nextSwitch), Data: []byte("open\n")},
	}
}

// Rest lets the service's own name answer again, once it has a single container.
func Rest(service string) []Switch {
	return []Switch{
		{Path: slot(service, nowSlot), Data: []byte(service)},
		{Path: slot(service, nextSwitch), Closed: true},
	}
}

// Maintenance shows the page to everybody, or lets the services answer again.
func Maintenance(on bool) []Switch {
	s := Switch{Path: path.Join(SlotDir, maintenanceSlot), Closed: !on}
	if on {
		s.Data = []byte("on\n")
	}
	return []Switch{s}
}

// slotSnippet is what a site imports to reach a service: its argument is the port.
func slotSnippet(w *writer, dir, service string) {
	w.line("")
	w.line("(%s) {", snippet(service))
	w.line("@next file {")
	w.line("root %s", path.Join(dir, SlotDir, service))
	w.line("try_files /%s", nextSwitch)
	w.line("}")
	for _, to := range [][2]string{{"handle @next {", nextSlot}, {"handle {", nowSlot}} {
		w.line("%s", to[0])
		w.line("reverse_proxy {file.%s}:{args[0]} {", path.Join(dir, slot(service, to[1])))
		w.line("import upstream")
		w.line("}")
		w.line("}")
	}
	w.line("}")
}

// snippet names the snippet of a service; no name of hsectl's own has a colon.
func snippet(service string) string { return "to:" + service }
