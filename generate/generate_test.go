package generate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/profiles"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const golden = "../testdata/golden/hse-digital"

const head = "apiVersion: hsectl/v1\nkind: Profile\nname: shop\n"

func parse(t testing.TB, text string) stack.Stack {
	t.Helper()
	p, err := parser.Parse([]byte(text), parser.Options{File: "test.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	return stack.New(p)
}

// reference renders the reference profile as `hsectl generate -f profiles/hse-digital.yaml --out build` does.
func reference(t testing.TB) (stack.Stack, []generate.File) {
	t.Helper()
	data, err := os.ReadFile("../profiles/hse-digital.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, string(data))
	return s, render(t, s, generate.Source{Profile: "hse-digital.yaml", Data: data, BuildRoot: "../profiles", Generator: "hsectl"})
}

func render(t testing.TB, s stack.Stack, from generate.Source) []generate.File {
	t.Helper()
	files, err := generate.Render(s, from)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func load(t testing.TB, file []byte, environment map[string]string) *types.Project {
	t.Helper()
	project, err := generate.Load(context.Background(), file, environment)
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	return project
}

func TestGolden(t *testing.T) {
	_, files := reference(t)
	var names []string
	for _, f := range files {
		names = append(names, f.Path)
		path := filepath.Join(golden, f.Path)
		if *update {
			if err := os.WriteFile(path, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Data, want) {
			t.Errorf("%s differs from %s; look at the change, then: go test ./generate -update\n%s", f.Path, path, f.Data)
		}
	}
	if want := []string{generate.ComposeFile, generate.EnvFile, generate.ManifestFile}; !slices.Equal(names, want) {
		t.Errorf("rendered %v", names)
	}
	entries, err := os.ReadDir(golden)
	if err != nil || len(entries) != len(files) {
		t.Errorf("%s holds %d files, %d are rendered (%v)", golden, len(entries), len(files), err)
	}
}

// What plain docker compose makes of the file is the seed document's stack, setting by setting.
func TestTheReferenceAsComposeReadsIt(t *testing.T) {
	_, files := reference(t)
	project := load(t, files[0].Data, nil)
	if project.Name != "hse-digital" || len(project.Services) != 3 {
		t.Fatalf("%s has %d services", project.Name, len(project.Services))
	}
	for name, service := range project.Services {
		if !service.ReadOnly || service.Privileged || service.NetworkMode != "" || service.Pid != "" || service.Ipc != "private" {
			t.Errorf("%s: read_only %t, privileged %t, network_mode %q, pid %q, ipc %q", name, service.ReadOnly, service.Privileged, service.NetworkMode, service.Pid, service.Ipc)
		}
		if !slices.Equal(service.CapDrop, []string{"ALL"}) || !slices.Equal(service.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s: cap_drop %v, security_opt %v", name, service.CapDrop, service.SecurityOpt)
		}
		if service.Restart != "unless-stopped" {
			t.Errorf("%s: restart %s", name, service.Restart)
		}
		if service.Logging.Driver != "json-file" || service.Logging.Options["max-size"] != "10m" || service.Logging.Options["max-file"] != "3" {
			t.Errorf("%s: logging %+v", name, service.Logging)
		}
		if core := service.Ulimits["core"]; core == nil || core.Single != 0 || core.Hard != 0 || service.Ulimits["nofile"].Single != 16384 {
			t.Errorf("%s: ulimits %+v", name, service.Ulimits)
		}
		if service.MemSwapLimit != service.Deploy.Resources.Limits.MemoryBytes {
			t.Errorf("%s: swap of %d beyond %d", name, service.MemSwapLimit, service.Deploy.Resources.Limits.MemoryBytes)
		}
		if len(service.Volumes) == 0 {
			t.Errorf("%s has no volume", name)
		}
		for _, v := range service.Volumes {
			if v.Type != "volume" {
				t.Errorf("%s: %s is a %s", name, v.Target, v.Type)
			}
		}
	}
	for name, network := range project.Networks {
		if name == "backend" && !network.Internal {
			t.Error("backend has a way out")
		}
		if name == "edge" && (network.Internal || network.DriverOpts["com.docker.network.bridge.enable_ip_masquerade"] != "false") {
			t.Errorf("edge: %+v", network)
		}
	}
}

func TestTheReferenceServiceByService(t *testing.T) {
	_, files := reference(t)
	project := load(t, files[0].Data, nil)
	const gib, mib = 1 << 30, 1 << 20
	for _, c := range []struct {
		name, user       string
		capabilities     []string
		cpus, reserved   float32
		memory, reserve  int64
		pids             int64
		signal           string
		grace            time.Duration
		tmpfs            []string
		volumes, secrets []string
		networks         []string
		ports            string
		test             string
	}{
		{"app", "1000:1000", []string{"NET_BIND_SERVICE"}, 2, 1, gib, 512 * mib, 200, "SIGTERM", 30 * time.Second,
			[]string{"/tmp:rw,noexec,nosuid,nodev,size=64m,uid=1000,gid=1000,mode=1777"},
			[]string{"/app/server/public/uploads", "/app/server/public/reports", "/app/logs", "/tmp/app"},
			[]string{"jwt_secret", "refresh_secret", "database_password", "redis_password"},
			[]string{"backend", "edge", "monitoring-backend"}, "127.0.0.1:3001:3001/tcp", "CMD node -e fetch('http://127.0.0.1:3001/api/health')"},
		{"postgres", "999:999", nil, 2, 1, 2 * gib, gib, 300, "SIGINT", 2 * time.Minute,
			[]string{"/run/postgresql:rw,noexec,nosuid,nodev,size=8m,uid=999,gid=999,mode=0755", "/tmp:rw,noexec,nosuid,nodev,size=64m,uid=999,gid=999,mode=1777"},
			[]string{"/var/lib/postgresql"}, []string{"database_password"}, []string{"backend", "monitoring-backend"}, "", "CMD-SHELL pg_isready -h 127.0.0.1"},
		{"redis", "999:999", nil, 1, 0.5, 512 * mib, 256 * mib, 100, "SIGTERM", time.Minute,
			nil, []string{"/data"}, []string{"redis_conf", "redis_password"}, []string{"backend", "monitoring-backend"}, "", "CMD-SHELL REDISCLI_AUTH="},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := project.Services[c.name]
			limits, reserved := s.Deploy.Resources.Limits, s.Deploy.Resources.Reservations
			if s.User != c.user || !slices.Equal(s.CapAdd, c.capabilities) {
				t.Errorf("user %s, cap_add %v", s.User, s.CapAdd)
			}
			if limits.NanoCPUs.Value() != c.cpus || int64(limits.MemoryBytes) != c.memory || limits.Pids != c.pids {
				t.Errorf("limits: %+v", limits)
			}
			if reserved.NanoCPUs.Value() != c.reserved || int64(reserved.MemoryBytes) != c.reserve {
				t.Errorf("reservations: %+v", reserved)
			}
			if s.StopSignal != c.signal || s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) != c.grace {
				t.Errorf("stops by %s in %v", s.StopSignal, s.StopGracePeriod)
			}
			if !slices.Equal(s.Tmpfs, c.tmpfs) {
				t.Errorf("tmpfs: %q", s.Tmpfs)
			}
			var volumes, secrets, ports, networks []string
			for _, v := range s.Volumes {
				volumes = append(volumes, v.Target)
			}
			for _, secret := range s.Secrets {
				secrets = append(secrets, secret.Source)
			}
			for _, p := range s.Ports {
				ports = append(ports, p.HostIP+":"+p.Published+":"+itoa(p.Target)+"/"+p.Protocol)
			}
			for n := range s.Networks {
				networks = append(networks, n)
			}
			slices.Sort(networks)
			if !slices.Equal(volumes, c.volumes) || !slices.Equal(secrets, c.secrets) || !slices.Equal(networks, c.networks) || strings.Join(ports, " ") != c.ports {
				t.Errorf("volumes %v, secrets %v, networks %v, ports %v", volumes, secrets, networks, ports)
			}
			if got := strings.Join(s.HealthCheck.Test, " "); !strings.HasPrefix(got, c.test) {
				t.Errorf("health test: %s", got)
			}
			if h := s.HealthCheck; h.Interval == nil || h.Timeout == nil || h.Retries == nil || h.StartPeriod == nil || *h.Retries < 1 {
				t.Errorf("the health test has no bounds: %+v", h)
			}
		})
	}
	app := project.Services["app"]
	for name, want := range map[string]string{"NODE_OPTIONS": "--max-old-space-size=512 --max-semi-space-size=64", "UV_THREADPOOL_SIZE": "4",
		"JWT_SECRET_FILE": "/run/secrets/jwt_secret", "LOG_LEVEL": "info"} {
		if got := app.Environment[name]; got == nil || *got != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
	for name, d := range app.DependsOn {
		if d.Condition != "service_healthy" || !d.Required {
			t.Errorf("app waits for %s: %+v", name, d)
		}
	}
	if project.Services["postgres"].ShmSize != 512*mib {
		t.Errorf("shm_size is %d", project.Services["postgres"].ShmSize)
	}
}

func itoa(n uint32) string {
	text, _ := json.Marshal(n)
	return string(text)
}

// The same stack gives the same bytes, whatever order the maps of the profile come in.
func TestDeterminism(t *testing.T) {
	_, want := reference(t)
	for range 50 {
		if _, got := reference(t); !reflect.DeepEqual(got, want) {
			t.Fatal("two renderings differ")
		}
	}
	a := "  a: {preset: redis, environment: {X: 1, Y: 2}, labels: {m: 1, n: 2}}\n"
	b := "  b: {preset: redis, build: {context: ., args: {P: 1, Q: 2}}}\n"
	swapped := strings.NewReplacer("{X: 1, Y: 2}", "{Y: 2, X: 1}", "{m: 1, n: 2}", "{n: 2, m: 1}", "{P: 1, Q: 2}", "{Q: 2, P: 1}")
	one := render(t, parse(t, head+"services:\n"+a+b), generate.Source{})
	other := render(t, parse(t, head+"services:\n"+swapped.Replace(b+a)), generate.Source{})
	if !reflect.DeepEqual(one, other) {
		t.Errorf("the order of keys shows:\n%s\n%s", one[0].Data, other[0].Data)
	}
}

// The manifest knows the profile and every file by its digest.
func TestManifest(t *testing.T) {
	_, files := reference(t)
	var m struct {
		APIVersion, Kind, Stack string
		Profile                 struct{ Path, SHA256 string }
		Files                   []struct{ Path, SHA256 string }
	}
	if err := json.Unmarshal(files[2].Data, &m); err != nil {
		t.Fatal(err)
	}
	if m.APIVersion != "hsectl/v1" || m.Kind != "Manifest" || m.Stack != "hse-digital" || m.Profile.Path != "hse-digital.yaml" || len(m.Profile.SHA256) != 64 || len(m.Files) != 2 {
		t.Errorf("got %+v", m)
	}
}

func TestEnvironmentExample(t *testing.T) {
	s := parse(t, head+`services:
  a: {preset: redis, environment: {REGION: {required: true}, LEVEL: {default: info}, FIXED: x}, secrets: [token]}
  b: {preset: redis, environment: {REGION: {required: true}}}
secrets:
  token: {env: TOKEN}
  cert: {file: certs/tls.pem}
  conf: {from: token, format: "key {}"}
`)
	got := string(render(t, s, generate.Source{})[1].Data)
	for _, want := range []string{"\nREGION=\n", "\n#LEVEL=info\n", "./secrets/token from variable TOKEN\n", "./certs/tls.pem from file certs/tls.pem\n", "./secrets/conf from secret token as \"key {}\"\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "FIXED") || strings.Count(got, "REGION=") != 1 {
		t.Errorf("fixed or repeated variables in\n%s", got)
	}
}

// A required variable stops docker compose, too; a default is used when there is no value.
func TestRequiredAndDefaultVariables(t *testing.T) {
	s := parse(t, head+"services:\n  a: {preset: redis, environment: {REGION: {required: true}, LEVEL: {default: info}, EMPTY: {default: \"\"}}}\n")
	file := render(t, s, generate.Source{})[0].Data
	if _, err := generate.Load(context.Background(), file, nil); err == nil || !strings.Contains(err.Error(), "REGION") {
		t.Errorf("without REGION: %v", err)
	}
	environment := load(t, file, map[string]string{"REGION": "north"}).Services["a"].Environment
	if *environment["REGION"] != "north" || *environment["LEVEL"] != "info" || *environment["EMPTY"] != "" {
		t.Errorf("got %v", environment)
	}
	environment = load(t, file, map[string]string{"REGION": "a$b", "LEVEL": "debug", "EMPTY": "x"}).Services["a"].Environment
	if *environment["REGION"] != "a$b" || *environment["LEVEL"] != "debug" || *environment["EMPTY"] != "x" {
		t.Errorf("got %v", environment)
	}
}

// deploy applies the rendered file with recorded changes only: secrets come from volumes, volumes are not filled from
// images, because deploy has prepared them, and nothing is built.
func TestDeliveredChangesOnlyWhatItSays(t *testing.T) {
	s, files := reference(t)
	rendered := load(t, files[0].Data, nil)
	data, err := generate.Delivered(s, generate.Delivery{Secrets: map[string]string{"app": "hse-digital_app_secrets_1", "postgres": "hse-digital_postgres_secrets_1", "redis": "hse-digital_redis_secrets_7"}})
	if err != nil {
		t.Fatal(err)
	}
	delivered := load(t, data, nil)
	if len(delivered.Secrets) != 0 || bytes.Contains(data, []byte("secrets:\n")) {
		t.Errorf("secrets are left: %v", delivered.Secrets)
	}
	for name, got := range delivered.Services {
		want := rendered.Services[name]
		last := got.Volumes[len(got.Volumes)-1]
		if last.Target != "/run/secrets" || !last.ReadOnly || last.Type != "volume" || last.Volume == nil || !last.Volume.NoCopy {
			t.Errorf("%s: the secrets are %+v", name, last)
		}
		if volume := delivered.Volumes[last.Source]; !bool(volume.External) || volume.Name != "hse-digital_"+name+"_secrets_"+map[string]string{"redis": "7"}[name]+map[bool]string{true: "1"}[name != "redis"] {
			t.Errorf("%s: the volume of secrets is %+v", name, volume)
		}
		delete(delivered.Volumes, last.Source)
		got.Volumes, got.Secrets = got.Volumes[:len(got.Volumes)-1], want.Secrets
		got.Build = want.Build
		for i := range got.Volumes {
			if v := got.Volumes[i].Volume; v == nil || !v.NoCopy {
				t.Errorf("%s: the engine fills %s from the image", name, got.Volumes[i].Target)
			}
			got.Volumes[i].Volume = want.Volumes[i].Volume
		}
		a, b := reflect.ValueOf(got), reflect.ValueOf(want)
		for i := range a.NumField() {
			if a.Type().Field(i).IsExported() && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
				t.Errorf("%s: %s is %+v, was %+v", name, a.Type().Field(i).Name, a.Field(i), b.Field(i))
			}
		}
	}
	if !reflect.DeepEqual(delivered.Networks, rendered.Networks) || !reflect.DeepEqual(delivered.Volumes, rendered.Volumes) {
		t.Error("networks or volumes differ")
	}
	again, err := generate.Delivered(s, generate.Delivery{})
	if err != nil || bytes.Contains(again, []byte("/run/secrets\n")) {
		t.Errorf("without a delivery secrets are mounted, or: %v", err)
	}
}

// A root that an exception makes writable is the only thing that changes with it.
func TestWritableRootNeedsAnException(t *testing.T) {
	s := parse(t, head+"services: {a: {preset: redis}, b: {preset: redis}}\nexceptions: [{control: HSE-FS-001, service: a, reason: legacy, expires: 2027-01-01}]\n")
	project := load(t, render(t, s, generate.Source{})[0].Data, nil)
	if project.Services["a"].ReadOnly || !project.Services["b"].ReadOnly {
		t.Error("read_only does not follow the exception")
	}
}

// Every key a profile can have is something docker compose accepts.
func TestEveryKeyIsAccepted(t *testing.T) {
	matches, err := filepath.Glob("../testdata/profiles/valid-*.yaml")
	if err != nil || len(matches) == 0 {
		t.Fatal(matches, err)
	}
	for _, path := range matches {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := render(t, parse(t, string(data)), generate.Source{Profile: filepath.Base(path)})
		project := load(t, files[0].Data, map[string]string{"REGION": "x"})
		web, ok := project.Services["web"]
		if !ok {
			continue
		}
		var ports []string
		for _, p := range web.Ports {
			ports = append(ports, p.HostIP+" "+p.Published+" "+p.Protocol)
		}
		if want := []string{"127.0.0.1 8080 tcp", "0.0.0.0 443 tcp", "127.0.0.1 53 udp", "::1 9000 tcp"}; !slices.Equal(ports, want) {
			t.Errorf("ports: %q", ports)
		}
		if web.Build.Dockerfile != "docker/Dockerfile" || web.Build.Target != "production" || *web.Build.Args["RELEASE"] != "7" {
			t.Errorf("build: %+v", web.Build)
		}
		if !slices.Equal(web.Command, []string{"node", "server.js", "--port", "8080"}) || web.Hostname != "web" {
			t.Errorf("command %q, host name %s", web.Command, web.Hostname)
		}
		if d := web.DependsOn["job"]; d.Condition != "service_completed_successfully" {
			t.Errorf("waits for the job: %+v", d)
		}
		if n := project.Networks["partners"]; !bool(n.External) {
			t.Errorf("partners: %+v", n)
		}
	}
}

func TestLoadRefusesWhatComposeDoes(t *testing.T) {
	for _, text := range []string{"services: {a: {imge: x}}", "services: [", "services: {a: {image: x, depends_on: [b]}}"} {
		if _, err := generate.Load(context.Background(), []byte(text), nil); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A backup with a schedule becomes a line for cron, and none makes no file.
func TestCronFile(t *testing.T) {
	const text = head + "services: {db: {preset: redis}}\nvolumes: {db-data: {backup: {to: /backups, schedule: \"15 3 * * 1-5\"}}}\n"
	i := slices.IndexFunc(render(t, parse(t, text), generate.Source{Profile: "a/shop.yaml"}), func(f generate.File) bool { return f.Path == generate.CronFile })
	if i < 0 {
		t.Fatal("no file for cron")
	}
	got := string(render(t, parse(t, text), generate.Source{Profile: "a/shop.yaml"})[i].Data)
	if !strings.Contains(got, "\n15 3 * * 1-5 root hsectl backup db-data\n") || !strings.Contains(got, "HSECTL_FILE=/etc/hsectl/shop.yaml\n") {
		t.Errorf("got:\n%s", got)
	}
	chosen := generate.Source{Profile: "a/shop.yaml", Choices: []string{"--env prod", "--profiles *", "--set x=5%"}}
	if got = string(render(t, parse(t, text), chosen)[i].Data); !strings.Contains(got, ` root hsectl backup db-data --env prod --profiles "*" --set "x=5\%"`+"\n") {
		t.Errorf("the flags of the profile: got:\n%s", got)
	}
	for _, f := range render(t, parse(t, strings.Replace(text, ", schedule: \"15 3 * * 1-5\"", "", 1)), generate.Source{}) {
		if f.Path == generate.CronFile {
			t.Error("a file for cron without a schedule")
		}
	}
}

// The rules of the firewall let in whom the profile names, by the port that was come to, and leave everything else alone.
func TestFirewallFiles(t *testing.T) {
	const text = head + `services: {web: {preset: redis, ports: ["0.0.0.0:443:6379"], networks: [edge]}}
networks: {edge: {publish: true}}
firewall: [{port: 443, from: [10.0.0.0/8, "2001:db8::/32"]}]
`
	want := map[string][]string{
		generate.IptablesFile:  {"*filter\n:HSECTL-shop - [0:0]\n", "-A HSECTL-shop -s 10.0.0.0/8 -p tcp -m conntrack --ctstate DNAT --ctorigdstport 443 --ctdir ORIGINAL -j RETURN\n-A HSECTL-shop -p tcp -m conntrack --ctstate DNAT --ctorigdstport 443 --ctdir ORIGINAL -j DROP\nCOMMIT\n"},
		generate.Ip6tablesFile: {"-A HSECTL-shop -s 2001:db8::/32 -p tcp -m conntrack --ctstate DNAT --ctorigdstport 443 --ctdir ORIGINAL -j RETURN\n-A HSECTL-shop -p tcp"},
		generate.NftablesFile:  {"table inet hsectl-shop {\n", "\t\tip saddr 10.0.0.0/8 meta l4proto tcp ct status dnat ct original proto-dst 443 accept\n\t\tip6 saddr 2001:db8::/32 ", " ct original proto-dst 443 drop\n"},
	}
	for _, f := range render(t, parse(t, text), generate.Source{Profile: "shop.yaml"}) {
		for _, part := range want[f.Path] {
			if !strings.Contains(string(f.Data), part) {
				t.Errorf("%s lacks %q:\n%s", f.Path, part, f.Data)
			}
		}
		delete(want, f.Path)
	}
	if len(want) > 0 {
		t.Errorf("not rendered: %v", want)
	}
	six := strings.NewReplacer("0.0.0.0:443:6379", "[::]:443:6379").Replace(text)
	want = map[string][]string{
		generate.IptablesFile:  {"-A HSECTL-shop -s 10.0.0.0/8 "},
		generate.Ip6tablesFile: {"ip6tables -I INPUT -j HSECTL6-shop\n", ":HSECTL6-shop - [0:0]\n", "-A HSECTL6-shop -s 2001:db8::/32 -p tcp -m tcp --dport 443 -j RETURN\n-A HSECTL6-shop -p tcp -m tcp --dport 443 -j DROP\nCOMMIT\n"},
		generate.NftablesFile:  {"\tchain input {\n\t\ttype filter hook input priority filter - 1;", "\t\tip6 saddr 2001:db8::/32 meta nfproto ipv6 tcp dport 443 accept\n\t\tmeta nfproto ipv6 tcp dport 443 drop\n"},
	}
	for _, f := range render(t, parse(t, six), generate.Source{Profile: "shop.yaml"}) {
		for _, part := range want[f.Path] {
			if !strings.Contains(string(f.Data), part) {
				t.Errorf("%s lacks %q:\n%s", f.Path, part, f.Data)
			}
		}
	}
	loop := strings.NewReplacer("[\"0.0.0.0:443:6379\"]", "[\"127.0.0.1:8080:6379\"]", "port: 443, from: [10.0.0.0/8, \"2001:db8::/32\"]", "port: 8080, from: [127.0.0.0/8]").Replace(text)
	want = map[string][]string{
		generate.IptablesFile: {"--ctstate RELATED,ESTABLISHED -j RETURN\n-A HSECTL-shop -p tcp -m conntrack --ctstate DNAT --ctorigdst 127.0.0.1 --ctorigdstport 8080 --ctdir ORIGINAL -j DROP\n" +
			"-A HSECTL-shop ! -i br-+ -o br-+ -p tcp -m tcp --dport 6379 -m conntrack ! --ctstate DNAT -j DROP\nCOMMIT\n"},
		generate.Ip6tablesFile: {"-j RETURN\n:HSECTL6-shop"},
		generate.NftablesFile: {"\t\tmeta l4proto tcp ct status dnat ct original ip daddr 127.0.0.1 ct original proto-dst 8080 drop\n\t\tct status dnat accept\n" +
			"\t\tiifname != \"br-*\" oifname \"br-*\" tcp dport 6379 drop\n\t}\n}\n"},
	}
	for _, f := range render(t, parse(t, loop), generate.Source{Profile: "shop.yaml"}) {
		for _, part := range want[f.Path] {
			if !strings.Contains(string(f.Data), part) {
				t.Errorf("%s lacks %q:\n%s", f.Path, part, f.Data)
			}
		}
		delete(want, f.Path)
	}
	if len(want) > 0 {
		t.Errorf("not rendered: %v", want)
	}
	long := strings.Replace(text, "name: shop", "name: "+strings.Repeat("a", 50), 1)
	for _, f := range render(t, parse(t, long), generate.Source{}) {
		if f.Path == generate.IptablesFile && !regexp.MustCompile(`(?m)^:HSECTL-[a-z0-9-]{20} - `).Match(f.Data) ||
			f.Path == generate.Ip6tablesFile && !regexp.MustCompile(`(?m)^:HSECTL6-[a-z0-9-]{20} - `).Match(f.Data) {
			t.Errorf("the kernel takes 28 characters:\n%s", f.Data)
		}
	}
}
