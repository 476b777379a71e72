package review

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/stack"
)

// imageComparison compares what a service runs.
type imageComparison struct{ *serviceComparison }

// pinned splits a reference into what it names and its digest.
func pinned(reference string) (name, digest string) {
	name, digest, _ = strings.Cut(reference, "@")
	return name, digest
}

// registry returns the host that an image comes from.
func registry(reference string) string {
	first, _, ok := strings.Cut(reference, "/")
	if ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first
	}
	return "docker.io"
}

func (s imageComparison) image() {
	s.reference()
	if !sameBuild(s.old.Build, s.new.Build) {
		s.change(Change{Rule: RuleImage, What: "build", Old: buildText(s.old.Build), New: buildText(s.new.Build), Key: "build", Reason: "the image is built differently"})
	}
	if s.old.Preset != s.new.Preset {
		s.change(Change{Rule: RuleImage, What: "preset", Old: s.old.Preset, New: s.new.Preset, Key: "preset", Reason: "the preset has different defaults; their effects are listed"})
	}
}

func (s imageComparison) reference() {
	if s.old.Image == s.new.Image {
		return
	}
	oldName, oldDigest := pinned(s.old.Image)
	newName, newDigest := pinned(s.new.Image)
	c := Change{Rule: RuleImage, Control: "HSE-IMG-001", What: "image", Old: s.old.Image, New: s.new.Image, Key: "image", Reason: "a different image runs"}
	switch {
	case oldDigest != "" && newDigest == "":
		c.Direction, c.Severity, c.Reason = Weaker, finding.High, "the image is no longer pinned by its digest: the same name can become another image"
	case oldDigest == "" && newDigest != "":
		c.Direction, c.Severity, c.Reason = Stronger, finding.High, "the image is pinned by its digest"
	case registry(oldName) != registry(newName):
		c.Severity, c.Reason = finding.Medium, "the image comes from another registry"
	case oldDigest == newDigest:
	case bytes.Contains(s.head.Lock, []byte(newDigest)):
		c.Reason = "a different digest, which is in the lock"
	default:
		c.Severity, c.Reason = finding.Medium, "a different digest, which is not in the lock"
	}
	s.change(c)
}

func sameBuild(a, b *stack.Build) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Context == b.Context && a.Dockerfile == b.Dockerfile && a.Target == b.Target && maps.Equal(a.Args, b.Args)
}

// buildText names the arguments without their values: they may contain a secret.
func buildText(b *stack.Build) string {
	if b == nil {
		return ""
	}
	text := b.Context + "/" + b.Dockerfile
	if b.Target != "" {
		text += " target " + b.Target
	}
	if len(b.Args) > 0 {
		text += " with " + strings.Join(slices.Sorted(maps.Keys(b.Args)), ", ")
	}
	return text
}

// rest notes what has no bearing on the posture by itself. Values of variables are never shown.
func (s imageComparison) rest() {
	if !slices.Equal(s.old.Entrypoint, s.new.Entrypoint) {
		s.change(Change{Rule: RuleOther, Control: "HSE-SEC-004", What: "entry point", Old: words(s.old.Entrypoint), New: words(s.new.Entrypoint), Key: "entrypoint", Reason: "the program starts differently"})
	}
	if !slices.Equal(s.old.Command, s.new.Command) {
		s.change(Change{Rule: RuleOther, Control: "HSE-SEC-004", What: "command", Old: words(s.old.Command), New: words(s.new.Command), Key: "command", Reason: "the program starts differently"})
	}
	if s.old.Hostname != s.new.Hostname {
		s.change(Change{Rule: RuleOther, What: "host name", Old: s.old.Hostname, New: s.new.Hostname, Key: "hostname", Reason: "the name that the service has for itself"})
	}
	s.named("environment", "variable", variables(s.old), variables(s.new))
	s.named("labels", "label", labels(s.old), labels(s.new))
	s.configs()
}

// words shows a command line, unless one of its words looks like a secret.
func words(list []string) string {
	if policy.SecretArgument(list) {
		return fmt.Sprintf("%d words, one looks like a secret", len(list))
	}
	return strings.Join(list, " ")
}

func variables(s stack.Service) map[string]string {
	out := map[string]string{}
	for _, v := range s.Environment {
		out[v.Name] = "value " + v.Value
		if v.Required {
			out[v.Name] = "required"
		}
		if v.Default != nil {
			out[v.Name] = "default " + *v.Default
		}
	}
	return out
}

func labels(s stack.Service) map[string]string {
	out := map[string]string{}
	for _, l := range s.Labels {
		out[l.Name] = l.Value
	}
	return out
}

// configs names the files that hsectl writes for a service. What is in them follows from what other rows name.
func (s imageComparison) configs() {
	in := func(list []stack.ConfigFile, f stack.ConfigFile) bool {
		return slices.ContainsFunc(list, func(other stack.ConfigFile) bool { return other.Path == f.Path })
	}
	for _, f := range s.new.Configs {
		if !in(s.old.Configs, f) {
			s.change(Change{Rule: RuleOther, What: "configuration file", New: f.Path, Reason: "it is written for the service now"})
		}
	}
	for _, f := range s.old.Configs {
		if !in(s.new.Configs, f) {
			s.change(Change{Rule: RuleOther, What: "configuration file", Old: f.Path, Reason: "it is no longer written"})
		}
	}
}

func (s imageComparison) named(key, noun string, old, now map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		was, had := old[name]
		switch {
		case !had:
			s.change(Change{Rule: RuleOther, What: noun, New: name, Key: key + "." + name, Reason: "it is set now"})
		case was != now[name]:
			s.change(Change{Rule: RuleOther, What: noun, Old: name, New: name, Key: key + "." + name, Reason: "it has another value"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, has := now[name]; !has {
			s.change(Change{Rule: RuleOther, What: noun, Old: name, Key: key, Reason: "it is no longer set"})
		}
	}
}
