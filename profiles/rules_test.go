package profiles_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/internal/stack"
)

// carried are the file capabilities without which an image's program does not start.
var carried = map[string][]string{"caddy": {"NET_BIND_SERVICE"}}

// volumes are the VOLUMEs that images declare, or where they keep data although they declare none.
var volumes = map[string][]string{
	"postgres": {"/var/lib/postgresql"}, "redis": {"/data"}, "valkey": {"/data"}, "mysql": {"/var/lib/mysql"}, "mariadb": {"/var/lib/mysql"},
	"mongo": {"/data/db", "/data/configdb"}, "rabbitmq": {"/var/lib/rabbitmq"}, "minio": {"/data"}, "vault": {"/vault/logs", "/vault/file"},
	"kafka": {"/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config"}, "jaeger": {"/tmp"},
	"elasticsearch": {"/usr/share/elasticsearch/data"}, "opensearch": {"/usr/share/opensearch/data"}, "nats": {"/data"}, "caddy": {"/data", "/config"},
	"traefik": {"/letsencrypt"}, "prometheus": {"/prometheus"}, "alertmanager": {"/alertmanager"}, "grafana": {"/var/lib/grafana"}, "loki": {"/loki"},
}

// tools are the words with which the health test of an image may begin, because the image has them.
var tools = map[string][]string{
	"postgres": {"pg_isready"}, "redis": {"redis-cli"}, "valkey": {"valkey-cli"}, "mysql": {"mysqladmin"}, "mariadb": {"healthcheck.sh"},
	"mongo": {"mongosh"}, "rabbitmq": {"rabbitmq-diagnostics"}, "memcached": {"bash"}, "nginx": {"curl"}, "nginx-unprivileged": {"curl"},
	"traefik": {"traefik"}, "caddy": {"wget"}, "haproxy": {"bash"}, "httpd": {"bash"}, "node": {"node"}, "python": {"python"}, "ruby": {"ruby"},
	"eclipse-temurin": {"wget"}, "php-fpm": {"php"}, "php-apache": {"curl"}, "elasticsearch": {"for"}, "opensearch": {"for"}, "kafka": {"nc"},
	"nats": {"wget"}, "minio": {"mc"}, "keycloak": {"bash"}, "vault": {"wget"}, "promtail": {"bash"}, "jaeger": {"wget"}, "golang": nil,
}

// java are the images that unpack native libraries to /tmp and run them.
var java = []string{"eclipse-temurin", "elasticsearch", "opensearch", "kafka", "keycloak"}

// secretless read no credential from a variable that names a file.
var secretless = []string{"redis", "valkey", "rabbitmq", "opensearch", "keycloak", "nats"}

// tmpfsForm is the short form, with all that engines disagree about.
var tmpfsForm = regexp.MustCompile(`^/[^:]+:rw,(no)?exec,nosuid,nodev,size=\d+[kmg]?,uid=\d+,gid=\d+,mode=[0-7]{4}$`)

var connections = regexp.MustCompile(`max[-_]connections=(\d+)`)

// rendered is a preset as its smallest profile renders it.
type rendered struct {
	preset parser.Preset
	subject
	compose types.ServiceConfig
	raw     string
	test    []string // the health test
}

func (r rendered) probe() string { return strings.Join(r.test, " ") }

// staysRoot are the presets that stay root, because what they read belongs to root; none changes its user.
var staysRoot = []string{"promtail", "alloy", "container-exporter"}

// TestRules: the traps that break hardened containers, each looked for in what is rendered for every preset. What an engine
// does with them is shown by TestPresetsAtWork of internal/docker.
func TestRules(t *testing.T) {
	var all []rendered
	for _, p := range presets(t) {
		all = append(all, render(t, p))
	}
	for _, rule := range rules() {
		t.Run(rule.name, func(t *testing.T) {
			for _, r := range all {
				if !rule.holds(t, r) {
					t.Errorf("%s\n%s", r.preset.Name, r.raw)
				}
			}
		})
	}
}

func render(t *testing.T, p parser.Preset) rendered {
	t.Helper()
	s := parse(t, minimal(t, p, ""))
	files, err := generate.Render(s, generate.Source{Profile: "minimal.yaml", Generator: "test"})
	if err != nil {
		t.Fatal(err)
	}
	project, err := generate.Load(context.Background(), files[0].Data, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := rendered{preset: p, subject: subject{s.Services[0]}, compose: project.Services[p.Name], raw: string(files[0].Data)}
	if r.compose.HealthCheck != nil {
		r.test = r.compose.HealthCheck.Test
	}
	return r
}

type rule struct {
	name  string
	holds func(*testing.T, rendered) bool
}

func rules() []rule {
	plain := func(name string, holds func(rendered) bool) rule {
		return rule{name, func(_ *testing.T, r rendered) bool { return holds(r) }}
	}
	return []rule{
		plain("R1 a numeric user and group, and no capability but a file capability", func(r rendered) bool {
			return r.compose.User == r.user() && slices.Equal(r.compose.CapDrop, []string{"ALL"}) && slices.Equal(r.compose.CapAdd, carried[r.preset.Name])
		}),
		plain("R2 no start as root whose second one needs more than the first", func(r rendered) bool {
			return r.User.UID != 0 || slices.Contains(staysRoot, r.preset.Name)
		}),
		plain("R3 no init above a server that changed its user", func(r rendered) bool {
			return !*r.compose.Init || r.User.UID != 0 || r.preset.Name == "container-exporter"
		}),
		plain("R4 no master that is root above workers that are not", func(r rendered) bool {
			return r.User.UID != 0 || slices.Contains(staysRoot, r.preset.Name)
		}),
		plain("R5 a health test, or the reason why there is none", func(r rendered) bool {
			return len(r.test) > 0 || r.Untested != "" || slices.Contains(excepted(r.preset), "HSE-HLT-001")
		}),
		plain("R6 file capabilities are kept, and setcap is not run on a read-only root", func(r rendered) bool {
			return slices.Equal(r.compose.CapAdd, carried[r.preset.Name]) && (r.preset.Name != "vault" || deref(r.compose.Environment["SKIP_SETCAP"]) == "1")
		}),
		plain("R7 no capability for low ports", func(r rendered) bool { return len(r.compose.CapAdd) == 0 || carried[r.preset.Name] != nil }),
		plain("R8 no capability for a user that cannot gain it", func(r rendered) bool {
			return r.User.UID == 0 || slices.Equal(r.compose.CapAdd, carried[r.preset.Name])
		}),
		plain("R9 every tmpfs has size, uid, gid and mode", func(r rendered) bool { return every(r.compose.Tmpfs, tmpfsForm.MatchString) }),
		plain("R10 exec on tmp exactly where libraries are unpacked", func(r rendered) bool {
			runs := slices.ContainsFunc(r.compose.Tmpfs, func(entry string) bool { return strings.HasPrefix(entry, "/tmp:rw,exec") })
			return runs == slices.Contains(java, r.preset.Name)
		}),
		plain("R11 secrets of a read-only service are files", func(r rendered) bool { return filesOnly(r.raw) }),
		plain("R12 no owner of a secret that Compose would ignore", func(r rendered) bool { return !strings.Contains(r.raw, "uid:") }),
		plain("R13 what wants strict modes gets 0400", func(r rendered) bool {
			return r.preset.Name != "elasticsearch" || strings.Contains(r.preset.Facts, "0400")
		}),
		plain("R14 _FILE only where the image reads it", func(r rendered) bool {
			return len(r.preset.Service.SecretFiles) == 0 || !slices.Contains(secretless, r.preset.Name)
		}),
		plain("R15 every declared volume is covered", func(r rendered) bool { return every(volumes[r.preset.Name], r.covers) }),
		plain("R16 volumes belong to the user", func(r rendered) bool {
			return every(r.Volumes(), func(w stack.Writable) bool { return w.Owner == r.User })
		}),
		plain("R17 tests ask 127.0.0.1, over TCP", func(r rendered) bool {
			return !strings.Contains(r.probe(), "localhost") && (r.preset.Name != "postgres" && r.preset.Name != "mysql" || strings.Contains(r.probe(), "127.0.0.1")) &&
				(r.preset.Name != "mongo" || strings.Contains(r.probe(), "hostname"))
		}),
		plain("R18 the tool is in the image", func(r rendered) bool { return hasTool(r.preset.Name, r.test) }),
		{"R19 processes for every connection, also with much memory", func(t *testing.T, r rendered) bool {
			words := append(slices.Clone(r.compose.Command), values(r.compose.Environment)...)
			return leavesRoom(words, r.Limits.PIDs) && leavesRoomWith(t, r.preset, "16G")
		}},
		plain("R20 open files are bounded", func(r rendered) bool {
			n := r.compose.Ulimits["nofile"].Single
			return n >= 4096 && (r.preset.Name != "rabbitmq" && r.preset.Name != "haproxy" || n == 65536)
		}),
		{"R21 heaps fit the limit", func(t *testing.T, r rendered) bool { return heapFits(t, r.preset) }},
		plain("R22 a dollar sign survives", func(r rendered) bool {
			return slices.Equal(r.test, testOf(r.Service)) && slices.Equal([]string(r.compose.Command), r.Command)
		}),
		plain("R23 no start interval, which older engines refuse", func(r rendered) bool { return !strings.Contains(r.raw, "start_interval") }),
	}
}

// subject is a service with questions that only these tests ask.
type subject struct{ stack.Service }

func (s subject) user() string { return fmt.Sprintf("%d:%d", s.User.UID, s.User.GID) }

func (s subject) covers(path string) bool {
	return slices.ContainsFunc(s.Writable, func(w stack.Writable) bool { return w.Path == path })
}

func testOf(s stack.Service) []string {
	if s.Health == nil {
		return nil
	}
	return s.Health.Test
}

func every[T any](list []T, ok func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !ok(v) })
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func values(environment map[string]*string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		out = append(out, deref(environment[name]))
	}
	return out
}

// filesOnly reports whether every secret of a rendered file is one, and is used by its bare name.
func filesOnly(raw string) bool {
	_, secrets, ok := strings.Cut(raw, "\nsecrets:\n")
	return !ok || strings.Contains(secrets, "file: ") && !strings.Contains(secrets, "environment:") && !strings.Contains(raw, "uid:")
}

func hasTool(name string, test []string) bool {
	allowed, known := tools[name]
	if !known || len(test) < 2 {
		return true
	}
	first, _, _ := strings.Cut(test[1], " ")
	return slices.Contains(allowed, first)
}

// leavesRoom reports whether every connection can have its process or thread, with forty to spare.
func leavesRoom(words []string, pids int) bool {
	for _, word := range words {
		if m := connections.FindStringSubmatch(word); m != nil {
			var n int
			if _, err := fmt.Sscan(m[1], &n); err != nil || n > pids-40 {
				return false
			}
		}
	}
	return pids >= 20
}

func leavesRoomWith(t *testing.T, p parser.Preset, memory string) bool {
	t.Helper()
	s := parse(t, minimal(t, p, "    limits: {memory: "+memory+"}\n")).Services[0]
	return leavesRoom(s.Command, s.Limits.PIDs)
}

var heap = regexp.MustCompile(`(?:--max-old-space-size=|-Xmx|GOMEMLIMIT=)(\d+)`)

// heapFits renders the preset with little and with much memory and compares its heap with the limit.
func heapFits(t *testing.T, p parser.Preset) bool {
	t.Helper()
	for limit, memory := range map[string]int{"256M": 256, "8G": 8192} {
		s := parse(t, minimal(t, p, "    limits: {memory: "+limit+"}\n    reservations: {memory: 32M}\n")).Services[0]
		for _, v := range s.Environment {
			for _, m := range heap.FindAllStringSubmatch(v.Name+"="+v.Value, -1) {
				var mib int
				if _, err := fmt.Sscan(m[1], &mib); err != nil || mib > memory*90/100 || mib < memory*40/100 {
					t.Errorf("%s=%s in %s", v.Name, v.Value, limit)
					return false
				}
			}
		}
	}
	return true
}
