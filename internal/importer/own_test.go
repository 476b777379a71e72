package importer

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/internal/composefile"
	"github.com/hsectl/hsectl/internal/composefile/resources"
	"github.com/hsectl/hsectl/internal/image/facts"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/witness"
	"github.com/hsectl/hsectl/profiles"
)

// taken is a Compose file that was taken in: the draft, and the services as they are rendered.
type taken struct {
	draft    Draft
	services types.Services
	before   types.Services
}

func takeIn(t *testing.T, text string, change func(*Target)) taken {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "compose.yml")
	if err := os.WriteFile(path, []byte("name: shop\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := composefile.Load(t.Context(), composefile.Source{Files: []string{path}, Read: fromDisk, AsWritten: true})
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Dir: dir, Source: "compose.yml", Today: today, Library: profiles.Library{}}
	if change != nil {
		change(&target)
	}
	d, err := Profile(p, target)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range d.Problems {
		t.Errorf("%v", problem)
	}
	if t.Failed() {
		t.Fatalf("the profile is\n%s", d.Text)
	}
	return taken{d, rendered(t, p, map[string]string{}, d, dir).Types().Services, p.Types().Services}
}

// asBefore wants that nothing is enforced that the file does not ask for.
func asBefore(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	if s.User != "" || s.ReadOnly || len(s.CapDrop) > 0 || s.StopSignal != "" || s.MemLimit > 0 || s.CPUS > 0 || s.Deploy != nil && s.Deploy.Resources.Limits != nil {
		t.Errorf("%s: user %q, read-only %v, dropped %v, stopped by %q, limits %v %v", s.Name, s.User, s.ReadOnly, s.CapDrop, s.StopSignal, s.MemLimit, s.CPUS)
	}
}

// confined wants all that a known service has.
func confined(t *testing.T, s types.ServiceConfig, user string) {
	t.Helper()
	if s.User != user || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !policy.SecurityOptions(s.SecurityOpt).NoNewPrivileges() {
		t.Errorf("%s: user %q, read-only %v, dropped %v, %v", s.Name, s.User, s.ReadOnly, s.CapDrop, s.SecurityOpt)
	}
}

func mountsOf(s types.ServiceConfig) string {
	var out []string
	for _, v := range s.Volumes {
		out = append(out, v.Type+" "+v.Target)
	}
	return strings.Join(out, ", ")
}

// What is known of a service is enforced; everything else stays as it was. Each row is a kind of trouble that real stacks had.
func TestWhatIsTakenInWorksAsBefore(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		check func(*testing.T, types.ServiceConfig, taken)
	}{
		"a queue keeps its persistence and its eviction": {`services: {a: {image: "redis:7", volumes: ["queue:/data"]}}
volumes: {queue: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			confined(t, s, "999:999")
			if len(s.Command) > 0 || mountsOf(s) != "volume /data" {
				t.Errorf("command %v, mounts %s", s.Command, mountsOf(s))
			}
		}},
		"valkey with its own command": {`services: {a: {image: "valkey/valkey:9-alpine", command: [valkey-server, --save, "60", "1"], volumes: ["queue:/data"]}}
volumes: {queue: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			confined(t, s, "999:1000")
			if strings.Join(s.Command, " ") != "valkey-server --save 60 1" {
				t.Errorf("command %v", s.Command)
			}
		}},
		"a cache without a volume": {`services: {a: {image: "redis:8"}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			if s.ReadOnly || len(s.Volumes) > 0 || s.User != "999:999" || !strings.Contains(strings.Join(tk.draft.Open, "\n"), "where shall its data at /data be kept?") {
				t.Errorf("read-only %v, mounts %s, %v", s.ReadOnly, mountsOf(s), tk.draft.Open)
			}
		}},
		"a variant has another user": {`services: {a: {image: "postgres:16-alpine", volumes: ["db:/var/lib/postgresql/data"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			confined(t, s, "70:70")
			if mountsOf(s) != "volume /var/lib/postgresql/data" || len(s.Command) > 0 {
				t.Errorf("mounts %s, command %v", mountsOf(s), s.Command)
			}
		}},
		"another variant": {`services: {a: {image: "docker.io/library/rabbitmq:3.13-management-alpine", volumes: ["data:/var/lib/rabbitmq"]}}
volumes: {data: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) { confined(t, s, "100:101") }},
		"a mirror of Docker Hub": {`services: {a: {image: "public.ecr.aws/docker/library/postgres:17", volumes: ["db:/var/lib/postgresql/data"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) { confined(t, s, "999:999") }},
		"the image says more than its name": {`services: {a: {image: "postgres:16", volumes: ["db:/var/lib/postgresql/data"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) { confined(t, s, "26:26") }},
		"the engine's socket": {`services: {a: {image: "traefik:v3.4", command: [--providers.docker=true], volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]}}`,
			func(t *testing.T, s types.ServiceConfig, tk taken) {
				asBefore(t, s)
				if mountsOf(s) != "bind /var/run/docker.sock" || s.HealthCheck != nil || !strings.Contains(string(tk.draft.Text), "HSE-FS-004") {
					t.Errorf("mounts %s, test %v", mountsOf(s), s.HealthCheck)
				}
			}},
		"traefik with --ping": {`services: {a: {image: "traefik:v3.4", command: [--ping], ports: ["80:80"]}}`,
			func(t *testing.T, s types.ServiceConfig, _ taken) {
				if s.HealthCheck == nil || !slices.Contains(s.HealthCheck.Test, "healthcheck") {
					t.Errorf("test %v", s.HealthCheck)
				}
			}},
		"keycloak writes its own files": {`services: {a: {image: "quay.io/keycloak/keycloak:26.0", command: start-dev}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			asBefore(t, s)
			if len(s.Tmpfs) > 0 || s.HealthCheck != nil || strings.Join(s.Command, " ") != "start-dev" {
				t.Errorf("tmpfs %v, test %v, command %v", s.Tmpfs, s.HealthCheck, s.Command)
			}
		}},
		"a job that changes owners": {`services:
  a: {image: busybox, user: "0:0", command: chown -R 1000:1000 /data, volumes: ["data:/data"]}
  app: {image: example/app, depends_on: {a: {condition: service_completed_successfully}}, volumes: ["data:/data"]}
volumes: {data: {}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			if s.User != "0:0" || len(s.CapDrop) > 0 || s.ReadOnly || tk.services["app"].DependsOn["a"].Condition != "service_completed_successfully" {
				t.Errorf("user %s, dropped %v, waits %v", s.User, s.CapDrop, tk.services["app"].DependsOn)
			}
		}},
		"a bind of the data": {`services: {a: {image: "postgres:16", volumes: ["./data:/var/lib/postgresql/data"]}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			asBefore(t, s)
			if mountsOf(s) != "bind /var/lib/postgresql/data" || strings.Contains(string(tk.draft.Text), "backup") {
				t.Errorf("mounts %s\n%s", mountsOf(s), tk.draft.Text)
			}
		}},
		"a bind below the data": {`services: {a: {image: "mysql:8.4", volumes: ["db:/var/lib/mysql", "./my.cnf:/etc/mysql/conf.d/my.cnf:ro", "./init:/docker-entrypoint-initdb.d:ro"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			confined(t, s, "999:999")
			if len(s.Volumes) != 3 || len(s.Command) > 0 {
				t.Errorf("mounts %s, command %v", mountsOf(s), s.Command)
			}
		}},
		"an entry point of the user's own": {`services: {a: {image: "memcached:1.6", entrypoint: memcached -m 256}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			asBefore(t, s)
			if strings.Join(s.Entrypoint, " ") != "memcached -m 256" || len(s.Command) > 0 {
				t.Errorf("runs %v %v", s.Entrypoint, s.Command)
			}
		}},
		"a command of the user's own": {`services: {a: {image: "redis:7", command: sh -c "chown redis /data && exec redis-server", volumes: ["data:/data"]}}
volumes: {data: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) { asBefore(t, s) }},
		"the image's own signal": {`services: {a: {image: "pgvector/pgvector:pg16"}}`, func(t *testing.T, s types.ServiceConfig, _ taken) { asBefore(t, s) }},
		"postgres 18 with the old path": {`services: {a: {image: "postgres:18", volumes: ["db:/var/lib/postgresql/data"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			asBefore(t, s)
			if mountsOf(s) != "volume /var/lib/postgresql/data" || !strings.Contains(strings.Join(tk.draft.Open, "\n"), "where is its data? /var/lib/postgresql/data") {
				t.Errorf("mounts %s, %v", mountsOf(s), tk.draft.Open)
			}
		}},
		"postgres 18": {`services: {a: {image: "postgres:18-alpine", volumes: ["db:/var/lib/postgresql"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) { confined(t, s, "70:70") }},
		"mysql 5.7": {`services: {a: {image: "mysql:5.7", volumes: ["db:/var/lib/mysql"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			confined(t, s, "999:999")
			if len(s.Command) > 0 {
				t.Errorf("command %v", s.Command)
			}
		}},
		"mariadb 10": {`services: {a: {image: "mariadb:10.6", volumes: ["db:/var/lib/mysql"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			confined(t, s, "999:999")
			if len(s.Command) > 0 || s.HealthCheck == nil || strings.Contains(strings.Join(s.HealthCheck.Test, " "), "healthcheck.sh") {
				t.Errorf("command %v, test %v", s.Command, s.HealthCheck)
			}
		}},
		"mongo 4": {`services: {a: {image: "mongo:4.4", volumes: ["db:/data/db"]}}
volumes: {db: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			confined(t, s, "999:999")
			if s.HealthCheck == nil || strings.Contains(strings.Join(s.HealthCheck.Test, " "), "mongosh") {
				t.Errorf("test %v", s.HealthCheck)
			}
		}},
		"a cluster of elasticsearch": {`services: {a: {image: "docker.elastic.co/elasticsearch/elasticsearch:8.15.0", environment: {cluster.initial_master_nodes: "a,b"}, volumes: ["es:/usr/share/elasticsearch/data"]}}
volumes: {es: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			asBefore(t, s)
			if _, single := s.Environment["discovery.type"]; single || mountsOf(s) != "volume /usr/share/elasticsearch/data" {
				t.Errorf("environment %v, mounts %s", s.Environment, mountsOf(s))
			}
		}},
		"kafka keeps where its data is": {`services: {a: {image: "apache/kafka:3.9.0", volumes: ["logs:/tmp/kraft-combined-logs"]}}
volumes: {logs: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			asBefore(t, s)
			if len(s.Environment) > 0 || mountsOf(s) != "volume /tmp/kraft-combined-logs" {
				t.Errorf("environment %v, mounts %s", s.Environment, mountsOf(s))
			}
		}},
		"objects that belong to root": {`services: {a: {image: "minio/minio:latest", command: server /data, volumes: ["objects:/data"]}}
volumes: {objects: {}}`, func(t *testing.T, s types.ServiceConfig, _ taken) { asBefore(t, s) }},
		"nginx with its own page": {`services: {a: {image: "nginx:1.29", ports: ["8080:80"], volumes: ["./html:/usr/share/nginx/html:ro", "./site.conf:/etc/nginx/conf.d/default.conf:ro"]}}`,
			func(t *testing.T, s types.ServiceConfig, _ taken) {
				confined(t, s, "101:101")
				if test := strings.Join(s.HealthCheck.Test, " "); !strings.HasSuffix(test, "http://127.0.0.1:80/") || strings.Contains(test, "-f") {
					t.Errorf("test %s", test)
				}
			}},
		"nginx on another port": {`services: {a: {image: "nginx:1.29", ports: ["8080:3000"], volumes: ["./site.conf:/etc/nginx/conf.d/default.conf:ro"]}}`,
			func(t *testing.T, s types.ServiceConfig, _ taken) {
				if test := strings.Join(s.HealthCheck.Test, " "); !strings.HasSuffix(test, "http://127.0.0.1:3000/") {
					t.Errorf("test %s", test)
				}
			}},
		"nginx with templates": {`services: {a: {image: "nginx:1.29", ports: ["80:80"], volumes: ["./templates:/etc/nginx/templates:ro"]}}`,
			func(t *testing.T, s types.ServiceConfig, _ taken) { asBefore(t, s) }},
		"nginx with keys": {`services: {a: {image: "nginx:1.29", ports: ["443:443"], volumes: ["./certs:/etc/nginx/certs:ro"]}}`,
			func(t *testing.T, s types.ServiceConfig, _ taken) { asBefore(t, s) }},
		"grafana": {`services: {a: {image: "grafana/grafana-oss:11.2.0", volumes: ["data:/var/lib/grafana"]}}
volumes: {data: {}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			confined(t, s, "472:472")
			if tk.draft.Presets["a"] != "grafana" || len(s.Environment) > 0 {
				t.Errorf("presets %v, environment %v", tk.draft.Presets, s.Environment)
			}
		}},
		"cadvisor": {`services: {a: {image: "gcr.io/cadvisor/cadvisor:v0.49.1", privileged: true, volumes: ["/:/rootfs:ro", "/sys:/sys:ro"]}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			if tk.draft.Presets["a"] != "cadvisor" || s.User != "" || !s.Privileged || len(s.Command) > 0 || len(s.Volumes) != 2 {
				t.Errorf("presets %v, user %q, command %v, mounts %s", tk.draft.Presets, s.User, s.Command, mountsOf(s))
			}
		}},
		"node-exporter": {`services: {a: {image: "quay.io/prometheus/node-exporter:v1.8.2", pid: host, command: [--path.rootfs=/host], volumes: ["/:/host:ro,rslave"]}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			asBefore(t, s)
			if tk.draft.Presets["a"] != "node-exporter" || mountsOf(s) != "bind /host" {
				t.Errorf("presets %v, mounts %s", tk.draft.Presets, mountsOf(s))
			}
		}},
		"php with apache": {`services: {a: {image: "php:8.3-apache", volumes: ["./src:/var/www/html"], ports: ["80:80"]}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			asBefore(t, s)
			if tk.draft.Presets["a"] != "php-apache" {
				t.Errorf("presets %v", tk.draft.Presets)
			}
		}},
		"php on the command line": {`services: {a: {image: "php:8.3-cli", command: php -S 0.0.0.0:80}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			asBefore(t, s)
			if len(tk.draft.Presets) > 0 {
				t.Errorf("presets %v", tk.draft.Presets)
			}
		}},
		"a language": {`services: {a: {image: "node:22", command: npm run dev, working_dir: /app, volumes: [".:/app"]}}`, func(t *testing.T, s types.ServiceConfig, _ taken) { asBefore(t, s) }},
		"what the file drops stays dropped": {`services: {a: {image: "example/app", cap_drop: [NET_RAW, MKNOD], cap_add: [SYS_NICE], read_only: true, security_opt: ["no-new-privileges:true"], mem_limit: 64m, user: "7:8"}}`,
			func(t *testing.T, s types.ServiceConfig, _ taken) {
				if slices.Contains(s.CapAdd, "NET_RAW") || !slices.Contains(s.CapAdd, "CHOWN") || !slices.Contains(s.CapAdd, "SYS_NICE") || !slices.Contains(s.CapDrop, "ALL") ||
					!s.ReadOnly || s.User != "7:8" || resources.Memory(s) != 64<<20 || !policy.SecurityOptions(s.SecurityOpt).NoNewPrivileges() {
					t.Errorf("%v %v %v %v %v", s.CapAdd, s.CapDrop, s.ReadOnly, s.User, s.SecurityOpt)
				}
			}},
		"an image that says its user": {`services: {a: {image: "example/plain"}}`, func(t *testing.T, s types.ServiceConfig, _ taken) {
			if s.User != "1001:1002" || s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !policy.SecurityOptions(s.SecurityOpt).NoNewPrivileges() {
				t.Errorf("user %q, read-only %v, %v %v", s.User, s.ReadOnly, s.CapDrop, s.SecurityOpt)
			}
		}},
		"an image with a test of its own": {`services: {a: {image: "example/tested", healthcheck: {retries: 7}}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			asBefore(t, s)
			if h := s.HealthCheck; strings.Join(h.Test, " ") != "CMD /app check" || h.Interval.String() != "1m0s" || *h.Retries != 7 || strings.Contains(string(tk.draft.Text), "HSE-HLT") {
				t.Errorf("test %+v", h)
			}
		}},
		"an image whose entry point wants root": {`services: {a: {image: "example/wants"}}`, func(t *testing.T, s types.ServiceConfig, tk taken) {
			asBefore(t, s)
			if !strings.Contains(strings.Join(tk.draft.Open, "\n"), "calls chown") {
				t.Errorf("%v", tk.draft.Open)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tk := takeIn(t, c.text, func(target *Target) {
				target.Images = map[string]*facts.Facts{}
				switch {
				case strings.Contains(c.text, "example/plain"):
					target.Images["a"] = &facts.Facts{User: facts.User{UID: 1001, GID: 1002, Known: true}, Starts: facts.StartsBinary}
				case strings.Contains(c.text, "example/tested"):
					target.Images["a"] = &facts.Facts{Config: facts.Config{Health: facts.Health{Test: []string{"CMD", "/app", "check"}, Interval: time.Minute}}}
				case strings.Contains(c.text, "example/wants"):
					target.Images["a"] = &facts.Facts{User: facts.User{Known: true}, Starts: facts.StartsScript, WantsRoot: "calls chown", Calls: []string{"chown"}}
				case name == "the image says more than its name":
					f := facts.Read(t.Context(), facts.Config{User: "postgres"}, oneFile{"/etc/passwd": "postgres:x:26:26::/:/bin/sh\n"})
					target.Images["a"] = &f
				}
			})
			c.check(t, tk.services["a"], tk)
			if t.Failed() {
				t.Logf("the profile is\n%s", tk.draft.Text)
			}
			open(t, tk.draft)
		})
	}
}

// oneFile is an image of a few files.
type oneFile map[string]string

func (o oneFile) File(_ context.Context, name string) (facts.File, bool, error) {
	text, ok := o[name]
	return facts.File{Path: name, Content: []byte(text), Whole: true, Mode: 0o755}, ok, nil
}

// open wants that whatever is not enforced is under an exception: no control of what an import leaves as it was fails.
func open(t *testing.T, d Draft) {
	t.Helper()
	p, err := parser.Parse(d.Text, parser.Options{File: "hsectl.yaml", Library: profiles.Library{}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := witness.Check(t.Context(), stack.New(p).AsOf(today))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		family := strings.Split(f.Control, "-")[1]
		if !f.Proven() && slices.Contains([]string{"USR", "CAP", "FS", "PRV", "RES", "HLT", "LIF"}, family) {
			t.Errorf("%s %s is %s: %s", f.Subject, f.Control, f.Status, f.Detail)
		}
	}
}
