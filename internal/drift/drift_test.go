package drift_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/drift"
)

// seen is what a real engine was asked for, and what it said of what it made.
type seen struct {
	Requests   drift.Requests               `json:"requests"`
	World      drift.World                  `json:"world"`
	Containers map[string]json.RawMessage   `json:"containers"`
	Networks   map[string][]json.RawMessage `json:"networks"`
	Volumes    map[string]json.RawMessage   `json:"volumes"`

	drift.Comparison `json:"-"`
}

func engines(t testing.TB) map[string]seen {
	t.Helper()
	out := map[string]seen{}
	for _, name := range []string{"engine20", "engine29"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var s seen
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		if s.Comparison, err = s.Requests.Against(s.World); err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

func serviceOf(t testing.TB, raw json.RawMessage) string {
	t.Helper()
	var c struct {
		Config struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c.Config.Labels["com.docker.compose.service"]
}

// What two engines made of a stack is what they were asked for: nothing differs that the table does not name.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	for name, s := range engines(t) {
		if len(s.Containers) != 4 || len(s.Networks) != 3 || len(s.Volumes) != 2 {
			t.Fatalf("%s: %d containers, %d networks, %d volumes", name, len(s.Containers), len(s.Networks), len(s.Volumes))
		}
		for c, raw := range s.Containers {
			if found, err := s.Comparison.Container(serviceOf(t, raw), raw); err != nil || len(found) > 0 {
				t.Errorf("%s %s: %v, %v", name, c, found, err)
			}
		}
		for network, raws := range s.Networks {
			for _, raw := range raws {
				if found, err := s.Comparison.Network(network, raw); err != nil || len(found) > 0 {
					t.Errorf("%s %s: %v, %v", name, network, found, err)
				}
			}
		}
		for volume, raw := range s.Volumes {
			if found, err := s.Comparison.Volume(volume, raw); err != nil || len(found) > 0 {
				t.Errorf("%s %s: %v, %v", name, volume, found, err)
			}
		}
	}
}

// edit changes a document: a path of keys, and the value to put there. A number after a key is an item of a list; + appends.
func edit(t testing.TB, raw json.RawMessage, path string, value any) json.RawMessage {
	t.Helper()
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	doc = put(doc, strings.Split(path, "/"), value)
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// put changes a part of a document. The path takes ~ for a slash.
func put(doc any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	key := strings.ReplaceAll(path[0], "~", "/")
	if key == "+" {
		items, _ := doc.([]any)
		return append(slices.Clone(items), put(nil, path[1:], value))
	}
	if items, ok := doc.([]any); ok {
		out := slices.Clone(items)
		out[key[0]-'0'] = put(out[key[0]-'0'], path[1:], value)
		return out
	}
	out := map[string]any{}
	if fields, ok := doc.(map[string]any); ok {
		for k, v := range fields {
			out[k] = v
		}
	}
	out[key] = put(out[key], path[1:], value)
	if value == nil && len(path) == 1 {
		delete(out, key)
	}
	return out
}

// One change each, in words.
func TestChanges(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path  string
		value any
		want  string
	}{
		"another command":         {"Config/Cmd", []string{"--save", "1"}, `Config.Cmd: ["--save","1"], not ["--save","","--appendonly","no"]`},
		"an added variable":       {"Config/Env/+", "LD_PRELOAD=/x.so", `Config.Env[LD_PRELOAD]: "/x.so" is there and was not rendered`},
		"an empty variable":       {"Config/Env/+", "DEBUG=", `Config.Env[DEBUG] is there and was not rendered`},
		"a variable twice":        {"Config/Env/+", "MODE=debug", `Config.Env[MODE #2]: "debug" is there and was not rendered`},
		"a secret":                {"Config/Env/+", "DB_PASSWORD=hunter2-hunter2", `Config.Env[DB_PASSWORD]: a value that is not shown is there and was not rendered`},
		"a trivial test":          {"Config/Healthcheck/Test", []string{"CMD", "true"}, `Config.Healthcheck.Test: ["CMD","true"], not ["CMD","redis-cli","ping"]`},
		"a peer's name":           {"HostConfig/ExtraHosts/+", "web:10.0.0.9", `HostConfig.ExtraHosts[web:10.0.0.9] is there and was not rendered`},
		"a host's directory":      {"HostConfig/Binds/+", "/proc:/x", `HostConfig.Mounts[/x]: {"Source":"/proc","Type":"bind"} is there and was not rendered`},
		"an unrequested mount":    {"Mounts/+", map[string]any{"Type": "bind", "Source": "/root", "Destination": "/data/x", "RW": true}, `Mounts[/data/x]: {"Destination":"/data/x","RW":true,"Source":"/root","Type":"bind"} is there and was not rendered`},
		"another volume":          {"Mounts/0/Source", "/proc", `Mounts[/data].Source: "/proc", not "/var/lib/docker/data/volumes/shop_data/_data"`},
		"a writable secret":       {"Mounts/1/RW", true, `Mounts[/run/secrets].RW: true is there and was not rendered`},
		"an alias":                {"NetworkSettings/Networks/shop_backend/Aliases/+", "web", `NetworkSettings.Networks[shop_backend].Aliases[web] is there and was not rendered`},
		"another network":         {"NetworkSettings/Networks/bridge", map[string]any{}, `NetworkSettings.Networks[bridge] is there and was not rendered`},
		"a network left":          {"NetworkSettings/Networks/shop_backend", nil, `NetworkSettings.Networks[shop_backend]: `},
		"a network's namesake":    {"NetworkSettings/Networks/shop_backend/NetworkID", strings.Repeat("f", 64), `NetworkSettings.Networks[shop_backend].NetworkID: "ffff`},
		"shared memory":           {"HostConfig/ShmSize", 1 << 30, `HostConfig.ShmSize: 1073741824, not 67108864`},
		"a limit":                 {"HostConfig/Ulimits/+", map[string]any{"Name": "memlock", "Hard": -1, "Soft": -1}, `HostConfig.Ulimits[memlock]: {"Hard":-1,"Name":"memlock","Soft":-1} is there and was not rendered`},
		"another user name":       {"Config/User", "redis", `Config.User: "redis", not "999:999"`},
		"a restart policy":        {"HostConfig/RestartPolicy/Name", "always", `HostConfig.RestartPolicy.Name: "always", not "unless-stopped"`},
		"a label":                 {"Config/Labels/traefik.enable", "true", `Config.Labels[traefik.enable]: "true" is there and was not rendered`},
		"tmpfs options":           {"HostConfig/Tmpfs/~tmp", "rw,exec", `HostConfig.Tmpfs[/tmp]: "rw,exec", not "rw,noexec,nosuid,nodev,size=8m,uid=999,gid=999,mode=0700"`},
		"a tmpfs without options": {"HostConfig/Tmpfs/~x", "", `HostConfig.Tmpfs[/x] is there and was not rendered`},
		"a resolver":              {"HostConfig/Dns", []string{"10.0.0.9"}, `HostConfig.Dns: ["10.0.0.9"] is there and was not rendered`},
		"an image":                {"Image", "sha256:" + strings.Repeat("a", 64), `Image: "sha256:aaaa`},
		"an unmasked path":        {"HostConfig/MaskedPaths", []string{"/proc/acpi"}, `HostConfig.MaskedPaths[/proc/kcore] was rendered and is missing`},
		"a field of tomorrow":     {"HostConfig/EscapeHatch", true, `HostConfig.EscapeHatch: true is there and was not rendered`},
		"another name":            {"Name", "/shop-web-9", `Name: "/shop-web-9", not "/shop-cache-1"`},
		"another program":         {"Path", "/bin/sh", `Path: "/bin/sh", not "redis-server"`},
		"a terminal's trick":      {"Config/Env/+", "A\x1b[2J\u202e=b", `Config.Env[A\x1b[2J\u202e]: "b" is there and was not rendered`},
	} {
		for engine, s := range engines(t) {
			found, err := s.Comparison.Container("cache", edit(t, s.Containers["/shop-cache-1"], tt.path, tt.value))
			if err != nil || !slices.ContainsFunc(found, func(d drift.Difference) bool { return strings.HasPrefix(d.String(), tt.want) }) {
				t.Errorf("%s on %s: %v, %v", name, engine, found, err)
			}
			if strings.Contains(text(found), "hunter2") {
				t.Errorf("%s: the secret is shown", name)
			}
		}
	}
}

func text(found []drift.Difference) string {
	var out []string
	for _, d := range found {
		out = append(out, d.String())
	}
	return strings.Join(out, "\n")
}

func TestNetworksAndVolumes(t *testing.T) {
	t.Parallel()
	for engine, s := range engines(t) {
		for _, tt := range []struct {
			path  string
			value any
			want  string
		}{
			{"Internal", nil, "Internal: false, not true"},
			{"Attachable", true, "Attachable: true is there and was not rendered"},
			{"Driver", "macvlan", `Driver: "macvlan", not "bridge"`},
			{"EnableIPv6", true, "EnableIPv6: true is there and was not rendered"},
			{"Options/com.docker.network.bridge.gateway_mode_ipv4", "routed", `Options[com.docker.network.bridge.gateway_mode_ipv4]: "routed" is there and was not rendered`},
		} {
			found, err := s.Comparison.Network("shop_back", edit(t, s.Networks["shop_back"][0], tt.path, tt.value))
			if err != nil || text(found) != tt.want {
				t.Errorf("%s: %s, %v", engine, text(found), err)
			}
		}
		for _, volume := range []string{"shop_data", "shop_cache_secrets_1"} {
			found, err := s.Comparison.Volume(volume, edit(t, s.Volumes[volume], "Options", map[string]string{"type": "none", "o": "bind", "device": "/root"}))
			want := `Options[device]: "/root" is there and was not rendered` + "\n" + `Options[o]: "bind" is there and was not rendered` + "\n" + `Options[type]: "none" is there and was not rendered`
			if err != nil || text(found) != want {
				t.Errorf("%s: %s, %v", engine, text(found), err)
			}
		}
		found, err := s.Comparison.Volume("shop_data", edit(t, s.Volumes["shop_data"], "Options", map[string]string{"type": "cifs", "o": "username=shop,password=hunter2-hunter2"}))
		if err != nil || strings.Contains(text(found), "hunter2") || !strings.Contains(text(found), "Options[o]: a value that is not shown is there") {
			t.Errorf("%s: %s, %v", engine, text(found), err)
		}
	}
}

// The defaults of a daemon are what it gives to a container for which nothing was asked, and no drift.
func TestDaemonDefaults(t *testing.T) {
	t.Parallel()
	for engine, s := range engines(t) {
		raw := s.Containers["/shop-cache-1"]
		for path, value := range map[string]any{"HostConfig/ShmSize": 1 << 30, "HostConfig/CgroupnsMode": "private", "HostConfig/LogConfig/Config/compress": "true", "HostConfig/Runtime": "runsc",
			"HostConfig/MaskedPaths": []string{"/proc/acpi"}} {
			changed := edit(t, raw, path, value)
			if found, err := s.Container("cache", changed); err != nil || len(found) == 0 {
				t.Errorf("%s: %s: %v, %v", engine, path, found, err)
			}
			w := s.World
			w.Blank = edit(t, edit(t, raw, path, value), "HostConfig/LogConfig/Config/max-size", "1g")
			with, err := s.Requests.Against(w)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := with.Container("cache", changed); err != nil || len(found) > 0 {
				t.Errorf("%s: %s is the engine's default: %v, %v", engine, path, found, err)
			}
			if found, err := with.Container("cache", raw); err != nil || len(found) == 0 && path != "HostConfig/MaskedPaths" {
				t.Errorf("%s: %s is not the engine's default: %v, %v", engine, path, found, err)
			}
		}
	}
}

// What cannot be read is an error, and never alike.
func FuzzContainer(f *testing.F) {
	for _, s := range engines(f) {
		for _, raw := range s.Containers {
			f.Add([]byte(raw))
		}
	}
	for _, text := range []string{"", "null", "{}", "[]", `{"Config":null,"HostConfig":[]}`, `{"Id":"","Config":{"Env":[1,null,{}],"Labels":{"com.docker.compose.container-number":"-1"}}}`,
		`{"Mounts":[null,1,{"Destination":1}],"NetworkSettings":{"Networks":{"a":null}}}`, `{"HostConfig":{"Binds":["","::",":"],"Mounts":[1,{"Target":3}],"Ulimits":[null]}}`} {
		f.Add([]byte(text))
	}
	all := engines(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, s := range all {
			found, err := s.Comparison.Container("web", raw)
			if err == nil && len(found) == 0 && !same(raw, s.Containers["/shop-web-1"]) {
				var c struct{ Path, Name string }
				if json.Unmarshal(raw, &c) != nil || c.Path != "redis-server" || !strings.HasPrefix(c.Name, "/shop-web-") {
					t.Errorf("garbage is like what was rendered: %s", raw)
				}
			}
			for _, d := range found {
				if strings.ContainsAny(d.String(), "\x00\x1b\n\r\u202e") {
					t.Errorf("not printable: %q", d)
				}
			}
			_, _ = s.Comparison.Network("shop_back", raw)
			_, _ = s.Comparison.Volume("shop_data", raw)
		}
	})
}

func same(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

// A container that was started next to a running one has no dependencies in its label, and one with others is another.
func TestDependenciesOfARollout(t *testing.T) {
	t.Parallel()
	written := regexp.MustCompile(`("com\.docker\.compose\.depends_on": *)"[^"]+"`)
	tried := 0
	for name, s := range engines(t) {
		for c, raw := range s.Containers {
			if !written.Match(raw) {
				continue
			}
			tried++
			for label, differs := range map[string]bool{"": false, "other:service_started:false": true} {
				changed := written.ReplaceAll(raw, []byte(`${1}"`+label+`"`))
				if found, err := s.Comparison.Container(serviceOf(t, raw), changed); err != nil || (len(found) > 0) != differs {
					t.Errorf("%s %s with %q: %v, %v", name, c, label, found, err)
				}
			}
		}
	}
	if tried == 0 {
		t.Error("no container depends on another")
	}
}
