package verify

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/verify/kernel"
)

// home is the place of a container that has each kind of namespace for itself, but for users.
func home(word string) kernel.Home {
	h := kernel.Home{ID: strings.Repeat(word, 64)[:64], Place: place("2"), Machine: place("1")}
	h.Place.Namespaces["user"] = h.Machine.Namespaces["user"]
	h.Place.Groups, h.Machine.Groups = "4:memory:/docker/"+h.ID+"\n0::/\n", "4:memory:/\n0::/\n"
	return h
}

// place has namespaces of one number.
func place(number string) kernel.Place {
	p := kernel.Place{Namespaces: map[string]string{}}
	for _, kind := range kernel.Kinds() {
		p.Namespaces[kind] = kind + ":[" + number + "]"
	}
	return p
}

// A process in just one of the namespaces of a container, of whatever kind, is found, and so is one in a control group of it. The kinds are
// those that are read, so that none can be forgotten.
func TestStrangersInEachNamespace(t *testing.T) {
	t.Parallel()
	s := parse(t, small)
	for _, kind := range kernel.Kinds() {
		c := container(s)
		h := home("c0ffee")
		h.Place.Namespaces["user"] = "user:[2]" // an engine that maps users
		p := kernel.Process{PID: 4711, Name: "nsenter", Place: place("1")}
		p.Place.Namespaces[kind], p.Place.Groups = h.Place.Namespaces[kind], h.Machine.Groups
		c.Dump.Machine = &Machine{Home: h, Strangers: []kernel.Process{p}}
		f := byControl(judged(t, s, c).Findings)["HSE-NS-007"]
		if f.Status != finding.Fail || f.Detail != "nsenter is in its "+kind+" namespace" {
			t.Errorf("%s: %s: %s", kind, f.Status, f.Detail)
		}
	}
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	s := parse(t, small)
	h := home("c0ffee")
	other := strings.Repeat("beef", 16)
	in := func(groups string, inside bool, kinds ...string) kernel.Process {
		p := kernel.Process{PID: 4711, Name: "x", Place: place("1"), Inside: inside}
		for _, kind := range kinds {
			p.Place.Namespaces[kind] = h.Place.Namespaces[kind]
		}
		p.Place.Groups = groups
		return p
	}
	sharing := Resident{ID: other, Namespaces: map[string][]string{h.ID: {"network"}}}
	for name, c := range map[string]struct {
		process   kernel.Process
		residents []Resident
		want      string // nothing is none of it
	}{
		"its own":                           {in(h.Place.Groups, true, "pid", "net", "mnt"), nil, ""},
		"its own, in a network of its own":  {in(h.Place.Groups, true, "pid", "mnt"), nil, ""},
		"its own, in a group below":         {in("4:memory:/docker/"+h.ID+"/init\n0::/\n", true, "pid"), nil, ""},
		"another one":                       {in(h.Machine.Groups, false), nil, ""},
		"entered, with a shell of the host": {in(h.Machine.Groups, true, "pid", "net", "mnt", "uts", "ipc"), nil, "x is in its namespaces pid, ipc, uts, net, mnt, and not in its control group"},
		"in its control group only":         {in(h.Place.Groups, false), nil, "x is in its control group"},
		"in its network and its group":      {in(h.Place.Groups, false, "net"), nil, "x is in its net namespace and its control group"},
		"a container that shares it":        {in("4:memory:/docker/"+other+"\n0::/\n", false, "net"), []Resident{sharing}, ""},
		"a container that shares more":      {in("4:memory:/docker/"+other+"\n0::/\n", false, "net", "ipc"), []Resident{sharing}, "x is in its ipc namespace"},
		"a container that is not listed":    {in("4:memory:/docker/"+other+"\n0::/\n", false, "net"), nil, "x is in its net namespace"},
		"a probe of ours":                   {in("4:memory:/docker/"+other+"\n0::/\n", true, "pid", "net"), []Resident{{ID: other, Own: true}}, ""},
		"what says that it is a probe":      {in("4:memory:/docker/"+other+"\n0::/\n", true, "pid", "net"), []Resident{{ID: other, Role: "probe"}}, "x is in its namespaces pid, net, and not in its control group"},
		"another group with its name in it": {in("4:memory:/docker/"+h.ID+"x\n0::/\n", false), nil, ""},
		"borrowed from another container":   {in("4:memory:/docker/"+other+"\n0::/\n", false, "net"), []Resident{{ID: h.ID, Namespaces: map[string][]string{other: {"network"}}}, {ID: other}}, ""},
		"both of a third one":               {in("4:memory:/docker/"+other+"\n0::/\n", false, "net"), []Resident{{ID: h.ID, Namespaces: map[string][]string{"third": {"network"}}}, {ID: other, Namespaces: map[string][]string{"third": {"network"}}}}, ""},
	} {
		container := container(s)
		container.Dump.Machine = &Machine{Home: h, Strangers: []kernel.Process{c.process}}
		got := strangers(container, c.residents, nil)
		if !got.Known() || strings.Join(got.Value, "; ") != c.want {
			t.Errorf("%s: %q, %s", name, got.Value, got.Why)
		}
	}
}

// Where something was not seen nothing passes, and where nothing was to be seen nothing is said.
func TestUnseenStrangers(t *testing.T) {
	t.Parallel()
	s := parse(t, small)
	for name, c := range map[string]struct {
		change func(*Container)
		err    error
		want   finding.Status
	}{
		"the machine has too many processes": {func(c *Container) { c.Dump.Unfinished = map[string]string{LookMachine: "too many"} }, nil, finding.Unknown},
		"a namespace that is closed":         {func(c *Container) { delete(c.Dump.Machine.Home.Place.Namespaces, "net") }, nil, finding.Unknown},
		"no list of containers":              {func(*Container) {}, errors.New("no answer"), finding.Unknown},
		"all of it":                          {func(*Container) {}, nil, finding.Pass},
	} {
		container := container(s)
		c.change(&container)
		container.Engine.Strangers = strangers(container, nil, c.err)
		in := s.Intent(s.Services[0])
		if f := judgeOne(t, "HSE-NS-007", facts(container), in); f.Status != c.want {
			t.Errorf("%s: %s: %s", name, f.Status, f.Detail)
		}
	}
	c := container(s)
	c.Dump.Machine = nil
	if _, said := byControl(judged(t, s, c).Findings)["HSE-NS-007"]; said {
		t.Error("a probe next to the container speaks of the machine")
	}
}

// What appears in a running container is found by its control, and what could not be seen of that is unknown.
func TestIntrusions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*Container)
		control string
		status  finding.Status
		detail  string
	}{
		"a UDP port":               {func(c *Container) { udp(c, "00000000:0035", "07") }, "HSE-NET-007", finding.Fail, "port 53/udp is open but not declared"},
		"a client":                 {func(c *Container) { udp(c, "00000000:C000", "07") }, "HSE-NET-007", finding.Pass, ""},
		"above those of clients":   {func(c *Container) { udp(c, "00000000:FFFF", "07") }, "HSE-NET-007", finding.Fail, "port 65535/udp"},
		"an answer is waited for":  {func(c *Container) { udp(c, "00000000:0035", "01") }, "HSE-NET-007", finding.Pass, ""},
		"the engine's resolver":    {func(c *Container) { udp(c, "0B00007F:0035", "07") }, "HSE-NET-007", finding.Pass, ""},
		"a table without end":      {func(c *Container) { c.Dump.Processes[0].Unread = []string{"net/udp6"} }, "HSE-NET-007", finding.Unknown, "the UDP sockets"},
		"no table":                 {func(c *Container) { delete(c.Dump.Processes[0].Files, "net/udp") }, "HSE-NET-007", finding.Unknown, "the UDP sockets"},
		"setuid":                   {rights(0o104755, false), "HSE-FS-012", finding.Fail, "/data/x, with mode 4755, may be run with the rights of its owner or its group"},
		"capabilities":             {rights(0o100755, true), "HSE-FS-012", finding.Fail, "/data/x, with mode 0755, gives capabilities"},
		"a device file":            {rights(0o060660, false), "HSE-FS-012", finding.Fail, "/data/x, with mode 0660, is a device"},
		"a million files":          {func(c *Container) { c.Dump.Unfinished = map[string]string{LookSpecial: "too many"} }, "HSE-FS-012", finding.Unknown, "too many"},
		"closed":                   {func(c *Container) { c.Dump.Barred = "denied" }, "HSE-FS-012", finding.Unknown, "denied"},
		"a disk":                   {func(c *Container) { c.Dump.Nodes = []kernel.Node{{Path: "/dev/sda", Kind: "b", Major: 8}} }, "HSE-KRN-011", finding.Drift, "/dev/sda is device b 8:0"},
		"too many nodes":           {func(c *Container) { c.Dump.Unfinished = map[string]string{LookNodes: "too many"} }, "HSE-KRN-011", finding.Unknown, "too many"},
		"another owner":            {func(c *Container) { c.Dump.Tops[0].UID = 0 }, "HSE-FS-013", finding.Drift, "/data belongs to 0:1000, not to 1000:1000"},
		"everybody may write":      {func(c *Container) { c.Dump.Tops[0].Mode = 0o777 }, "HSE-FS-013", finding.Drift, "/data has mode 0777, not 0700"},
		"as the image made it":     {func(c *Container) { c.Dump.Tops[0].Mode, c.Dump.Tops[0].GID = 0o755, 0 }, "HSE-FS-013", finding.Pass, ""},
		"a volume that is not met": {func(c *Container) { c.Dump.Tops = nil }, "HSE-FS-013", finding.Unknown, "/data"},
		"another name":             {func(c *Container) { c.Dump.Names.Files[kernel.HostsFile] += "10.0.0.9 db\n" }, "HSE-NET-012", finding.Drift, "/etc/hosts line 2: db is 10.0.0.9"},
		"a file that is closed":    {func(c *Container) { delete(c.Dump.Names.Files, kernel.ResolverFile) }, "HSE-NET-012", finding.Unknown, ""},
		"routes that are not told": {func(c *Container) { delete(c.Dump.Wires, "routes6") }, "HSE-NET-011", finding.Unknown, "routes6"},
		"too many routes":          {func(c *Container) { c.Dump.Unfinished = map[string]string{LookWires: "too long"} }, "HSE-NET-011", finding.Unknown, "too long"},
		"no rules at all":          {func(c *Container) { c.Dump.Wires["rules"] = []byte{1, 2, 3} }, "HSE-NET-011", finding.Unknown, ""},
	} {
		s := parse(t, small)
		changed := container(s)
		c.change(&changed)
		f := byControl(judged(t, s, changed).Findings)[c.control]
		if f.Status != c.status || !strings.Contains(f.Detail, c.detail) {
			t.Errorf("%s: %s is %s: %s", name, c.control, f.Status, f.Detail)
		}
	}
}

// A container has rules for devices where its control groups are those of version 1. An engine without root makes no group, and then the
// rules of the machine's are not the container's.
func TestRulesForDevices(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("c0ffee00", 8)
	for name, c := range map[string]struct {
		groups, rules string
		want          finding.Status
	}{
		"its own":            {"5:devices:/docker/" + id + "\n", "c 1:3 rwm\n", finding.Pass},
		"all devices":        {"5:devices:/docker/" + id + "\n", "a *:* rwm\n", finding.Drift},
		"rules that are not": {"5:devices:/docker/" + id + "\n", "", finding.Unknown},
		"without root":       {"5:devices:/user.slice\n", "a *:* rwm\n", finding.Pass},
		"version 2":          {"0::/docker/" + id + "\n", "", finding.Pass},
	} {
		s := parse(t, small)
		changed := container(s)
		changed.Dump.Processes[0].Files["cgroup"] = c.groups
		if c.rules != "" {
			changed.Dump.Cgroup["devices.list"] = c.rules
		}
		if f := byControl(judged(t, s, changed).Findings)["HSE-KRN-011"]; f.Status != c.want {
			t.Errorf("%s: %s: %s", name, f.Status, f.Detail)
		}
	}
}

func udp(c *Container, address, state string) {
	c.Dump.Processes[0].Files["net/udp"] += "1: " + address + " 00000000:0000 " + state + "\n"
}

func rights(mode uint32, capabilities bool) func(*Container) {
	return func(c *Container) {
		c.Dump.Special = []Special{{Path: "/data/x", Mode: mode, Capabilities: capabilities}}
	}
}

// What deploy has prepared must be just so.
func TestPreparedVolumes(t *testing.T) {
	t.Parallel()
	s := parse(t, small)
	for mode, want := range map[int]finding.Status{0o700: finding.Pass, 0o755: finding.Fail, 0o500: finding.Fail} {
		c := container(s)
		c.Prepared, c.Dump.Tops[0].Mode = true, mode
		if f := judgeOne(t, "HSE-FS-013", facts(c), s.Intent(s.Services[0])); f.Status != want {
			t.Errorf("%04o: %s: %s", mode, f.Status, f.Detail)
		}
	}
}

func TestGivesRights(t *testing.T) {
	t.Parallel()
	for mode, want := range map[uint32]bool{0o100755: false, 0o104755: true, 0o102755: true, 0o102644: false, 0o042755: false, 0o020666: true, 0o060660: true, 0o120777: false, 0o140777: false} {
		if GivesRights(mode) != want {
			t.Errorf("%o: %v", mode, !want)
		}
	}
}

// Each field of a mount of a container that is another one is found, or it is written down here why not. The fields are those that are read,
// so that none can be forgotten.
func TestEachFieldOfAMountCounts(t *testing.T) {
	t.Parallel()
	exempt := map[string]string{
		"source": "a name that whoever mounts it chooses: what is mounted is told by the kind and the root",
		"super":  "options of the file system, which the mount's own say again where they limit it; the size of a tmpfs is judged",
	}
	change := map[string]func(*mountPoint){
		"root": func(m *mountPoint) { m.root = "/elsewhere" }, "path": func(m *mountPoint) { m.path = "/elsewhere" },
		"options": func(m *mountPoint) { m.options = []string{map[bool]string{true: "rw", false: "ro"}[m.has("ro")]} },
		"shared":  func(m *mountPoint) { m.shared = true }, "kind": func(m *mountPoint) { m.kind = "fuse" },
	}
	// Where a field of a mount says nothing, and why.
	silent := func(field string, m mountPoint) string {
		file := ofEngine(m.path) || m.path == "/data" || m.path == "/run/secrets"
		switch {
		case field == "kind" && file:
			return "whatever file system the engine's directory is on"
		case field == "shared" && m.path != "/data" && m.path != "/tmp":
			return "nothing can be mounted on it: it is the kernel's own, or a file"
		case m.path == "/" && field != "options" && field != "path":
			return "the layers are the engine's to choose; the image is judged by its id"
		case m.root == "/null" && field == "options":
			return "writing to the null device is nothing"
		case m.path == "/run/secrets":
			return "the engine of this test was not asked for it"
		}
		return ""
	}
	s := parse(t, small)
	table, err := parseMountinfo(container(s).Dump.Processes[0].Files["mountinfo"])
	if err != nil {
		t.Fatal(err)
	}
	of := reflect.TypeFor[mountPoint]()
	for i := range of.NumField() {
		field := of.Field(i).Name
		if (change[field] == nil) == (exempt[field] == "") {
			t.Errorf("field %s of a mount is neither changed nor exempt", field)
			continue
		}
		if change[field] == nil {
			continue
		}
		found := 0
		for j := range table {
			if silent(field, table[j]) != "" {
				continue
			}
			changed := slices.Clone(table)
			change[field](&changed[j])
			c := container(s)
			c.Engine.Mounts.Value[0].Volume, c.Engine.Mounts.Value[0].Local = "shop_data", true
			c.Engine.Masked = policy.Seen([]string{"/proc/kcore", "/proc/keys", "/proc/acpi", "/sys/firmware"}, finding.Applied)
			c.Dump.Processes[0].Files["mountinfo"] = mountText(changed)
			if finding.Proven(judged(t, s, c).Findings) {
				t.Errorf("%s of %s is another one, and nothing is found", field, table[j].path)
			}
			found++
		}
		if found == 0 {
			t.Errorf("%s was never changed", field)
		}
	}
}

// mountText is a table as the kernel prints it.
func mountText(table []mountPoint) string {
	var out strings.Builder
	for i, m := range table {
		shared := ""
		if m.shared {
			shared = " shared:1"
		}
		fmt.Fprintf(&out, "%d 1 0:%d %s %s %s%s - %s %s %s\n", i+2, i, m.root, m.path, strings.Join(m.options, ","), shared, m.kind, m.source, strings.Join(m.super, ","))
	}
	return out.String()
}

func judgeOne(t *testing.T, id string, f policy.Facts, in policy.Intent) finding.Finding {
	t.Helper()
	return byControl(controls.Check(f, in, true))[id]
}
