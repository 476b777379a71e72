//go:build engine

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/backup"
)

// backedShop is a database whose rows are dumped by its own program, and whose cache is backed up file by file.
const backedShop = `apiVersion: hsectl/v1
kind: Profile
name: NAME
services:
  db:
    preset: postgres
    limits: {cpus: "1.0", memory: 256M, pids: 100}
    shutdown: {grace: 10s}
    health: {interval: 5s, timeout: 5s, retries: 10, start_period: 60s}
    secrets:
      - {name: password, env: POSTGRES_PASSWORD_FILE}
      - {name: pgpass, env: PGPASSFILE}
    environment: {POSTGRES_USER: shop, POSTGRES_DB: shop, PGHOST: db, PGUSER: shop, PGDATABASE: shop}
  cache:
    preset: redis
    limits: {cpus: "0.5", memory: 64M, pids: 50}
    health: {interval: 5s, timeout: 5s, retries: 10}
secrets:
  password: {env: SHOP_PASSWORD}
  pgpass: {from: password, format: "*:*:*:*:{}"}
volumes:
  db-data:
    backup:
      to: backups
      dump: [pg_dump, --format=custom, --file=/backup/shop.dump]
      restore: [pg_restore, --exit-on-error, --dbname=shop, /backup/shop.dump]
      check: [psql, -v, ON_ERROR_STOP=1, -c, "select 1/count(*) from orders"]
      keep: 2
      timeout: 2m
  cache-data:
    backup: {to: backups, encrypt: [age1cqyajf670yxrt9yxvsesaa484cx5a47fm9rlu23qqc3gcjwkepgqz3r72t]}
`

// backupIdentity decrypts what was encrypted for the recipient above. It was made for this test and protects nothing.
const backupIdentity = "AGE-SECRET-KEY-1YUPZQ7ATQR0PDDJME84K2U8PAFTCAETE7JPVTYGELULQGMRMXGTQ0M9RVC"

const shopPassword = "never-to-be-seen-31a7"

// Rows that are written, backed up and lost come back in a copy; what is damaged, empty or too little does not count, and
// verify and the checklist say so. The programs of a backup run as confined as their service.
func TestBackupOnAnEngine(t *testing.T) {
	name := "hsectl-test-backup-" + strings.ToLower(rand.Text()[:8])
	dir := written(t, map[string]string{"hsectl.yaml": strings.ReplaceAll(backedShop, "NAME", name)})
	file, backups := filepath.Join(dir, "hsectl.yaml"), filepath.Join(dir, "backups")
	probe := filepath.Join(dir, "probe")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", probe, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the probe: %v\n%s", err, out)
	}
	t.Setenv("HSECTL_PROBE_PROGRAM", probe)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("SHOP_PASSWORD", shopPassword)
	t.Cleanup(func() { removeStacks(t, file, name) })
	mustCLI(t, "deploy", "-f", file)
	if stdout, _ := mustCLI(t, "verify", "-f", file, "--all"); !strings.Contains(stdout, "the first backup is due in") {
		t.Errorf("a new volume is not told when its backup is due:\n%s", stdout)
	}

	psql(t, name, "create table orders (id int); insert into orders select generate_series(1, 1000)")
	mustCLI(t, "backup", "-f", file)
	for _, entry := range backupFiles(t, backups) {
		if info, err := os.Stat(entry); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v, %v", entry, info.Mode(), err)
		}
	}
	psql(t, name, "drop table orders") // what was lost
	if code, _, stderr := cli(t, "drill", "restore", "-f", file, "cache-data"); code != exitUsage || !strings.Contains(stderr, "--age-identity") {
		t.Errorf("an encrypted backup without an identity: exit %d\n%s", code, stderr)
	}
	t.Setenv("HSECTL_AGE_IDENTITY", backupIdentity)
	stdout, _ := mustCLI(t, "drill", "restore", "-f", file)
	if strings.Count(stdout, "HSE-OPS-012") != 2 || !strings.Contains(stdout, "the check passed") || !strings.Contains(stdout, "byte for byte") {
		t.Errorf("both backups come back:\n%s", stdout)
	}
	if stdout, _ := mustCLI(t, "verify", "-f", file, "--all"); !regexp.MustCompile(`last tested restore \d+ (seconds|minutes) ago`).MatchString(stdout) {
		t.Errorf("verify does not know of it:\n%s", stdout)
	}
	nothingLeft(t, name)

	// The rows are gone, and the next backup holds none: the check says so, and what the program prints holds no secret.
	psql(t, name, "create table orders (id int)")
	mustCLI(t, "backup", "-f", file, "db-data")
	badRestore(t, file, "db-data", "psql ended with code")
	// A damaged archive is not even tried.
	flipByte(t, filepath.Join(backups, newestBackup(t, backups, name, "cache-data").Archive))
	badRestore(t, file, "cache-data", "its digest does not match the recorded one")
	nothingLeft(t, name)
	code, stdout, _ := cli(t, "verify", "-f", file)
	if code != exitFindings || strings.Count(stdout, "HSE-OPS-001") != 2 {
		t.Errorf("verify takes backups that cannot be restored: exit %d\n%s", code, stdout)
	}
	// A program that fails leaves no archive, and its reason is told.
	before := len(backupFiles(t, backups))
	code, stdout, stderr := cli(t, "backup", "-f", file, "db-data", "--set", "volumes.db-data.backup.dump=[pg_dump, --dbname=nowhere]")
	if code != exitFailed || !strings.Contains(stderr, "nowhere") || len(backupFiles(t, backups)) != before {
		t.Errorf("a failed dump: exit %d, %v\n%s%s", code, backupFiles(t, backups), stdout, stderr)
	}
	if strings.Contains(stdout+stderr, shopPassword) {
		t.Error("the password is shown")
	}
}

func badRestore(t *testing.T, file, volume, why string) {
	t.Helper()
	code, stdout, stderr := cli(t, "drill", "restore", "-f", file, volume)
	if code != exitFindings || !strings.Contains(stdout, why) || strings.Contains(stdout+stderr, shopPassword) {
		t.Errorf("restoring %s: exit %d, want %q\n%s%s", volume, code, why, stdout, stderr)
	}
}

// psql runs SQL in the database's container, over its own socket.
func psql(t *testing.T, stack, sql string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "exec", "-e", "PGHOST=/run/postgresql", stack+"-db-1", "psql", "-v", "ON_ERROR_STOP=1", "-c", sql).CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
}

func backupFiles(t *testing.T, dir string) []string {
	t.Helper()
	out, err := filepath.Glob(filepath.Join(dir, "*"))
	hidden, err2 := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || err2 != nil || len(out) == 0 || len(hidden) > 0 {
		t.Fatalf("in %s are %v and %v", dir, out, hidden)
	}
	return out
}

func newestBackup(t *testing.T, dir, stack, volume string) backup.Record {
	t.Helper()
	var last backup.Record
	for _, path := range backupFiles(t, dir) {
		if !backup.IsRecord(filepath.Base(path), stack, volume) {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var r backup.Record
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		if r.Made.After(last.Made) {
			last = r
		}
	}
	return last
}

func flipByte(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft wants nothing of a drill or a backup on the engine any more.
func nothingLeft(t *testing.T, stack string) {
	t.Helper()
	ctx := context.Background()
	for _, args := range [][]string{
		{"ps", "-aq", "--filter", "label=dev.hsectl.role=task"},
		{"volume", "ls", "-q", "--filter", "label=dev.hsectl.role=scratch", "--filter", "label=dev.hsectl.stack=" + stack},
		{"ps", "-aq", "--filter", "name=" + stack + "-drill-"},
		{"volume", "ls", "-q", "--filter", "name=" + stack + "-drill-"},
	} {
		out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
