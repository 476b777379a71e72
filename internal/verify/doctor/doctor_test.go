package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/stack"
)

func sickStack() stack.Stack {
	return stack.Stack{
		Secrets: []stack.Secret{{Name: "jwt"}, {Name: "token"}},
		Services: []stack.Service{
			{Name: "app", Image: "app:1", User: stack.User{UID: 10001, GID: 10001}, Networks: []string{"front"}, OpenFiles: 1024,
				Limits:    stack.Resources{Memory: stack.Size{Bytes: 64 << 20}, PIDs: 50},
				Writable:  []stack.Writable{{Path: "/data", Volume: "data", Owner: stack.User{UID: 10001, GID: 10001}}, {Path: "/tmp", Size: stack.Size{Bytes: 8 << 20}}},
				Secrets:   []stack.SecretFile{{Name: "token"}},
				Shutdown:  stack.Shutdown{Signal: "SIGTERM", Grace: time.Second},
				Health:    &stack.Health{Test: []string{"CMD", "curl", "-f", "http://127.0.0.1/"}},
				DependsOn: []stack.Dependency{{Service: "cache", Condition: "healthy"}}},
			{Name: "cache", Networks: []string{"front"}},
			{Name: "mail", Networks: []string{"front"}},
			{Name: "db", Networks: []string{"back"}, FirstStarts: []stack.FirstStart{{Secret: "token", Volume: "db-data"}}},
		},
	}
}

// What broken services print, and what is made of it.
func TestDiagnose(t *testing.T) {
	ended := func(lines ...string) Symptom { return Symptom{State: "exited", ExitCode: 1, Logs: lines} }
	for name, c := range map[string]struct {
		symptom Symptom
		cause   string
		patch   Patch
	}{
		"read-only, Node.js":      {ended("Error: EROFS: read-only file system, open '/var/cache/app/x.log'"), "/var/cache/app/x.log", Patch{Path: "services.app.writable", Item: "{path: /var/cache/app, tmpfs: 16M}"}},
		"read-only, nginx":        {ended(`nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)`), "/var/cache/nginx", Patch{Path: "services.app.writable", Item: "{path: /var/cache/nginx/client_temp, tmpfs: 16M}"}},
		"read-only, shell":        {ended("sh: can't create /run/app.pid: Read-only file system"), "/run/app.pid", Patch{Path: "services.app.writable", Item: "{path: /run, tmpfs: 16M}"}},
		"read-only, Python":       {ended("OSError: [Errno 30] Read-only file system: '/home/app/.cache'"), "/home/app/.cache", Patch{Path: "services.app.writable", Item: "{path: /home/app/.cache, tmpfs: 16M}"}},
		"volume of another user":  {ended("EACCES: permission denied, mkdir '/data/uploads'"), "volume data", Patch{}},
		"path of another user":    {ended("open /opt/app/cache.db: permission denied"), "/opt/app/cache.db", Patch{}},
		"password, PostgreSQL":    {ended(`error: password authentication failed for user "hse"`), "the data of db is older than the secret token", Patch{}},
		"password, MariaDB":       {ended("ERROR 1045 (28000): Access denied for user 'shop'@'10.0.0.2' (using password: YES)"), "the data of db is older", Patch{}},
		"password, Redis":         {ended("WRONGPASS invalid username-password pair or user is disabled."), "refuses its password", Patch{}},
		"secret not declared":     {ended("open /run/secrets/jwt: no such file or directory"), "secret jwt", Patch{Path: "services.app.secrets", Item: "jwt"}},
		"secret not delivered":    {ended("open /run/secrets/token: no such file or directory"), "not delivered", Patch{}},
		"entry point chowns":      {ended("chown: changing ownership of '/data': Operation not permitted"), "CHOWN", Patch{}},
		"entry point drops users": {ended("error: failed switching to \"app\": setgroups: operation not permitted"), "SETGID", Patch{}},
		"raw socket":              {ended("ping: socket: raw socket: Operation not permitted"), "NET_RAW", Patch{}},
		"killed for memory":       {Symptom{State: "exited", ExitCode: 137, OOM: true}, "for memory", Patch{Path: "services.app.limits.memory", Value: "128M"}},
		"signal ignored":          {Symptom{State: "exited", ExitCode: 137}, "SIGTERM", Patch{Path: "services.app.init", Value: "true"}},
		"heap":                    {ended("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"), "heap", Patch{Path: "services.app.limits.memory", Value: "128M"}},
		"other processor":         {ended("exec /app: exec format error"), "another processor", Patch{}},
		"health test":             {Symptom{State: "unhealthy", Health: `OCI runtime exec failed: exec failed: unable to start container process: exec: "curl": executable file not found in $PATH: unknown`}, "health test", Patch{}},
		"nothing listens":         {Symptom{State: "unhealthy", Health: `Get "http://127.0.0.1:8080/": dial tcp 127.0.0.1:8080: connect: connection refused`}, "nothing listens at 127.0.0.1:8080", Patch{}},
		"name server is silent":   {ended("cannot start: lookup db on 127.0.0.11:53: dial udp 127.0.0.11:53: i/o timeout"), "no network with db", Patch{Path: "services.app.networks", Item: "back"}},
		"program":                 {Symptom{State: "created", Error: `exec: "serve": executable file not found in $PATH`}, "not in the image: serve", Patch{}},
		"port":                    {Symptom{State: "created", Error: "Bind for 127.0.0.1:80 failed: port is already allocated"}, "port is taken", Patch{}},
		"name, other network":     {ended("getaddrinfo ENOTFOUND db"), "no network with db", Patch{Path: "services.app.networks", Item: "back"}},
		"name, not up yet":        {ended(`could not translate host name "mail" to address`), "mail is not up yet", Patch{Path: "services.app.depends_on", Item: "mail"}},
		"name, waited for":        {ended(`could not translate host name "cache" to address`), "cache is not up", Patch{}},
		"name outside":            {ended("curl: (6) Could not resolve host: api.example.org"), "name cannot be found", Patch{}},
		"full tmpfs":              {ended("write /tmp/upload: no space left on device"), "/tmp is full", Patch{Path: "services.app.writable[1].tmpfs", Value: "16M"}},
		"shared memory":           {ended(`ERROR: could not resize shared memory segment "/PostgreSQL.1" to 8388608 bytes: No space left on device`), "shared memory", Patch{Path: "services.app.shm_size", Value: "128M"}},
		"open files":              {ended("accept: too many open files"), "open files", Patch{Path: "services.app.open_files", Value: "2048"}},
		"threads":                 {ended("pthread_create failed: Resource temporarily unavailable"), "threads", Patch{Path: "services.app.limits.pids", Value: "100"}},
		"threads of Go":           {ended("runtime: failed to create new OS thread (have 5 already; errno=11)"), "threads", Patch{Path: "services.app.limits.pids", Value: "100"}},
		"as many as it may":       {Symptom{State: "unhealthy", PIDs: 50, Health: "timeout"}, "threads", Patch{Path: "services.app.limits.pids", Value: "100"}},
		"no room for a test":      {Symptom{State: "unhealthy", PIDs: 45, Health: "OCI runtime exec failed: exec failed: unable to start container process: read init-p: connection reset by peer: unknown"}, "threads", Patch{Path: "services.app.limits.pids", Value: "100"}},
		"room for a test":         {Symptom{State: "unhealthy", PIDs: 2, Health: "OCI runtime exec failed: exec failed: unable to start container process: read init-p: connection reset by peer: unknown"}, "not recognised", Patch{}},
		"library on tmpfs":        {ended("/tmp/libjna.so: failed to map segment from shared object"), "runs no programs", Patch{}},
		"variable":                {ended("Error: SESSION_SECRET is not set"), "SESSION_SECRET", Patch{}},
		"refused":                 {ended("dial tcp 10.0.0.3:5432: connect: connection refused"), "does not answer", Patch{}},
		"dependency":              {Symptom{State: "created"}, "dependency", Patch{}},
		"no image":                {Symptom{Missing: true, NoImage: true}, "image is missing", Patch{}},
		"no container":            {Symptom{Missing: true}, "no container", Patch{}},
		"something else":          {ended("segmentation fault"), "not recognised", Patch{}},
	} {
		c.symptom.Service = "app"
		got := Diagnose(sickStack(), []Symptom{c.symptom})
		if len(got) == 0 || !strings.Contains(got[0].Cause, c.cause) || c.patch.Certain() && got[0].Patch != c.patch || got[0].Patch.Certain() != c.patch.Certain() {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		if !got[0].Patch.Certain() && got[0].Advice == "" {
			t.Errorf("%s: neither patch nor advice", name)
		}
	}
}

func TestDiagnoseLeavesTheHealthyAlone(t *testing.T) {
	well := Symptom{Service: "app", State: "healthy", Logs: []string{"EROFS: an old line"}}
	if got := Diagnose(sickStack(), []Symptom{well}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// A line of a log may hold a secret.
func TestDiagnoseHidesSecrets(t *testing.T) {
	got := Diagnose(sickStack(), []Symptom{{Service: "app", State: "exited", ExitCode: 1, Logs: []string{"connecting to postgres://hse:hunter2@db: connection refused"}}})
	if len(got) != 1 || strings.Contains(got[0].Evidence, "hunter2") {
		t.Errorf("%+v", got)
	}
}

// Logs are not to be trusted.
func FuzzDiagnose(f *testing.F) {
	f.Add("EROFS: read-only file system, open '/x'")
	f.Add("exec: \"\": no such file")
	f.Fuzz(func(_ *testing.T, line string) {
		Diagnose(sickStack(), []Symptom{{Service: "app", State: "exited", ExitCode: 1, Logs: []string{line}, Health: line, Error: line}})
	})
}
