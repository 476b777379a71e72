package side_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/review"
)

// pair is one change of service app, or of what is beside the services, in both ways.
type pair struct {
	strong, weak       string // lines of the service
	topStrong, topWeak string // lines of the file
	open               bool   // no control judges the weak one: that it is gone need not be stronger
}

func pairs() map[string]pair {
	return map[string]pair{
		"no security module":            {weak: `security_opt: ["no-new-privileges:true", "apparmor:unconfined"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"no security module, with =":    {weak: `security_opt: ["no-new-privileges:true", "apparmor=unconfined"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"no label":                      {weak: `security_opt: ["no-new-privileges:true", "label=disable"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"a type that may do everything": {weak: `security_opt: ["no-new-privileges:true", "label=type:spc_t"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"another profile":               {weak: `security_opt: ["no-new-privileges:true", "apparmor=mine"]`, strong: `security_opt: ["no-new-privileges:true"]`, open: true},
		"writable control groups":       {weak: `security_opt: ["no-new-privileges:true", "writable-cgroups=true"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"no filter":                     {weak: `security_opt: ["no-new-privileges:true", "seccomp=unconfined"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"a filter of its own":           {weak: `security_opt: ["no-new-privileges:true", "seccomp=./filter.json"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"kernel paths open":             {weak: `security_opt: ["no-new-privileges:true", "systempaths=unconfined"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"new privileges":                {weak: `security_opt: ["label=type:app_t"]`, strong: `security_opt: ["no-new-privileges:true", "label=type:app_t"]`},
		"new privileges, last":          {weak: `security_opt: ["no-new-privileges:true", "no-new-privileges:false"]`, strong: `security_opt: ["no-new-privileges:true"]`},
		"an option nobody knows":        {weak: `security_opt: ["no-new-privileges:true", "novel=on"]`, strong: `security_opt: ["no-new-privileges:true"]`, open: true},
		"privileged":                    {weak: "privileged: true", strong: "privileged: false"},
		"the pid namespace":             {weak: "pid: host", strong: "init: true"},
		"a borrowed pid namespace":      {weak: "pid: service:other", strong: "init: true"},
		"the ipc namespace":             {weak: "ipc: host", strong: "ipc: private"},
		"a shareable ipc namespace":     {weak: "ipc: shareable", strong: "ipc: private"},
		"shareable from nothing":        {weak: "ipc: shareable", strong: "init: true"},
		"the uts namespace":             {weak: "uts: host", strong: "init: true"},
		"the user namespace":            {weak: "userns_mode: host", strong: "init: true"},
		"the cgroup namespace":          {weak: "cgroup: host", strong: "cgroup: private"},
		"a group above":                 {weak: "cgroup_parent: /other", strong: "init: true"},
		"another runtime":               {weak: "runtime: novel", strong: "runtime: runc"},
		"a device":                      {weak: "devices: ['/dev/kmsg:/dev/kmsg']", strong: "init: true"},
		"a rule of devices":             {weak: "device_cgroup_rules: ['c 1:1 rwm']", strong: "init: true"},
		"graphics":                      {weak: "gpus: all", strong: "init: true"},
		"a kernel parameter":            {weak: "sysctls: {kernel.msgmax: 1}", strong: "sysctls: {net.ipv4.tcp_syncookies: 1}"},
		"a group of the host":           {weak: "group_add: [disk]", strong: "group_add: ['2000']"},
		"the group root":                {weak: "group_add: ['0']", strong: "init: true"},
		"never killed":                  {weak: "oom_kill_disable: true", strong: "init: true"},
		"killed last":                   {weak: "oom_score_adj: -500", strong: "oom_score_adj: 0"},
		"metadata":                      {weak: "extra_hosts: ['m:169.254.169.254']", strong: "extra_hosts: ['m:203.0.113.4']"},
		"the engine":                    {weak: "use_api_socket: true", strong: "init: true"},
		"a path of the host":            {weak: "volumes: ['/etc:/x:ro']", strong: "volumes: ['./conf:/x:ro']"},
		"the socket of the engine":      {weak: "volumes: ['/var/run/docker.sock:/s:ro']", strong: "init: true"},
		"a writable bind":               {weak: "volumes: ['./conf:/x']", strong: "volumes: ['./conf:/x:ro']"},
		"a shared mount":                {weak: "volumes: [{type: bind, source: /srv/x, target: /x, read_only: true, bind: {propagation: rshared}}]", strong: "volumes: [{type: bind, source: /srv/x, target: /x, read_only: true}]"},
		"mounts of another":             {weak: "volumes_from: [other]", strong: "init: true", open: true},
		"a public port":                 {weak: "ports: ['8080:80']", strong: "ports: ['127.0.0.1:8080:80']"},
		"a public port, mapped":         {weak: "ports: ['[::ffff:0.0.0.0]:8080:80']", strong: "ports: ['127.0.0.1:8080:80']"},
		"a port more":                   {weak: "ports: ['127.0.0.1:8080:80', '127.0.0.1:9090:90']", strong: "ports: ['127.0.0.1:8080:80']"},
		"the network of the host":       {weak: "network_mode: host", strong: "network_mode: none"},
		"a way out":                     {weak: "networks: [closed, open]", strong: "networks: [closed]"},
		"a network of others":           {weak: "networks: [closed, others]", strong: "networks: [closed]"},
		"root":                          {weak: `user: "0:0"`, strong: `user: "1000:1000"`},
		"a writable root":               {weak: "read_only: false", strong: "read_only: true"},
		"a capability":                  {weak: "cap_add: [SYS_ADMIN]", strong: "cap_add: []"},
		"no memory limit":               {weak: "mem_limit: 0", strong: "mem_limit: 64m"},
		"absurd memory":                 {weak: "mem_limit: 1125899906842624", strong: "mem_limit: 64m"},
		"absurd processes":              {weak: "pids_limit: 4000000", strong: "pids_limit: 100"},
		"absurd processors":             {weak: "cpus: 1000", strong: "cpus: 1"},
		"no health test":                {weak: "healthcheck: {disable: true}", strong: "healthcheck: {test: [CMD, /app, health]}"},
		"a health test that is true":    {weak: "healthcheck: {test: [CMD, 'true']}", strong: "healthcheck: {test: [CMD, /app, health]}"},
		"no logs":                       {weak: "logging: {driver: none}", strong: "logging: {driver: local}"},
		"a secret in a variable":        {weak: "environment: {API_TOKEN: hunter2}", strong: "environment: {LEVEL: info}"},
		"a secret in a label":           {weak: "labels: {api_token: hunter2}", strong: "labels: {a: b}"},
		"a privileged hook":             {weak: "post_start: [{command: [x], user: root, privileged: true}]", strong: "init: true"},
		"a volume that is a path":       {weak: "volumes: ['vol:/v']", strong: "volumes: ['vol:/v']", topWeak: "volumes: {vol: {driver_opts: {type: none, o: bind, device: /etc}}}", topStrong: "volumes: {vol: {}}"},
		"a volume that is /proc":        {weak: "volumes: ['vol:/v']", strong: "volumes: ['vol:/v']", topWeak: "volumes: {vol: {driver_opts: {type: proc, device: proc}}}", topStrong: "volumes: {vol: {}}"},
		"a volume of another stack":     {weak: "volumes: ['vol:/v']", strong: "volumes: ['vol:/v']", topWeak: "volumes: {vol: {external: true, name: other_data}}", topStrong: "volumes: {vol: {}}"},
		"a volume by its name":          {weak: "volumes: ['vol:/v']", strong: "volumes: ['vol:/v']", topWeak: "volumes: {vol: {name: other_data}}", topStrong: "volumes: {vol: {}}"},
		"a driver nobody knows":         {weak: "volumes: ['vol:/v']", strong: "volumes: ['vol:/v']", topWeak: "volumes: {vol: {driver: plugin}}", topStrong: "volumes: {vol: {}}", open: true},
		"a share with a password":       {weak: "volumes: ['vol:/v']", strong: "volumes: ['vol:/v']", topWeak: "volumes: {vol: {driver_opts: {type: cifs, device: //h/s, o: 'password=hunter2'}}}", topStrong: "volumes: {vol: {driver_opts: {type: cifs, device: //h/s, o: 'credentials=/etc/c'}}}"},
		"a config that is a socket":     {weak: "configs: [{source: c, target: /c}]", strong: "configs: [{source: c, target: /c}]", topWeak: "configs: {c: {file: /run/x.sock}}", topStrong: "configs: {c: {file: ./c}}"},
		"a secret of the host":          {weak: "secrets: [c]", strong: "secrets: [c]", topWeak: "secrets: {c: {file: /etc/shadow}}", topStrong: "secrets: {c: {file: ./c}}"},
		"a routed network":              {weak: "networks: [n]", strong: "networks: [n]", topWeak: "networks: {n: {driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: routed}}}", topStrong: "networks: {n: {}}"},
	}
}

// same are changes that mean nothing for the posture.
func same() map[string]pair {
	return map[string]pair{
		"the sign of an option":     {strong: `security_opt: ["no-new-privileges:true", "label:disable"]`, weak: `security_opt: ["no-new-privileges=true", "label=disable"]`},
		"the order of options":      {strong: `security_opt: ["no-new-privileges:true", "label:disable"]`, weak: `security_opt: ["label:disable", "no-new-privileges:true"]`},
		"ports in long form":        {strong: `ports: ["127.0.0.1:8080:80"]`, weak: `ports: [{target: 80, published: "8080", host_ip: 127.0.0.1}]`},
		"volumes in long form":      {strong: "volumes: ['./conf:/x:ro']", weak: "volumes: [{type: bind, source: ./conf, target: /x, read_only: true}]"},
		"a variable":                {strong: "environment: {LEVEL: info}", weak: "environment: {LEVEL: debug}"},
		"an extension":              {strong: "x-note: a", weak: "x-note: b"},
		"the engine's own filter":   {strong: `security_opt: ["no-new-privileges:true", "seccomp=builtin"]`, weak: `security_opt: ["no-new-privileges:true"]`},
		"the engine's own profile":  {strong: `security_opt: ["no-new-privileges:true", "apparmor=docker-default"]`, weak: `security_opt: ["no-new-privileges:true"]`},
		"private is what it is":     {strong: "ipc: private", weak: "init: true"},
		"the usual runtime":         {strong: "runtime: runc", weak: "init: true"},
		"a name of another machine": {strong: "extra_hosts: ['m:203.0.113.4']", weak: "extra_hosts: ['m:203.0.113.5']"},
	}
}

func pairFile(lines, top string) string {
	base := map[string]string{"image": "image: registry.example/app:1", "user": `user: "1000:1000"`, "read_only": "read_only: true", "cap_drop": "cap_drop: [ALL]", "init": "init: true",
		"security_opt": `security_opt: ["no-new-privileges:true"]`, "networks": "networks: [closed]", "mem_limit": "mem_limit: 64m", "pids_limit": "pids_limit: 100", "cpus": "cpus: 1",
		"healthcheck": "healthcheck: {test: [CMD, /app, health]}", "logging": "logging: {driver: local}"}
	key, _, _ := strings.Cut(lines, ":")
	delete(base, key)
	if key == "network_mode" {
		delete(base, "networks")
	}
	text := "name: kiosk\nservices:\n  app:\n    " + lines + "\n"
	for _, line := range base {
		text += "    " + line + "\n"
	}
	text += "  other: {image: x, networks: [closed]}\n"
	if rest, ok := strings.CutPrefix(top, "networks: {"); ok {
		return text + "networks: {closed: {internal: true}, " + rest + "\n"
	}
	return text + "networks: {closed: {internal: true}, open: {}, others: {external: true}}\n" + top + "\n"
}

// Each change is weaker in one way and stronger in the other, and nothing but that: a removed weakness is never weaker.
func TestPairedChanges(t *testing.T) {
	day := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	tally := func(r review.Review) (weaker, stronger int) {
		n := r.Tally()
		return n[review.Weaker], n[review.Stronger]
	}
	if len(pairs()) < 60 {
		t.Errorf("only %d pairs", len(pairs()))
	}
	for name, p := range pairs() {
		strong, weak := composeSide(t, pairFile(p.strong, p.topStrong)), composeSide(t, pairFile(p.weak, p.topWeak))
		worse := review.Compare(strong, weak, day)
		if weaker, stronger := tally(worse); weaker == 0 || stronger > 0 {
			t.Errorf("%s: weaker is %d weaker, %d stronger: %+v", name, weaker, stronger, worse.Changes)
		}
		better := review.Compare(weak, strong, day)
		if weaker, stronger := tally(better); weaker > 0 || stronger == 0 && !p.open {
			t.Errorf("%s: stronger is %d weaker, %d stronger: %+v", name, weaker, stronger, better.Changes)
		}
	}
	for name, p := range same() {
		one, two := composeSide(t, pairFile(p.strong, p.topStrong)), composeSide(t, pairFile(p.weak, p.topWeak))
		for _, r := range []review.Review{review.Compare(one, two, day), review.Compare(two, one, day)} {
			if weaker, stronger := tally(r); weaker > 0 || stronger > 0 {
				t.Errorf("%s: %d weaker, %d stronger: %+v", name, weaker, stronger, r.Changes)
			}
		}
	}
}
