// Package drift tells what an engine has apart from what it was asked for: containers, networks and volumes, field by field.
// Everything that differs counts, unless a table says that it may and why; so does a field that was unknown when this was written.
package drift

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Requests are what Compose asks an engine for to make a stack.
type Requests struct {
	Containers map[string]Request         // by service
	Networks   map[string]json.RawMessage // by name on the engine
	Volumes    map[string]json.RawMessage // by name on the engine
	Made       map[string]string          // services by the made-up ids of their containers, which others may refer to
}

// Request is how the first container of a service is asked for.
type Request struct {
	Name     string
	Platform string
	Create   json.RawMessage            // the body of the request
	Connect  map[string]json.RawMessage // networks that it joins afterwards, by name
}

// World is what an engine is and has, as far as a container depends on it. All of it is the engine's own text.
type World struct {
	Info       json.RawMessage
	Images     map[string]json.RawMessage // inspections by id
	ImageIDs   map[string]string          // what each reference should mean; empty is unknown
	Networks   []json.RawMessage
	Volumes    []json.RawMessage
	Containers map[string][]string // ids of the containers by service
	Blank      json.RawMessage     // a container for which nothing was asked, and which was never started; empty where it was not looked at
}

// Facts are what the table of exemptions asks about an engine and a container.
type Facts struct {
	ID         string // of the container
	Host       string // name of the engine's machine
	Privileged bool
	HostSpaces bool // it shares namespaces of processes or of messages with the machine
	Borrows    bool // it has the network of another container
	OnHost     bool // it has the network of the machine
	V2         bool // control groups version 2
	AppArmor   bool
	SwapLimit  bool            // the kernel can limit swap
	Shm        bool            // the request says how large the shared memory is
	Masks      bool            // the request says what is masked
	MACs       bool            // the request says which hardware address it has
	Anonymous  map[string]bool // where a volume without a name is mounted
	Names      map[string]bool // that the container answers to
	Subnets    bool            // the request says which addresses a network has
}

// MayBeDefault tells whether a difference could be a default of the daemon, which only a container for which nothing was asked shows.
func MayBeDefault(d Difference) bool {
	for _, path := range []string{"HostConfig.ShmSize", "HostConfig.IpcMode", "HostConfig.CgroupnsMode", "HostConfig.Runtime", "HostConfig.LogConfig.", "HostConfig.MaskedPaths[",
		"HostConfig.ReadonlyPaths["} {
		if strings.HasPrefix(d.Path, path) {
			return true
		}
	}
	return false
}

// Comparison compares what an engine has with what it was asked for.
type Comparison struct {
	requests   Requests
	info       map[string]any
	facts      Facts
	images     map[string]map[string]any // their configurations, by id
	imageIDs   map[string]string
	volumes    map[string]map[string]any // by name
	networkIDs map[string][]string       // by name: an engine may have several of one
	containers map[string][]string       // ids by service
	blank      map[string]any            // the HostConfig of a container for which nothing was asked
	table      []rule
}

// Against reads what an engine is and has, once for all comparisons.
func (r Requests) Against(w World) (Comparison, error) {
	c := Comparison{requests: r, table: rules(containerTable()), images: map[string]map[string]any{}, imageIDs: w.ImageIDs, volumes: map[string]map[string]any{}, networkIDs: map[string][]string{}, containers: w.Containers}
	var err error
	if c.info, err = decoded(w.Info); err != nil {
		return c, fmt.Errorf("asking the engine about itself: %w", err)
	}
	c.facts = Facts{Host: text(c.info, "Name"), V2: text(c.info, "CgroupVersion") == "2", SwapLimit: flag(c.info, "SwapLimit")}
	for _, o := range words(c.info, "SecurityOptions") {
		c.facts.AppArmor = c.facts.AppArmor || o == "name=apparmor" || o == "apparmor"
	}
	if len(w.Blank) > 0 {
		blank, err := decoded(w.Blank)
		if err != nil {
			return c, fmt.Errorf("asking the engine for its defaults: %w", err)
		}
		c.blank = object(blank, "HostConfig")
	}
	for id, raw := range w.Images {
		image, err := decoded(raw)
		if err != nil {
			return c, fmt.Errorf("reading image %s: %w", id, err)
		}
		c.images[id] = object(image, "Config")
	}
	for _, raw := range w.Volumes {
		v, err := decoded(raw)
		if err != nil {
			return c, err
		}
		c.volumes[text(v, "Name")] = v
	}
	for _, raw := range w.Networks {
		n, err := decoded(raw)
		if err != nil {
			return c, err
		}
		c.networkIDs[text(n, "Name")] = append(c.networkIDs[text(n, "Name")], text(n, "Id"))
	}
	return c, nil
}
