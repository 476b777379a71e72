package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/generate"
)

// ResourceChange is a network whose options change. An engine cannot change them: the network is removed and made anew, which
// takes down every service on it.
type ResourceChange struct {
	Kind     string   `json:"kind"` // network
	Name     string   `json:"name"`
	Causes   []string `json:"causes"`
	Services []string `json:"services"` // that it takes down, sorted
}

// Changed is a network or a volume that is not as the last release had it rendered.
type Changed struct {
	Resource string  `json:"resource"`
	Fields   []Drift `json:"fields"`
}

// changedResources are the networks and volumes that differ from what the last release had rendered, sorted.
func changedResources(o Observed) []Changed {
	var out []Changed
	for _, name := range slices.Sorted(maps.Keys(o.Resources)) {
		c := Changed{Resource: name}
		for _, d := range o.Resources[name] {
			c.Fields = append(c.Fields, Drift{Field: d.Path, Running: d.Got, Release: d.Want})
		}
		out = append(out, c)
	}
	return out
}

func (r ResourceChange) cause() string {
	return fmt.Sprintf("%s %s is recreated: %s", r.Kind, r.Name, strings.Join(r.Causes, "; "))
}

// OptionsError is a volume whose options change while the engine keeps its data under the old ones.
type OptionsError struct {
	Volume   string // on the engine
	Key      string // in the profile
	Causes   []string
	Services []string
}

// Error implements error.
func (e *OptionsError) Error() string {
	return fmt.Sprintf("volume %s exists with other options, and an engine cannot change them (%s); %s would lose or miss its data",
		e.Volume, strings.Join(e.Causes, "; "), strings.Join(e.Services, ", "))
}

// resources are the networks that are made anew. A volume that would have to be is an OptionsError, for its data would be lost.
func (c comparison) resources() ([]ResourceChange, error) {
	if c.desired.Last == nil {
		return nil, nil
	}
	var out []ResourceChange
	for _, name := range slices.Sorted(maps.Keys(c.was.nodes.Networks)) {
		before, after := c.was.nodes.Networks[name], c.want.nodes.Networks[name]
		if after == nil || before["external"] == "true" || after["external"] == "true" {
			continue // gone, or not ours to make
		}
		if causes := generate.Differences(before, after, nil); len(causes) > 0 {
			out = append(out, ResourceChange{Kind: "network", Name: name, Causes: causes, Services: c.users(c.was.nodes.Joins, name)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.was.nodes.Volumes)) {
		before, after := c.was.nodes.Volumes[name], c.want.nodes.Volumes[name]
		if after == nil || generate.Versioned(name) || after["external"] == "true" {
			continue
		}
		onEngine := c.want.project.Volumes[name].Name
		causes := generate.Differences(before, after, func(path string) bool { return !strings.HasPrefix(path, "driver") })
		if _, exists := c.observed.Volumes[onEngine]; exists && len(causes) > 0 {
			return nil, &OptionsError{Volume: onEngine, Key: name, Causes: causes, Services: c.users(c.was.nodes.Mounts, name)}
		}
	}
	return out, nil
}

// users are the running services that use a network or a volume.
func (c comparison) users(of map[string][]string, name string) []string {
	var out []string
	for _, service := range slices.Sorted(maps.Keys(of)) {
		if slices.Contains(of[service], name) && len(c.observed.Running[service]) > 0 {
			out = append(out, service)
		}
	}
	return out
}
