package images

import (
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/policy"
)

// judged applies one control to an image with variables, arguments, ports, mounts and a health test.
func judged(t *testing.T, id string, f policy.Facts) policy.Verdict {
	t.Helper()
	for _, c := range Controls() {
		if c.ID == id {
			return c.Judge(f, policy.Intent{})
		}
	}
	t.Fatalf("%s is not in the table", id)
	return policy.Verdict{}
}

func seen[T any](v T) policy.Fact[T] { return policy.Fact[T]{Value: v, Tier: finding.Declared} }

func factsOf(image string) policy.Facts {
	return policy.Facts{Image: seen(policy.Image{Reference: image}), Environment: seen([]policy.Variable(nil)), Arguments: seen([]string(nil)), Ports: seen([]policy.Port(nil)),
		Mounts: seen([]policy.Mount(nil)), Declaration: seen(policy.Declaration{}), Stop: seen(policy.Stop{}), Health: seen(policy.Health{})}
}

func TestOpenDoors(t *testing.T) {
	for _, c := range []struct {
		variables []policy.Variable
		arguments []string
		want      finding.Status
	}{
		{nil, nil, finding.Pass},
		{[]policy.Variable{{Name: "POSTGRES_HOST_AUTH_METHOD", Value: "trust"}}, nil, finding.Fail},
		{[]policy.Variable{{Name: "POSTGRES_HOST_AUTH_METHOD", Value: "scram-sha-256"}}, nil, finding.Pass},
		{[]policy.Variable{{Name: "MYSQL_ALLOW_EMPTY_PASSWORD", Value: "yes"}}, nil, finding.Fail},
		{[]policy.Variable{{Name: "MYSQL_ALLOW_EMPTY_PASSWORD", Value: "1"}}, nil, finding.Fail},
		{[]policy.Variable{{Name: "MYSQL_ALLOW_EMPTY_PASSWORD", Value: ""}}, nil, finding.Pass},
		{[]policy.Variable{{Name: "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD", Value: "true"}}, nil, finding.Fail},
		{[]policy.Variable{{Name: "xpack.security.enabled", Value: "false"}}, nil, finding.Fail},
		{[]policy.Variable{{Name: "xpack.security.enabled", Value: "true"}}, nil, finding.Pass},
		{[]policy.Variable{{Name: "GF_AUTH_ANONYMOUS_ENABLED", Value: "true"}, {Name: "GF_AUTH_ANONYMOUS_ORG_ROLE", Value: "Admin"}}, nil, finding.Fail},
		{[]policy.Variable{{Name: "GF_AUTH_ANONYMOUS_ENABLED", Value: "true"}, {Name: "GF_AUTH_ANONYMOUS_ORG_ROLE", Value: "Viewer"}}, nil, finding.Pass},
		{[]policy.Variable{{Name: "GF_AUTH_ANONYMOUS_ORG_ROLE", Value: "Admin"}}, nil, finding.Pass},
		{nil, []string{"--api.insecure=true", "--providers.docker"}, finding.Fail},
		{nil, []string{"--api.insecure"}, finding.Fail},
		{nil, []string{"--api.insecure=false"}, finding.Pass},
		{nil, []string{"redis-server", "--protected-mode", "no"}, finding.Fail},
		{nil, []string{"redis-server", "--protected-mode", "no", "--requirepass", "x"}, finding.Pass},
		{nil, []string{"--skip-grant-tables"}, finding.Fail},
	} {
		f := factsOf("example/app:1")
		f.Environment, f.Arguments = seen(c.variables), seen(c.arguments)
		if v := judged(t, "HSE-PRE-013", f); v.Status != c.want {
			t.Errorf("%v %v: %s: %s", c.variables, c.arguments, v.Status, v.Detail)
		}
	}
	if v := judged(t, "HSE-PRE-013", policy.Facts{}); v.Status != finding.Unknown {
		t.Errorf("nothing seen: %s", v.Status)
	}
}

// A store is open to the world where its port is published, and not because a network leads out.
func TestClosedStore(t *testing.T) {
	public, local := policy.Port{Address: "0.0.0.0", Host: 5432, Container: 5432, Protocol: "tcp"}, policy.Port{Address: "127.0.0.1", Host: 5432, Container: 5432, Protocol: "tcp"}
	for _, c := range []struct {
		image string
		ports []policy.Port
		want  finding.Status
	}{
		{"postgres:17", nil, finding.Pass},
		{"postgres:17", []policy.Port{local}, finding.Pass},
		{"postgres:17", []policy.Port{public}, finding.Fail},
		{"public.ecr.aws/docker/library/postgres:17", []policy.Port{public}, finding.Fail},
		{"harbor.example.com/hub/library/redis:8", []policy.Port{public}, finding.Fail},
		{"bitnami/postgresql:17", []policy.Port{public}, finding.Fail},
		{"cgr.dev/chainguard/redis:latest", []policy.Port{public}, finding.Fail},
		{"dhi.io/mongodb:8", []policy.Port{public}, finding.Fail},
		{"adminer:5", []policy.Port{public}, finding.Fail},
		{"dpage/pgadmin4:9", []policy.Port{local}, finding.Pass},
		{"portainer/portainer-ce:2", []policy.Port{public}, finding.Fail},
		{"example/shop:1", []policy.Port{public}, finding.NotApplicable},
	} {
		f := factsOf(c.image)
		f.Ports, f.Networks = seen(c.ports), seen([]policy.Network{{Name: "default"}})
		if v := judged(t, "HSE-PRE-010", f); v.Status != c.want {
			t.Errorf("%s %v: %s: %s", c.image, c.ports, v.Status, v.Detail)
		}
	}
}

// An image that others have made under a well-known name is unknown, never passed.
func TestImagesOfOthers(t *testing.T) {
	for image, want := range map[string]finding.Status{
		"bitnami/redis:8": finding.Unknown, "bitnamilegacy/mariadb:11": finding.Unknown, "cgr.dev/chainguard/nginx:latest": finding.Unknown, "dhi.io/postgres:17": finding.Unknown,
		"quay.io/sclorg/postgresql-15-c9s:1": finding.Pass, "registry.example.com/shop/api:1": finding.Pass, "acme/node:1": finding.Pass,
		"public.ecr.aws/docker/library/node:24": finding.Pass, "mirror.gcr.io/library/python:3.14": finding.Pass,
	} {
		if v := judged(t, "HSE-PRE-008", factsOf(image)); v.Status != want {
			t.Errorf("%s: %s: %s", image, v.Status, v.Detail)
		}
	}
	for image, want := range map[string]string{
		"public.ecr.aws/docker/library/redis:8": "redis", "mirror.gcr.io/library/postgres:17": "postgres", "docker.io/library/nginx": "nginx", "registry.example.com/hub/library/redis:8": "redis",
		"quay.io/prometheus/prometheus:v3": "prometheus", "bitnami/redis:8": "", "dhi.io/redis:8": "",
	} {
		if got := Recognise(image); got != want {
			t.Errorf("%s is recognised as %q, want %q", image, got, want)
		}
	}
}

func TestRightPath(t *testing.T) {
	for _, c := range []struct {
		image, path string
		pgdata      bool
		want        finding.Status
	}{
		{"postgres:18", "/var/lib/postgresql/data", false, finding.Fail},
		{"postgres:18-alpine", "/var/lib/postgresql/data", false, finding.Fail},
		{"postgres", "/var/lib/postgresql/data", false, finding.Fail},
		{"postgres:18", "/var/lib/postgresql", false, finding.Pass},
		{"postgres:17", "/var/lib/postgresql/data", false, finding.Pass},
		{"postgres:18", "/var/lib/postgresql/data", true, finding.Pass},
		{"example/app:1", "/data", false, finding.NotApplicable},
	} {
		f := factsOf(c.image)
		f.Mounts = seen([]policy.Mount{{Path: c.path, Kind: "volume", Source: "pgdata", Writable: true}})
		if c.pgdata {
			f.Environment = seen([]policy.Variable{{Name: "PGDATA", Value: "/var/lib/postgresql/data/x"}})
		}
		if v := judged(t, "HSE-PRE-014", f); v.Status != c.want {
			t.Errorf("%s at %s: %s: %s", c.image, c.path, v.Status, v.Detail)
		}
	}
}

// Most clients try all addresses of localhost; those of BusyBox do not.
func TestLocalhostInHealthTests(t *testing.T) {
	for _, c := range []struct {
		image string
		test  []string
		want  finding.Status
	}{
		{"example/web:1", []string{"CMD", "curl", "-f", "http://localhost:8080/"}, finding.Pass},
		{"postgres:17", []string{"CMD", "pg_isready", "-h", "localhost"}, finding.Pass},
		{"example/web:1-alpine", []string{"CMD", "wget", "-q", "-O", "/dev/null", "http://localhost:8080/"}, finding.Fail},
		{"example/web:1-alpine", []string{"CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"}, finding.Pass},
		{"caddy:2", []string{"CMD-SHELL", "nc -z localhost 80"}, finding.Fail},
	} {
		f := factsOf(c.image)
		f.Health = seen(policy.Health{Test: c.test})
		if v := judged(t, "HSE-PRE-007", f); v.Status != c.want {
			t.Errorf("%s %v: %s: %s", c.image, c.test, v.Status, v.Detail)
		}
	}
}

func TestPasswordInTest(t *testing.T) {
	for _, c := range []struct {
		test []string
		want bool
	}{
		{[]string{"CMD", "redis-cli", "-a", "hunter22", "ping"}, true},
		{[]string{"CMD-SHELL", "redis-cli -a $$REDIS_PASSWORD ping"}, false},
		{[]string{"CMD-SHELL", "mysqladmin ping -uroot -phunter22"}, true},
		{[]string{"CMD-SHELL", `mysqladmin ping -uroot -p"$MYSQL_ROOT_PASSWORD"`}, false},
		{[]string{"CMD", "curl", "-u", "admin:hunter22", "http://127.0.0.1/"}, true},
		{[]string{"CMD", "curl", "-f", "http://127.0.0.1/"}, false},
		{[]string{"CMD-SHELL", "PGPASSWORD=hunter22 psql -c 'select 1'"}, true},
		{[]string{"CMD", "pg_isready", "-p", "5433"}, false},
		{[]string{"CMD-SHELL", "mongosh -u root -p hunter22 --eval 'db.ping()'"}, true},
		{[]string{"NONE"}, false},
		{nil, false},
	} {
		if got := PasswordInTest(c.test); (got != "") != c.want {
			t.Errorf("%v: %q", c.test, got)
		}
	}
}
