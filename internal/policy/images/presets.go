package images

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

var (
	numericUser = regexp.MustCompile(`^\d+:\d+$`)
	fileOf      = regexp.MustCompile(`(PASSWORD|PASS|SECRET|TOKEN|USER|USERNAME)_FILE$`)
)

// presets are the mistakes that break well-known images once they are hardened. They judge what is written: a running
// container shows what became of it.
func presets() []policy.Control {
	row := func(n int, title string, severity finding.Severity, key string) policy.Control {
		return policy.Control{ID: fmt.Sprintf("HSE-PRE-%03d", n), Title: title, Severity: severity, Key: key, Static: true}
	}
	with := func(c policy.Control, why, remedy string, judge func(policy.Facts, policy.Intent) policy.Verdict) policy.Control {
		c.Rationale, c.Remedy, c.Predicate = why, remedy, judge
		c.References = []string{"NIST SP 800-190 4.4.3"}
		return c
	}
	return []policy.Control{
		with(row(1, "A tmpfs has an owner and a size, and may run programs where the image must", finding.Medium, "writable"),
			"Engines disagree about the mode of a tmpfs without an owner; Java images run libraries that they unpack to /tmp.",
			"write tmpfs: with a size under writable:, and exec: true on /tmp of a Java image", ownedTmpfs),
		with(row(2, "The user is a number with a group", finding.Medium, "user"),
			"Names resolve differently in each variant of an image, and a user without a group runs with group 0.",
			`write user: "uid:gid"`, writtenUser),
		with(row(3, "A service that starts as root can be stopped and restarted", finding.High, "capabilities"),
			"Entry points that change the user fail at the second start, or cannot pass the stop signal on, without a few capabilities.",
			"set user: to the image's own user; then no capability is needed", rootStart),
		with(row(4, "A program keeps its file capability", finding.High, "capabilities"),
			"The kernel refuses to start a program whose file capability is not in the bounding set, even for root.",
			"add the capability with its reason, or name the preset of the image", fileCapability),
		with(row(5, "An image that silently stays root has a user", finding.High, "user"),
			"Redis 8 skips its change of user when it has no capability for it, and runs on as root.",
			"set user:", silentRoot),
		with(row(6, "Secrets are delivered in a way that the image and the engine support", finding.Medium, "secrets"),
			"Compose refuses secrets that are not files on a read-only service; some images stop at a variable that ends in _FILE.",
			"use files, and the image's own way to read them: hsectl presets NAME", secretWays),
		with(row(7, "The health test can run in the image", finding.Medium, "health"),
			"A test whose tool is missing never passes, and blocks every service that waits for it.",
			"use the test of the preset: hsectl presets NAME", runnableTest),
		with(row(8, "The image gets the grace period, host name and data path that it needs", finding.Medium, "shutdown"),
			"A database that is killed recovers at its next start; RabbitMQ and Kafka lose data that they wrote to the wrong place.",
			"raise shutdown.grace, or set what the detail names", imageNeeds),
		with(row(9, "The image is still maintained", finding.Medium, "image"),
			"A tag that moves changes without notice, and one that is no longer built gets no security updates.",
			"use the image of the preset: hsectl presets NAME", livingImage),
		with(row(10, "A data store or console is not open to the world", finding.High, "ports"),
			"Databases, caches, brokers and the consoles that command them are found by scanners within minutes.",
			"publish its port on 127.0.0.1 only, or not at all", closedStore),
		with(row(11, "The target supports what is declared", finding.Medium, ""),
			"docker stack deploy drops security options and short tmpfs entries without an error.",
			"deploy with hsectl or docker compose", takenByTarget),
		with(row(12, "Volumes belong to the user that writes them", finding.Medium, "writable"),
			"A volume at a path that the image does not have is made for root.",
			"deploy with hsectl, which prepares volumes, or add the path to the image", ownedVolumes),
		with(row(13, "No setting lets anyone in without a login", finding.High, "environment"),
			"A login that is switched off for a test stays so, and every neighbour on the network can use it.",
			"remove the setting, and give the program a password as a secret: hsectl presets NAME", openDoors),
		with(row(14, "The data is mounted where this version keeps it", finding.High, "writable"),
			"With its volume at the path of another version, a database does not start, or starts with an empty one that the next deploy loses.",
			"mount the volume at the path that the detail names; data of an older version must be migrated first", rightPath),
	}
}

// text returns the declaration and what is known about the image.
func text(f policy.Facts, in policy.Intent) (policy.Declaration, string, traits) {
	name, k := lookUp(f.Image.Value.Reference, in.Preset)
	return f.Declaration.Value, name, k
}

// all passes unless something is wrong.
func all(f policy.Facts, wrong []string, ok string) policy.Verdict {
	if len(wrong) > 0 {
		return policy.Fail(f.Declaration.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(f.Declaration.Tier, "%s", ok)
}

func ownedTmpfs(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	_, name, k := text(f, in)
	var wrong []string
	for _, m := range f.Mounts.Value {
		if m.Kind != "tmpfs" {
			continue
		}
		if !m.Owned && in.UID != 0 {
			wrong = append(wrong, m.Path+" has no uid and gid")
		}
		if m.Size == 0 {
			wrong = append(wrong, m.Path+" has no size")
		}
		if k.RunsTmp && m.Path == "/tmp" && !m.Exec {
			wrong = append(wrong, name+" must run programs from /tmp")
		}
	}
	return all(f, wrong, "every tmpfs has an owner and a size")
}

func writtenUser(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Declaration.Known() {
		return policy.Unknown(f.Declaration, "the text of the service")
	}
	switch user := f.Declaration.Value.User; {
	case user == "":
		return policy.NotApplicable(f.Declaration.Tier, "no user is written: HSE-USR-001 judges the image's own")
	case !numericUser.MatchString(user):
		return policy.Fail(f.Declaration.Tier, "the user %q is not a number with a group", user)
	default:
		if known := Lookup(f.Image.Value.Reference); known.User != "" && known.User != user && slices.Contains(known.Others, user) {
			return policy.Fail(f.Declaration.Tier, "the user %s is that of another variant of the image: in this one it is %s", user, known.User)
		}
	}
	return policy.Pass(f.Declaration.Tier, "user %s", f.Declaration.Value.User)
}

func rootStart(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Declaration.Known() || !f.Stop.Known() {
		return policy.Unknown(f.Declaration, "the text of the service")
	}
	d, name, k := text(f, in)
	root := d.User == "" || d.User == "0" || strings.HasPrefix(d.User, "0:") || d.User == "root"
	if why := rebuilt(f, in); root && why != "" {
		return policy.Undetermined(why)
	}
	if !root || k.Root == nil {
		return policy.Pass(f.Declaration.Tier, "the image does not change its user")
	}
	needed := slices.Clone(k.Root)
	if in.Bounding()&policy.CapabilityMask("DAC_OVERRIDE") != 0 {
		needed = slices.DeleteFunc(needed, func(c string) bool { return c == "DAC_READ_SEARCH" })
	}
	if f.Stop.Value.Init {
		needed = append(needed, "KILL") // the init is root, what it must signal is not
	}
	if lack := policy.CapabilityMask(needed...) &^ in.Bounding(); lack != 0 {
		return policy.Fail(f.Declaration.Tier, "%s starts as root and lacks %s", name, policy.CapabilityNames(lack))
	}
	return policy.Pass(f.Declaration.Tier, "%s has what it needs to change its user", name)
}

func fileCapability(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Environment.Known() {
		return policy.Unknown(f.Environment, "the environment")
	}
	_, name, k := text(f, in)
	if why := rebuilt(f, in); why != "" && in.Bounding() == 0 {
		return policy.Undetermined(why)
	}
	skips := slices.ContainsFunc(f.Environment.Value, func(v policy.Variable) bool { return v.Name == "SKIP_SETCAP" && v.Value != "" })
	if k.FileCapability == "" || skips || in.Bounding()&policy.CapabilityMask(k.FileCapability) != 0 {
		return policy.Pass(f.Environment.Tier, "no file capability is taken away")
	}
	return policy.Fail(f.Environment.Tier, "the program of %s carries %s and does not start without it", name, k.FileCapability)
}

func silentRoot(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Declaration.Known() {
		return policy.Unknown(f.Declaration, "the text of the service")
	}
	d, name, k := text(f, in)
	if k.StaysRoot && d.User == "" && in.Bounding()&policy.CapabilityMask("SETUID", "SETGID") == 0 {
		return policy.Fail(f.Declaration.Tier, "%s keeps running as root when it cannot change its user", name)
	}
	if why := rebuilt(f, in); d.User == "" && why != "" {
		return policy.Undetermined(why)
	}
	return policy.Pass(f.Declaration.Tier, "the user does not depend on the entry point")
}

func secretWays(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Declaration.Known() || !f.Environment.Known() {
		return policy.Unknown(f.Declaration, "the text of the service")
	}
	d, name, k := text(f, in)
	var wrong []string
	if f.RootReadOnly.Value {
		for _, secret := range d.Loose {
			wrong = append(wrong, secret+" is not a file, and the root is read-only")
		}
	}
	if why := rebuilt(f, in); why != "" && slices.ContainsFunc(f.Environment.Value, func(v policy.Variable) bool { return fileOf.MatchString(v.Name) }) {
		return policy.Undetermined(why)
	}
	for _, v := range f.Environment.Value {
		if k.NoFiles && fileOf.MatchString(v.Name) {
			wrong = append(wrong, fmt.Sprintf("%s does not read %s", name, v.Name))
		}
	}
	return all(f, wrong, "the image takes its secrets as they are given")
}

func runnableTest(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Health.Known() {
		return policy.Unknown(f.Health, "the health test")
	}
	d, name, k := text(f, in)
	test := f.Health.Value.Test
	var wrong []string
	for _, service := range d.Waits {
		wrong = append(wrong, "it waits for "+service+" to be healthy, which has no test")
	}
	if len(test) > 1 && test[0] != "NONE" {
		words := strings.FieldsFunc(strings.Join(test[1:], " "), func(r rune) bool { return strings.ContainsRune(" ;|&()$'\"`=", r) })
		if tool := firstAddressOnly(words, name, f.Image.Value.Reference); tool != "" && strings.Contains(strings.Join(test, " "), "localhost") {
			wrong = append(wrong, tool+" of this image tries the first address of localhost only, which may be ::1 while the service listens on 127.0.0.1")
		}
		if k.NoShell && test[0] == "CMD-SHELL" {
			wrong = append(wrong, name+" has no shell")
		}
		for _, tool := range k.Lacks {
			if slices.ContainsFunc(words, func(w string) bool { return path.Base(w) == tool }) {
				wrong = append(wrong, name+" has no "+tool)
			}
		}
	}
	if name == "" && len(wrong) == 0 {
		return policy.Pass(f.Health.Tier, "nothing is wrong with it; the tools of the image are not known")
	}
	return all(f, wrong, "the image has what the test needs")
}

func imageNeeds(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Stop.Known() || !f.Declaration.Known() || !f.Environment.Known() {
		return policy.Unknown(f.Stop, "the text of the service")
	}
	d, name, k := text(f, in)
	wrong := misplaced(f)
	if f.Stop.Value.Grace < k.Grace.Duration {
		wrong = append(wrong, fmt.Sprintf("%s needs %s to stop, and gets %s", name, k.Grace, f.Stop.Value.Grace))
	}
	if k.Hostname && d.Hostname == "" {
		wrong = append(wrong, name+" keeps its data under its host name, which is not fixed")
	}
	if k.Variable != "" && !slices.ContainsFunc(f.Environment.Value, func(v policy.Variable) bool { return v.Name == k.Variable }) {
		wrong = append(wrong, name+" writes its data to /tmp without "+k.Variable)
	}
	if why := rebuilt(f, in); why != "" && len(wrong) == 0 {
		return policy.Undetermined(why)
	}
	return all(f, wrong, "the image gets what it needs")
}

// misplaced says which mount lies where the image of another version has its data.
func misplaced(f policy.Facts) []string {
	known := Lookup(f.Image.Value.Reference)
	if !f.Mounts.Known() || known.Data == "" {
		return nil
	}
	at := func(p string) bool {
		return slices.ContainsFunc(f.Mounts.Value, func(m policy.Mount) bool { return m.Writable && path.Clean(m.Path) == p })
	}
	var wrong []string
	for _, elsewhere := range known.Elsewhere {
		switch {
		case at(known.Data) || !at(elsewhere):
		case strings.HasPrefix(elsewhere, known.Data+"/"):
			wrong = append(wrong, fmt.Sprintf("%s of this version keeps its data at %s, and does not start with a mount at %s: upgrade the data first, see hsectl presets %s", known.Preset, known.Data, elsewhere, known.Preset))
		default:
			wrong = append(wrong, fmt.Sprintf("%s of this version keeps its data at %s, which the image declares as a volume: below the mount at %s it is lost with its container", known.Preset, known.Data, elsewhere))
		}
	}
	return wrong
}

// livingImage wants an image that is still made, under a tag that stays. What is known of a well-known image may be out of date;
// of any other nothing is known that could be.
func livingImage(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Image.Known() {
		return policy.Unknown(f.Image, "the image")
	}
	reference := f.Image.Value.Reference
	repository, tag := splitReference(reference)
	if why := in.Images.Why(repository, tag); why != "" {
		return policy.Fail(f.Image.Tier, "%s: %s", reference, why)
	}
	name, _ := lookUp(reference, "")
	switch stale := in.Images.Data.Stale(in.Today); {
	case name != "" && !strings.Contains(reference, "@sha256:") && (tag == "" || tag == "latest"):
		return policy.Fail(f.Image.Tier, "%s: the tag moves from version to version", reference)
	case stale != "" && (name != "" || in.Images.Mentions(repository)):
		return policy.Undetermined(fmt.Sprintf("whether %s is still maintained: %s", reference, stale))
	}
	return policy.Pass(f.Image.Tier, "%s", reference)
}

func closedStore(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Ports.Known() {
		return policy.Unknown(f.Ports, "the published ports")
	}
	_, name, k := text(f, in)
	repository, _ := splitReference(f.Image.Value.Reference)
	if program := namesake(repository); name == "" && program != "" {
		name, k = program, wellKnown().Images[program]
	}
	if slices.Contains(consoles(), repository) {
		name, k.Store = cmp.Or(name, path.Base(repository)), true
	}
	if !k.Store {
		return policy.NotApplicable(f.Ports.Tier, "the service is not known to be a data store or a console")
	}
	var wrong []string
	for _, p := range f.Ports.Value {
		if p.Public() {
			wrong = append(wrong, p.String()+" opens "+name+" to every network of the host")
		}
	}
	if len(wrong) > 0 {
		return policy.Fail(f.Ports.Tier, "%s", strings.Join(wrong, "; "))
	}
	return policy.Pass(f.Ports.Tier, "no port of %s is published to the world", name)
}

// rightPath wants a mount where the version of an image keeps its data, and none where another version does.
func rightPath(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Mounts.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	known := Lookup(f.Image.Value.Reference)
	if known.Data == "" {
		return policy.NotApplicable(f.Mounts.Tier, "where the image keeps data is not known")
	}
	moved := slices.ContainsFunc(f.Environment.Value, func(v policy.Variable) bool { return v.Name == "PGDATA" })
	for _, m := range f.Mounts.Value {
		if m.Kind == "tmpfs" || moved || !slices.Contains(known.Elsewhere, m.Path) || slices.ContainsFunc(f.Mounts.Value, func(o policy.Mount) bool { return o.Path == known.Data }) {
			continue
		}
		return policy.Fail(f.Mounts.Tier, "%s keeps its data at %s, and the volume is at %s, the path of another version", f.Image.Value.Reference, known.Data, m.Path)
	}
	return policy.Pass(f.Mounts.Tier, "no volume is at the path of another version")
}

// firstAddressOnly returns the program of a health test that gives up when the first address of a name does not answer: those of
// BusyBox. Most clients try all.
func firstAddressOnly(words []string, name, reference string) string {
	_, tag := splitReference(reference)
	busybox := strings.Contains(tag, "alpine") || strings.Contains(tag, "busybox") ||
		slices.Contains([]string{"prometheus", "alertmanager", "node-exporter", "blackbox-exporter", "caddy", "traefik", "vault", "cadvisor"}, name)
	i := slices.IndexFunc(words, func(w string) bool { return path.Base(w) == "wget" || path.Base(w) == "nc" })
	if !busybox || i < 0 {
		return ""
	}
	return path.Base(words[i])
}

// dropped are the keys that docker stack deploy leaves out, with a notice or without one (docker/cli, cli/compose).
func dropped() []string {
	return []string{"security_opt", "tmpfs", "shm_size", "depends_on", "ipc", "mem_limit", "memswap_limit", "pids_limit", "cpus"}
}

func takenByTarget(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Declaration.Known() {
		return policy.Unknown(f.Declaration, "the text of the service")
	}
	d := f.Declaration.Value
	if d.Target != "swarm" {
		return policy.NotApplicable(f.Declaration.Tier, "the target is Compose, which supports all of it")
	}
	var wrong []string
	for _, key := range d.Keys {
		if slices.Contains(dropped(), key) {
			wrong = append(wrong, key+" is dropped by Swarm")
		}
	}
	return all(f, wrong, "Swarm supports every key")
}

func ownedVolumes(f policy.Facts, in policy.Intent) policy.Verdict {
	if !f.Mounts.Known() || !f.Declaration.Known() {
		return policy.Unknown(f.Mounts, "the mounts")
	}
	d, name, k := text(f, in)
	if d.Prepared {
		return policy.Pass(f.Declaration.Tier, "deploy hands every volume to its user")
	}
	var wrong []string
	for _, m := range f.Mounts.Value {
		if m.Kind == "volume" && in.UID != 0 && slices.Contains(k.Missing, m.Path) {
			wrong = append(wrong, name+" does not have "+m.Path+", so the volume belongs to root")
		}
	}
	if name == "" && len(f.Mounts.Value) > 0 && len(wrong) == 0 {
		return policy.NotApplicable(f.Declaration.Tier, "the paths of the image are not known")
	}
	return all(f, wrong, "the image has the path of every volume")
}
