package facts_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/image/facts"
)

// tree is the files of an image. A file whose content is "?" cannot be read, and one whose content is "…" is too long.
type tree map[string]string

func (t tree) File(_ context.Context, name string) (facts.File, bool, error) {
	text, ok := t[name]
	switch {
	case text == "?":
		return facts.File{}, false, errors.New("the engine does not answer")
	case text == "…":
		return facts.File{Path: name, Content: []byte(strings.Repeat("x", 100)), Mode: 0o755}, true, nil
	}
	return facts.File{Path: name, Content: []byte(text), Whole: true, Mode: 0o755}, ok, nil
}

func TestUsers(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\nnginx:x:101:101::/:/sbin/nologin\nsecond:x:101:7::/:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\nbad:x:-5:0::/:\nhuge:x:99999999999:0::/:\n"
	const group = "root:x:0:\nwheel:x:10:node\nnginx:x:101:nginx\nstaff:x:50:\n"
	for user, want := range map[string]string{
		"": "0:0", "root": "0:0", "0": "0:0", "nginx": "101:101", "101": "101:101", "nginx:staff": "101:50", "nginx:5": "101:5", "4711": "4711:0",
		"gone": "unknown", "node:gone": "unknown", "node": "1000:1000 and more", "node:node": "unknown", "1000:1000": "1000:1000", "bad": "unknown", "huge": "unknown", "99999999999": "unknown", "-1": "unknown",
	} {
		f := facts.Read(t.Context(), facts.Config{User: user}, tree{"/etc/passwd": passwd, "/etc/group": group})
		got := f.User.String()
		if !f.User.Known {
			got = "unknown"
		}
		if f.Groups {
			got += " and more"
		}
		if got != want {
			t.Errorf("user %q is %s, want %s", user, got, want)
		}
	}
}

func TestHostileAccounts(t *testing.T) {
	for name, text := range map[string]string{"too long": "…", "cannot be read": "?"} {
		f := facts.Read(t.Context(), facts.Config{User: "app"}, tree{"/etc/passwd": text})
		if f.User.Known || len(f.Problems) == 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	many := strings.Repeat("a:x:1:1::/:/\n", 3) + strings.Repeat("::::\n", 100_000)
	if f := facts.Read(t.Context(), facts.Config{User: "a"}, tree{"/etc/passwd": many}); f.User.String() != "1:1" {
		t.Errorf("%+v", f.User)
	}
}

func TestEntryPoints(t *testing.T) {
	files := tree{
		"/docker-entrypoint.sh":     "#!/bin/sh\n# chown is only a word here\nset -e\nif [ \"$(id -u)\" = 0 ]; then chown -R app /data; exec gosu app \"$@\"; fi\nexec \"$@\"\n",
		"/plain.sh":                 "#!/bin/sh\necho starting\nexec node server.js\n",
		"/usr/local/bin/node":       "\x7fELF",
		"/usr/bin/tini":             "\x7fELF",
		"/etc/services.d/x":         "",
		"/app/run":                  "#!/usr/bin/with-contenv bash\nexec x\n",
		"/app/start.sh":             "#!/bin/bash\napk add --no-cache curl\n",
		"/usr/local/bin/too-long":   "…",
		"/usr/local/sbin/unreached": "?",
		"/bin/sh":                   "\x7fELF",
	}
	for name, c := range map[string]struct {
		entrypoint, command []string
		dir, starts, root   string
	}{
		"a script that changes its user": {[]string{"/docker-entrypoint.sh"}, []string{"node"}, "", facts.StartsScript, "calls chown, gosu"},
		"a plain script":                 {[]string{"/plain.sh"}, nil, "", facts.StartsScript, ""},
		"a program on the path":          {nil, []string{"node", "server.js"}, "", facts.StartsBinary, ""},
		"behind an init":                 {[]string{"/usr/bin/tini", "-g", "--", "/docker-entrypoint.sh"}, nil, "", facts.StartsScript, "calls chown, gosu"},
		"s6":                             {[]string{"/init"}, nil, "", facts.StartsUnknown, "is an init that starts services (/init)"},
		"a script of s6":                 {[]string{"/app/run"}, nil, "", facts.StartsScript, "is run by s6"},
		"packages":                       {[]string{"./start.sh"}, nil, "/app", facts.StartsScript, "calls apk add"},
		"a shell":                        {nil, []string{"/bin/sh", "-c", "chown x /y; exec z"}, "", facts.StartsScript, "calls chown"},
		"not there":                      {[]string{"/gone"}, nil, "", facts.StartsUnknown, ""},
		"nothing":                        {nil, nil, "", facts.StartsUnknown, ""},
	} {
		f := facts.Read(t.Context(), facts.Config{Entrypoint: c.entrypoint, Command: c.command, WorkingDir: c.dir}, files)
		if f.Starts != c.starts || f.WantsRoot != c.root {
			t.Errorf("%s: it is a %q that %q", name, f.Starts, f.WantsRoot)
		}
	}
}

func TestPrograms(t *testing.T) {
	f := facts.Read(t.Context(), facts.Config{Env: []string{"PATH=/bin:/usr/bin"}}, tree{"/usr/bin/curl": "\x7fELF", "/bin/hidden": "?", "/etc/os-release": "ID=alpine\nVERSION_ID=\"3.22\"\n"}, "curl", "wget", "hidden")
	if f.Lacks("curl") || !f.Lacks("wget") || f.Lacks("hidden") || f.Lacks("never asked") || f.Distribution != "alpine" || f.Release != "3.22" {
		t.Errorf("%+v", f)
	}
}

// Whatever an image says, reading it ends, and what is known of its user are numbers that the kernel has.
func FuzzRead(f *testing.F) {
	f.Add("app", "app:x:5:6::/:/bin/sh\n", "app:x:6:app\n", "#!/bin/sh\nexec gosu app x\n")
	f.Add("1000:staff", "::::\n", "staff:x:-1:\n", "#!")
	f.Fuzz(func(t *testing.T, user, passwd, group, script string) {
		got := facts.Read(t.Context(), facts.Config{User: user, Entrypoint: []string{"/e"}}, tree{"/etc/passwd": passwd, "/etc/group": group, "/e": script}, "curl")
		if u := got.User; u.Known && (u.UID < 0 || u.GID < 0 || u.UID > 1<<32-2 || u.GID > 1<<32-2) {
			t.Errorf("%+v", u)
		}
		if kept := got.Keep().Facts(); kept.User != got.User {
			t.Errorf("%+v", kept)
		}
	})
}

// A build is known by its Dockerfile and the image from which it is made.
func TestStages(t *testing.T) {
	base := facts.Read(t.Context(), facts.Config{Entrypoint: []string{"/e"}}, tree{"/etc/passwd": "root:x:0:0::/:\nnode:x:1000:1001::/:\nops:x:7:7::/:\n", "/etc/group": "wheel:x:10:ops\n", "/e": "\x7fELF"})
	for name, c := range map[string]struct{ file, target, base, user string }{
		"as it was":              {"FROM node:24", "", "node:24", "0:0"},
		"a user of the base":     {"FROM node:24\nUSER node", "", "node:24", "1000:1001"},
		"numbers":                {"FROM node:24\nRUN useradd x\nUSER 5:6", "", "node:24", "5:6"},
		"a number alone":         {"FROM node:24\nUSER 5", "", "node:24", "unknown"},
		"a user that was added":  {"FROM node:24\nRUN adduser x\nUSER x", "", "node:24", "unknown"},
		"accounts are changed":   {"FROM node:24\nRUN usermod node\nUSER node", "", "node:24", "unknown"},
		"a user in more groups":  {"FROM node:24\nUSER ops", "", "node:24", "7:7 and more"},
		"the last stage":         {"FROM golang AS build\nRUN make\nFROM node:24\nUSER node", "", "node:24", "1000:1001"},
		"a stage on another one": {"FROM node:24 AS base\nUSER node\nFROM base AS prod\nCMD x", "", "node:24", "1000:1001"},
		"the target":             {"FROM node:24 AS base\nUSER node\nFROM other AS prod\nUSER 0", "base", "node:24", "1000:1001"},
		"no such target":         {"FROM node:24", "gone", "", ""},
		"a variable":             {"ARG V\nFROM node:$V", "", "", ""},
		"from nothing":           {"FROM scratch\nUSER 5:6", "", "", ""},
		"empty":                  {"", "", "", ""},
	} {
		var steps []facts.Step
		for line := range strings.Lines(c.file) {
			words := strings.Fields(line)
			steps = append(steps, facts.Step{Keyword: words[0], Args: words[1:]})
		}
		stage, _ := facts.Last(steps, c.target)
		if stage.Base != c.base {
			t.Errorf("%s: made from %q", name, stage.Base)
			continue
		}
		f := stage.On(base)
		got := f.User.String()
		if !f.User.Known {
			got = "unknown"
		}
		if f.Groups {
			got += " and more"
		}
		if c.base != "" && got != c.user {
			t.Errorf("%s: runs as %s, want %s", name, got, c.user)
		}
	}
}
