package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/stack"
)

// accessComparison compares what a service may read, write and do.
type accessComparison struct{ *serviceComparison }

func (u userText) String() string {
	if u.UID < 0 {
		return "only the image knows"
	}
	return fmt.Sprintf("%d:%d", u.UID, u.GID)
}

type userText stack.User

func (s accessComparison) user() {
	if s.old.User == s.new.User {
		return
	}
	c := Change{Rule: RuleUser, Control: "HSE-USR-001", What: "user", Old: userText(s.old.User).String(), New: userText(s.new.User).String(), Key: "user",
		Reason: "another user runs the service"}
	kept := len(s.old.Volumes()) > 0 && len(s.new.Volumes()) > 0
	switch {
	case s.new.User.UID < 0 && s.old.User.UID > 0:
		c.Direction, c.Severity, c.Reason = Weaker, finding.High, "the image decides now, and most images run as root"
	case s.new.User.UID < 0:
		c.Severity, c.Reason = finding.Medium, "the image decides now, and most images run as root"
	case s.old.User.UID < 0 && s.new.User.UID > 0:
		c.Direction, c.Severity, c.Reason = Stronger, finding.High, "it is certain now that the service does not run as root"
	case s.new.User.UID == 0 && s.old.User.UID != 0:
		c.Direction, c.Severity, c.Reason = Weaker, finding.High, "the service runs as root: root on the host as soon as one layer of isolation fails"
	case s.old.User.UID == 0 && s.new.User.UID != 0:
		c.Direction, c.Severity, c.Reason = Stronger, finding.High, "the service no longer runs as root"
	case s.new.User.GID == 0 && s.old.User.GID != 0:
		c.Direction, c.Severity, c.Control, c.Reason = Weaker, finding.Medium, "HSE-USR-002", "files of the image often grant more to group 0 than to others"
	case s.old.User.GID == 0 && s.new.User.GID != 0:
		c.Direction, c.Severity, c.Control, c.Reason = Stronger, finding.Medium, "HSE-USR-002", "the service no longer has the group root"
	case kept:
		c.Severity, c.Reason = finding.Medium, "the files in its volumes belong to the old user and must be handed over"
	}
	if kept && c.Severity != finding.Medium {
		c.Reason += "; the files in its volumes belong to the old user"
	}
	s.change(c)
}

// many is how many capabilities without a reason of their own are one row: the engine's own set has 14.
const many = 5

func (s accessComparison) capabilities() {
	old, now := capabilityNames(s.old), capabilityNames(s.new)
	gained, lost := s.withoutReason(old, now), s.withoutReason(now, old)
	for _, set := range []struct {
		names     []string
		direction Direction
	}{{gained, Weaker}, {lost, Stronger}} {
		if len(set.names) < many {
			continue
		}
		c := Change{Rule: RuleGrant, Control: "HSE-CAP-001", Direction: set.direction, Severity: finding.High, What: "capabilities", Key: "capabilities",
			Old: strings.Join(set.names, ", "), Reason: "the service does without them"}
		if set.direction == Weaker {
			c.Old, c.New, c.Reason = "", c.Old, "the engine gives them to every service that does not drop them"
		}
		if slices.Contains(set.names, "SYS_ADMIN") {
			c.Severity = finding.Critical
		}
		s.change(c)
	}
	for i, c := range s.new.Capabilities {
		key := fmt.Sprintf("capabilities[%d]", i)
		switch {
		case slices.Contains(old, c.Name):
			if reason := reasonOf(s.old, c.Name); reason != c.Reason {
				s.change(Change{Rule: RuleGrant, Control: "HSE-CAP-001", What: "reason for capability " + c.Name, Old: reason, New: c.Reason, Key: key,
					Reason: "the capability is as before"})
			}
		case len(gained) < many || !slices.Contains(gained, c.Name):
			s.gained(key, c)
		}
	}
	for _, name := range old {
		if !slices.Contains(now, name) && (len(lost) < many || !slices.Contains(lost, name)) {
			s.change(Change{Rule: RuleGrant, Control: "HSE-CAP-001", Direction: Stronger, Severity: finding.High, What: "capability", Old: name, Key: "capabilities",
				Reason: "the service does without it"})
		}
	}
}

func (s accessComparison) gained(key string, c stack.Capability) {
	severity := finding.High
	if policy.Dangerous(c.Name) {
		severity = finding.Critical
	}
	reason := "given because: " + c.Reason
	if c.Reason == "" {
		reason = "given without a reason"
	}
	if from := s.lostBy(c.Name); from != "" {
		reason = fmt.Sprintf("moved here from %s; %s", from, reason)
	}
	s.change(Change{Rule: RuleGrant, Control: "HSE-CAP-001", Direction: Weaker, Severity: severity, What: "capability", New: c.Name, Key: key, Reason: reason})
}

// withoutReason returns the names in the second list that are not in the first, and that have no reason.
func (s accessComparison) withoutReason(known, names []string) []string {
	var out []string
	for _, name := range names {
		if !slices.Contains(known, name) && reasonOf(s.old, name) == "" && reasonOf(s.new, name) == "" {
			out = append(out, name)
		}
	}
	return out
}

func capabilityNames(s stack.Service) []string {
	var out []string
	for _, c := range s.Capabilities {
		out = append(out, c.Name)
	}
	return out
}

func reasonOf(s stack.Service, name string) string {
	for _, c := range s.Capabilities {
		if c.Name == name {
			return c.Reason
		}
	}
	return ""
}

// lostBy returns another service that had the capability and has it no more.
func (s accessComparison) lostBy(name string) string {
	for _, was := range s.base.Stack.Services {
		if was.Name == s.name || !slices.Contains(capabilityNames(was), name) {
			continue
		}
		if is, ok := s.head.Stack.Service(was.Name); !ok || !slices.Contains(capabilityNames(is), name) {
			return was.Name
		}
	}
	return ""
}

// writable pairs paths that are the same, then those of which one holds the other.
func (s accessComparison) writable() {
	gone := map[string]stack.Writable{}
	for _, w := range s.old.Writable {
		gone[w.Path] = w
	}
	var fresh []int
	for i, w := range s.new.Writable {
		if old, ok := gone[w.Path]; ok {
			delete(gone, w.Path)
			s.samePath(i, old, w)
			continue
		}
		fresh = append(fresh, i)
	}
	for _, i := range fresh {
		s.newPath(i, gone)
	}
	for _, w := range s.old.Writable {
		if _, ok := gone[w.Path]; ok {
			s.change(Change{Rule: RuleGrant, Control: "HSE-FS-002", Direction: Stronger, Severity: finding.Medium, What: "writable path", Old: writableText(w), Key: "writable",
				Reason: "the service can no longer write there"})
		}
	}
}

// newPath reports a path that was not writable under this name: wider or narrower than one that is gone, or new.
func (s accessComparison) newPath(i int, gone map[string]stack.Writable) {
	w := s.new.Writable[i]
	c := Change{Rule: RuleGrant, Control: "HSE-FS-002", Direction: Weaker, Severity: finding.Medium, What: "writable path", New: writableText(w),
		Key: fmt.Sprintf("writable[%d]", i), Reason: "one more writable path for an intruder"}
	if s.base.Judged != nil {
		if root, ok := s.judged(s.base, s.old)["HSE-FS-001"]; ok && !root.Proven() && w.Volume == "" {
			c.Direction, c.Severity, c.Reason = Neutral, finding.Info, "everything in the container was writable before"
		}
	}
	var inside []string
	for path := range gone {
		if strings.HasPrefix(path, w.Path+"/") {
			inside = append(inside, path)
		}
		if strings.HasPrefix(w.Path, path+"/") {
			c.Direction, c.Old, c.Reason = Stronger, writableText(gone[path]), "only a part of it is writable now"
			delete(gone, path)
			s.change(c)
			return
		}
	}
	slices.Sort(inside)
	if len(inside) > 0 {
		c.Severity, c.Old, c.Reason = finding.High, strings.Join(inside, ", "), "the parent directory is writable now, and everything else in it"
		for _, path := range inside {
			delete(gone, path)
		}
	}
	s.change(c)
}

func (s accessComparison) samePath(i int, old, now stack.Writable) {
	key := fmt.Sprintf("writable[%d]", i)
	if old.Volume != now.Volume {
		reason := "another volume: the data of the old one is no longer seen"
		if old.Volume == "" || now.Volume == "" {
			reason = "data is kept differently: a tmpfs ends with the container"
		}
		c := Change{Rule: RuleGrant, Control: "HSE-FS-002", Severity: finding.Medium, What: "writable path", Old: writableText(old), New: writableText(now), Key: key, Reason: reason}
		before, sharer := sharer(s.base.Stack, s.name, old.Volume), sharer(s.head.Stack, s.name, now.Volume)
		switch {
		case before == "" && sharer != "":
			c.Direction, c.Reason = Weaker, "the volume is shared with "+sharer+" now"
		case before != "" && sharer == "": // and what becomes of the data still has to be looked at
			s.change(Change{Rule: RuleGrant, Control: "HSE-FS-002", Direction: Stronger, Severity: finding.Medium, What: "sharing of " + now.Path, Old: old.Volume, New: now.Volume, Key: key,
				Reason: "the volume is no longer shared with " + before})
		}
		s.change(c)
		return
	}
	switch {
	case now.Exec && !old.Exec:
		s.change(Change{Rule: RuleGrant, Control: "HSE-FS-002", Direction: Weaker, Severity: finding.Medium, What: "programs on " + now.Path, Old: "noexec", New: "exec", Key: key,
			Reason: "programs that are written there can be run"})
	case old.Exec && !now.Exec:
		s.change(Change{Rule: RuleGrant, Control: "HSE-FS-002", Direction: Stronger, Severity: finding.Medium, What: "programs on " + now.Path, Old: "exec", New: "noexec", Key: key,
			Reason: "nothing written there can be run"})
	}
	s.amount(amount{what: "size of " + now.Path, control: "HSE-FS-002", key: key, old: old.Size.Bytes, new: now.Size.Bytes, oldText: old.Size.Text, newText: now.Size.Text})
	if (s.base.Judged == nil) != (s.head.Judged == nil) {
		return // a Compose file does not say whose a volume is
	}
	followed := old.Owner == s.old.User && now.Owner == s.new.User // said with the user
	if old.Mode != now.Mode || old.Owner != now.Owner && !followed {
		c := Change{Rule: RuleGrant, Control: "HSE-FS-002", What: "owner of " + now.Path, Old: ownerText(old), New: ownerText(now), Key: key, Reason: "the directory has a different owner or mode"}
		if extra := now.Mode &^ old.Mode & 0o077; extra != 0 {
			c.Direction, c.Severity, c.Reason = Weaker, finding.Low, "users other than the owner may do more there"
		} else if old.Mode&^now.Mode&0o077 != 0 && old.Owner == now.Owner {
			c.Direction, c.Severity, c.Reason = Stronger, finding.Low, "users other than the owner may do less there"
		}
		s.change(c)
	}
}

// sharer returns another service of a stack that writes the volume.
func sharer(of stack.Stack, service, volume string) string {
	if volume == "" {
		return ""
	}
	for _, other := range of.Services {
		if other.Name != service && slices.ContainsFunc(other.Writable, func(w stack.Writable) bool { return w.Volume == volume }) {
			return other.Name
		}
	}
	return ""
}

func writableText(w stack.Writable) string {
	text := w.Path + " (volume " + w.Volume + ")"
	switch {
	case w.Volume == "" && w.Size.Bytes == 0:
		text = w.Path + " (tmpfs without a size)"
	case w.Volume == "":
		text = w.Path + " (tmpfs " + w.Size.Text + ")"
	case strings.ContainsAny(w.Volume, "/ "):
		text = w.Path + " (" + w.Volume + ")"
	}
	if w.Exec && w.Volume == "" {
		text += ", exec"
	}
	return text
}

func ownerText(w stack.Writable) string { return fmt.Sprintf("%s %04o", userText(w.Owner), w.Mode) }

func (s accessComparison) secretUses() {
	for i, use := range s.new.Secrets {
		if slices.ContainsFunc(s.old.Secrets, func(u stack.SecretFile) bool { return u.Name == use.Name }) {
			continue
		}
		c := Change{Rule: RuleGrant, Control: "HSE-SEC-002", What: "secret", New: use.Name, Key: fmt.Sprintf("secrets[%d]", i), Reason: "the secret is new in this stack"}
		if slices.ContainsFunc(s.base.Stack.Secrets, func(x stack.Secret) bool { return x.Name == use.Name }) {
			c.Direction, c.Severity, c.Reason = Weaker, finding.High, "one more service reads a secret that was there before"
		}
		s.change(c)
	}
	for _, use := range s.old.Secrets {
		if !slices.ContainsFunc(s.new.Secrets, func(u stack.SecretFile) bool { return u.Name == use.Name }) {
			s.change(Change{Rule: RuleGrant, Control: "HSE-SEC-002", Direction: Stronger, Severity: finding.Medium, What: "secret", Old: use.Name, Key: "secrets",
				Reason: "the service no longer reads it"})
		}
	}
}

// hostPaths says which paths of the host the service may read now, and which no more. The reason may change freely.
func (s accessComparison) hostPaths() {
	in := func(list []stack.HostPath, p stack.HostPath) bool {
		return slices.ContainsFunc(list, func(h stack.HostPath) bool { return h.Host == p.Host && h.Path == p.Path })
	}
	for i, h := range s.new.HostPaths {
		if !in(s.old.HostPaths, h) {
			s.change(Change{Rule: RuleGrant, Control: "HSE-FS-003", Direction: Weaker, Severity: finding.Critical, What: "path of the host", New: h.Host,
				Key: fmt.Sprintf("host_paths[%d]", i), Reason: "given because: " + h.Why})
		}
	}
	for _, h := range s.old.HostPaths {
		if !in(s.new.HostPaths, h) {
			s.change(Change{Rule: RuleGrant, Control: "HSE-FS-003", Direction: Stronger, Severity: finding.Critical, What: "path of the host", Old: h.Host, Key: "host_paths",
				Reason: "the service does without it"})
		}
	}
}
