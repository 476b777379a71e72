package profiles_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/policy/images"
	"github.com/hsectl/hsectl/internal/stack"
)

// published are the variants and majors of the images that keep data, or change their user: what each is, and what must never be set.
// Sources: the Dockerfiles and entry points that the headers of the presets name.
var published = []struct {
	preset, tag, user, data string
	first                   string // what the plain image does at its first start
	never                   []string
}{
	{"postgres", "postgres:18", "999:999", "/var/lib/postgresql", "initdb as postgres, after chown as root", []string{"/var/lib/postgresql/data"}},
	{"postgres", "postgres:18-alpine", "70:70", "/var/lib/postgresql", "initdb as postgres, after chown as root", []string{"999:999"}},
	{"postgres", "postgres:17", "999:999", "/var/lib/postgresql/data", "initdb as postgres, after chown as root", nil},
	{"postgres", "postgres:17.6-bookworm", "999:999", "/var/lib/postgresql/data", "initdb as postgres, after chown as root", nil},
	{"postgres", "postgres:16-alpine3.22", "70:70", "/var/lib/postgresql/data", "initdb as postgres, after chown as root", []string{"999:999"}},
	{"postgres", "postgres:12", "999:999", "/var/lib/postgresql/data", "initdb as postgres, after chown as root", nil},
	{"postgres", "postgres:latest", "999:999", "/var/lib/postgresql", "initdb as postgres, after chown as root", nil},
	{"postgres", "postgres:alpine", "70:70", "/var/lib/postgresql", "initdb as postgres, after chown as root", nil},
	{"redis", "redis:8", "999:999", "/data", "chown as root, then redis", []string{"allkeys-lru"}},
	{"redis", "redis:7-alpine", "999:1000", "/data", "chown as root, then redis", []string{"allkeys-lru"}},
	{"redis", "redis:6.2", "999:999", "/data", "chown as root, then redis", []string{"allkeys-lru"}},
	{"valkey", "valkey/valkey:9", "999:999", "/data", "chown as root, then valkey", []string{"allkeys-lru"}},
	{"valkey", "valkey/valkey:8-alpine", "999:1000", "/data", "chown as root, then valkey", []string{"allkeys-lru"}},
	{"mysql", "mysql:9.7", "999:999", "/var/lib/mysql", "initialises as mysql, after chown as root", nil},
	{"mysql", "mysql:8.4", "999:999", "/var/lib/mysql", "initialises as mysql, after chown as root", nil},
	{"mysql", "mysql:5.7", "999:999", "/var/lib/mysql", "initialises as mysql, after chown as root", []string{"--mysqlx"}},
	{"mariadb", "mariadb:12.3", "999:999", "/var/lib/mysql", "initialises as mysql, after chown as root", nil},
	{"mariadb", "mariadb:10.6", "999:999", "/var/lib/mysql", "initialises as mysql, after chown as root", []string{"healthcheck.sh", "mariadbd"}},
	{"mongo", "mongo:8.0", "999:999", "/data/db", "chown as root, then mongodb", nil},
	{"mongo", "mongo:4.4", "999:999", "/data/db", "chown as root, then mongodb", []string{"mongosh"}},
	{"rabbitmq", "rabbitmq:4.3-management", "999:999", "/var/lib/rabbitmq", "chown as root, then rabbitmq", nil},
	{"rabbitmq", "rabbitmq:3.13-management-alpine", "100:101", "/var/lib/rabbitmq", "chown as root, then rabbitmq", []string{"999:999"}},
	{"memcached", "memcached:1.6", "11211:11211", "", "writes nothing", nil},
	{"memcached", "memcached:1.6-alpine", "11211:11211", "", "writes nothing", []string{"bash"}},
	{"prometheus", "prom/prometheus:v2.53.0", "65534:65534", "/prometheus", "writes as nobody", nil},
	{"prometheus", "quay.io/prometheus/prometheus:v3.5.0-distroless", "65532:65532", "/prometheus", "writes as nonroot", nil},
	{"alertmanager", "prom/alertmanager:v0.28.0", "65534:65534", "/alertmanager", "writes as nobody", nil},
	{"grafana", "grafana/grafana:12.3.1", "472:472", "/var/lib/grafana", "writes as grafana", nil},
	{"grafana", "grafana/grafana-enterprise:10.4.0", "472:472", "/var/lib/grafana", "writes as grafana", nil},
}

func TestPublishedVariants(t *testing.T) {
	for _, c := range published {
		t.Run(c.tag, func(t *testing.T) {
			text := fmt.Sprintf("apiVersion: hsectl/v1\nkind: Profile\nname: x\nservices:\n  a: {preset: %s, image: %q}\n", c.preset, c.tag)
			s := parse(t, text).Services[0]
			if got := fmt.Sprintf("%d:%d", s.User.UID, s.User.GID); got != c.user {
				t.Errorf("the preset runs it as %s, want %s", got, c.user)
			}
			if c.data != "" && !slices.ContainsFunc(s.Volumes(), func(w stack.Writable) bool { return w.Path == c.data }) {
				t.Errorf("its data is not at %s: %+v", c.data, s.Volumes())
			}
			said := fmt.Sprint(s.Command, s.User, s.Health, s.Volumes(), fmt.Sprintf("%d:%d", s.User.UID, s.User.GID))
			for _, never := range c.never {
				if strings.Contains(said, never) {
					t.Errorf("%s is set: %s", never, said)
				}
			}
			known := images.Lookup(c.tag)
			if known.Preset != c.preset || known.User != c.user || known.Data != c.data {
				t.Errorf("an import takes it for %+v", known)
			}
		})
	}
}
