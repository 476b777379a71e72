package profiles_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/generate"
	"github.com/hsectl/hsectl/internal/profile"
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

// TestRules: the traps that break hardened containers, each looked for in what is rendered for every preset.
func TestRules(t *testing.T) {
	for _, p := range presets(t) {
		t.Run(p.Name, func(t *testing.T) {
			s := parse(t, minimal(t, p, ""))
			files, err := generate.Render(s, generate.Source{Profile: "minimal.yaml", Generator: "test"})
			if err != nil {
				t.Fatal(err)
			}
			project, err := generate.Load(context.Background(), files[0].Data, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, service, raw := project.Services[p.Name], subject{s.Services[0]}, string(files[0].Data)
			test, words := []string(nil), append(slices.Clone(c.Command), values(c.Environment)...)
			if c.HealthCheck != nil {
				test = c.HealthCheck.Test
			}
			probe := strings.Join(test, " ")
			runsTmp := slices.ContainsFunc(c.Tmpfs, func(entry string) bool { return strings.HasPrefix(entry, "/tmp:rw,exec") })
			for _, rule := range []struct {
				name string
				ok   bool
			}{
				{"R1 a numeric user and group, and no capability but a file capability",
					c.User == service.user() && slices.Equal(c.CapDrop, []string{"ALL"}) && slices.Equal(c.CapAdd, carried[p.Name])},
				{"R2 R4 nothing starts as root to change its user", service.User.UID != 0 || p.Name == "promtail" || p.Name == "alloy" || p.Name == "container-exporter"},
				{"R3 no init above a server that changed its user", !*c.Init || service.User.UID != 0 || p.Name == "container-exporter"},
				{"R5 a health test, or the reason why there is none", len(test) > 0 || service.Untested != "" || slices.Contains(excepted(p), "HSE-HLT-001")},
				{"R6 setcap is not run on a read-only root", p.Name != "vault" || deref(c.Environment["SKIP_SETCAP"]) == "1"},
				{"R7 R8 no capability for low ports, none for a non-root user to gain", len(c.CapAdd) == 0 || carried[p.Name] != nil},
				{"R9 every tmpfs has size, uid, gid and mode", all(c.Tmpfs, tmpfsForm.MatchString)},
				{"R10 exec on /tmp exactly where libraries are unpacked", runsTmp == slices.Contains(java, p.Name)},
				{"R11 R12 secrets are files, without an owner that Compose would ignore", filesOnly(raw)},
				{"R13 what wants strict modes gets 0400", p.Name != "elasticsearch" || strings.Contains(p.Facts, "0400")},
				{"R14 _FILE only where the image reads it", len(p.Service.SecretFiles) == 0 || !slices.Contains(secretless, p.Name)},
				{"R15 every declared volume is covered", all(volumes[p.Name], service.covers)},
				{"R16 volumes belong to the user", all(service.Volumes(), func(w stack.Writable) bool { return w.Owner == service.User })},
				{"R17 tests ask 127.0.0.1, over TCP", !strings.Contains(probe, "localhost") && (p.Name != "postgres" && p.Name != "mysql" || strings.Contains(probe, "127.0.0.1")) &&
					(p.Name != "mongo" || strings.Contains(probe, "hostname"))},
				{"R18 the tool is in the image", hasTool(p.Name, test)},
				{"R19 processes for every connection, also with much memory", leavesRoom(words, service.Limits.PIDs) && leavesRoomWith(t, p, "16G")},
				{"R20 open files are bounded", c.Ulimits["nofile"].Single >= 4096 && (p.Name != "rabbitmq" && p.Name != "haproxy" || c.Ulimits["nofile"].Single == 65536)},
				{"R21 heaps fit the limit", heapFits(t, p)},
				{"R22 a dollar sign survives", slices.Equal(test, testOf(service.Service)) && slices.Equal([]string(c.Command), service.Command)},
				{"R23 no start interval, which older engines refuse", !strings.Contains(raw, "start_interval")},
			} {
				if !rule.ok {
					t.Errorf("%s\n%s", rule.name, raw)
				}
			}
		})
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

func all[T any](list []T, ok func(T) bool) bool {
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

func leavesRoomWith(t *testing.T, p profile.Preset, memory string) bool {
	t.Helper()
	s := parse(t, minimal(t, p, "    limits: {memory: "+memory+"}\n")).Services[0]
	return leavesRoom(s.Command, s.Limits.PIDs)
}

var heap = regexp.MustCompile(`(?:--max-old-space-size=|-Xmx|GOMEMLIMIT=)(\d+)`)

// heapFits renders the preset with little and with much memory and compares its heap with the limit.
func heapFits(t *testing.T, p profile.Preset) bool {
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
