// Package facts says what an image shows of what a service made from it needs: who it runs as, what its entry point does at the
// start, which signal stops it. The image is read and never run, and everything that is read of it is bounded: what cannot be had is
// unknown. The package is pure.
package facts

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Config is what the configuration of an image says.
type Config struct {
	User         string
	Entrypoint   []string
	Command      []string
	Env          []string
	WorkingDir   string
	Ports        []string
	Volumes      []string
	Health       Health
	StopSignal   string
	Labels       map[string]string
	OS, Platform string
}

// Health is the health test of an image, as the engine has it; times that are zero are the engine's own.
type Health struct {
	Test                                          []string
	Interval, Timeout, StartPeriod, StartInterval time.Duration
	Retries                                       int
}

// File is what is read of a file of an image. Content is empty where the file is no text, or too long.
type File struct {
	Path         string // after all links
	Content      []byte // its begin, at most MaxContent bytes
	Whole        bool   // Content is all of it
	Mode         int64  // permission bits, with setuid and setgid
	UID, GID     int
	Directory    bool
	Capabilities []byte // security.capability, as the kernel stores it
}

// MaxContent bounds what is read of a file: an entry point of the largest images has 40 kB, an account file 10 kB.
const MaxContent = 256 << 10

// Reader gives the files of an image. A file that is not there is false; one that cannot be read is unknown, which is an error.
type Reader interface {
	File(ctx context.Context, name string) (file File, exists bool, err error)
}

// User is a user with its numbers.
type User struct {
	UID, GID int
	Known    bool
}

// String writes it as uid:gid.
func (u User) String() string { return fmt.Sprintf("%d:%d", u.UID, u.GID) }

// How the program of an image starts.
const (
	StartsUnknown = ""
	StartsScript  = "script"
	StartsBinary  = "program"
)

// Facts are what an image shows.
type Facts struct {
	Config
	User         User            // of Config, by the image's own accounts
	Groups       bool            // it has further groups, by the image's own accounts: a user that is written as uid:gid would not
	Starts       string          // what its entry point is
	Interpreter  string          // of an entry point that is a script
	WantsRoot    string          // why its entry point wants root, as part of a sentence; empty when it does not, or is not known
	Calls        []string        // programs that the entry point names and that change user or owner
	Capabilities []string        // that its program has as file capabilities
	Setuid       bool            // its program gets another user when it starts
	Distribution string          // ID of os-release, such as debian
	Release      string          // VERSION_ID of os-release
	Problems     []string        // what could not be read
	Grouped      map[string]bool // accounts that are in further groups

	accounts map[string]User
	missing  map[string]bool // programs that are not there
}

// Account returns the user of a name in the image.
func (f *Facts) Account(name string) (User, bool) {
	u, ok := f.accounts[name]
	return u, ok
}

// Lacks reports whether a program is known not to be in the image.
func (f *Facts) Lacks(program string) bool { return f.missing[program] }

// Read reads what an image shows. Programs are those that a health test names, and that are looked for.
func Read(ctx context.Context, c Config, r Reader, programs ...string) Facts {
	f := Facts{Config: c, accounts: map[string]User{}, missing: map[string]bool{}}
	text := func(name string) string {
		file, ok, err := r.File(ctx, name)
		if err != nil {
			f.Problems = append(f.Problems, fmt.Sprintf("%s: %v", name, err))
		}
		if !ok || err != nil {
			return ""
		}
		if !file.Whole {
			f.Problems = append(f.Problems, name+": it is too long")
			return ""
		}
		return string(file.Content)
	}
	group := text("/etc/group")
	groups := accountGroups(group)
	f.accounts = accounts(text("/etc/passwd"))
	f.User = resolve(c.User, f.accounts, groups)
	f.Grouped = map[string]bool{}
	for name, account := range f.accounts {
		if account.UID > 0 && !isNumber(name) && member(group, name, account.GID) {
			f.Grouped[name] = true
		}
	}
	f.Groups = f.User.UID > 0 && !strings.Contains(c.User, ":") && member(group, c.User, f.User.GID)
	release := text("/etc/os-release")
	if release == "" {
		release = text("/usr/lib/os-release")
	}
	f.Distribution, f.Release = releaseValue(release, "ID"), releaseValue(release, "VERSION_ID")
	f.start(ctx, r)
	for _, program := range programs {
		if found, known := find(ctx, r, program, searchPath(c.Env)); known && found == nil {
			f.missing[program] = true
		}
	}
	return f
}

// resolve is what the engine makes of a user (moby/sys/user, GetExecUser): a number is a number also where passwd has no such
// user, and its group is then 0; a name that passwd does not have has no number.
func resolve(user string, accounts map[string]User, groups map[string]int) User {
	name, group, grouped := strings.Cut(user, ":")
	out := User{Known: true}
	if name != "" {
		n, err := strconv.Atoi(name)
		account, listed := accounts[name]
		switch {
		case err == nil && n >= 0 && n <= maxID:
			out.UID = n
			out.GID = accounts[strconv.Itoa(n)].GID
		case listed:
			out = account
		default:
			return User{}
		}
	}
	if !grouped || group == "" {
		return out
	}
	if n, err := strconv.Atoi(group); err == nil && n >= 0 && n <= maxID {
		out.GID = n
	} else if gid, ok := groups[group]; ok {
		out.GID = gid
	} else {
		return User{}
	}
	return out
}

// maxID is the highest id that the kernel has for a user: the one above stands for none.
const maxID = 1<<32 - 2

const mostAccounts = 10_000

func accounts(passwd string) map[string]User {
	out := map[string]User{}
	for line := range strings.Lines(passwd) {
		parts := strings.Split(strings.TrimSpace(line), ":")
		if len(parts) < 4 || parts[0] == "" || len(out) >= mostAccounts {
			continue
		}
		uid, err1 := strconv.Atoi(parts[2])
		gid, err2 := strconv.Atoi(parts[3])
		if _, twice := out[parts[0]]; err1 == nil && err2 == nil && uid >= 0 && gid >= 0 && uid <= maxID && gid <= maxID && !twice {
			out[parts[0]] = User{uid, gid, true}
			if _, first := out[parts[2]]; !first { // the engine takes the first account of a number
				out[parts[2]] = User{uid, gid, true}
			}
		}
	}
	return out
}

func accountGroups(group string) map[string]int {
	out := map[string]int{}
	for line := range strings.Lines(group) {
		parts := strings.Split(strings.TrimSpace(line), ":")
		if len(parts) < 3 || len(out) >= mostAccounts {
			continue
		}
		if gid, err := strconv.Atoi(parts[2]); err == nil && gid >= 0 && gid <= maxID {
			out[parts[0]] = gid
		}
	}
	return out
}

// member reports whether a user is in another group than its own. Who has a number only is in none.
func member(group, name string, own int) bool {
	for line := range strings.Lines(group) {
		parts := strings.Split(strings.TrimSpace(line), ":")
		if len(parts) < 4 || parts[2] == strconv.Itoa(own) {
			continue
		}
		if slices.Contains(strings.Split(parts[3], ","), name) {
			return true
		}
	}
	return false
}

func releaseValue(text, key string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

// searchPath is where the engine looks for a program.
func searchPath(env []string) []string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			return strings.Split(value, ":")
		}
	}
	return strings.Split("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":")
}

const mostDirectories = 32

// find looks for a program as the engine does. Known is false where a directory could not be read.
func find(ctx context.Context, r Reader, program string, in []string) (found *File, known bool) {
	if program == "" {
		return nil, false
	}
	if strings.Contains(program, "/") {
		in, program = []string{path.Dir(program)}, path.Base(program)
	}
	for _, dir := range in[:min(len(in), mostDirectories)] {
		if !path.IsAbs(dir) {
			continue
		}
		file, ok, err := r.File(ctx, path.Join(dir, program))
		if err != nil {
			return nil, false
		}
		if ok && !file.Directory && file.Mode&0o111 != 0 {
			return &file, true
		}
	}
	return nil, true
}

// inits start the program that follows, and do nothing else at the start.
func inits() []string {
	return []string{"tini", "tini-static", "dumb-init", "docker-init", "catatonit"}
}

// start looks at what the entry point is.
func (f *Facts) start(ctx context.Context, r Reader) {
	words := slices.Concat(f.Entrypoint, f.Command)
	for len(words) > 0 && (slices.Contains(inits(), path.Base(words[0])) || words[0] == "--" || strings.HasPrefix(words[0], "-") && len(words) > 1) {
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	program := words[0]
	if !path.IsAbs(program) && strings.Contains(program, "/") {
		program = path.Join("/", f.WorkingDir, program)
	}
	if slices.Contains([]string{"/init", "/sbin/init", "/lib/systemd/systemd", "/usr/sbin/init", "/package/admin/s6-overlay"}, program) {
		f.WantsRoot = "is an init that starts services (" + program + ")"
		return
	}
	file, known := find(ctx, r, program, searchPath(f.Env))
	if !known || file == nil {
		return
	}
	f.Setuid = file.Mode&0o6000 != 0
	f.Capabilities = fileCapabilities(file.Capabilities)
	if !strings.HasPrefix(string(file.Content), "#!") {
		f.Starts = StartsBinary
		if base := path.Base(program); len(words) > 2 && words[1] == "-c" && slices.Contains(shells(), base) {
			f.Starts, f.Interpreter = StartsScript, base
			f.script(words[2])
		}
		return
	}
	if !file.Whole {
		return
	}
	f.Starts = StartsScript
	first, _, _ := strings.Cut(strings.TrimPrefix(string(file.Content), "#!"), "\n")
	f.Interpreter = strings.TrimSpace(first)
	f.script(string(file.Content))
}

func shells() []string { return []string{"sh", "bash", "ash", "dash", "busybox"} }

// rootWords are what a script needs root for, or changes its user by.
var rootWords = regexp.MustCompile(`(?m)(?:^|[\s;&|(` + "`" + `])(chown|chgrp|gosu|su-exec|setpriv|runuser|su|sudo|doas|usermod|groupmod|useradd|adduser|addgroup|groupadd|fixuid|s6-\w+|with-contenv|apk\s+add|apt-get|apt\s+install|dnf|yum|setcap|update-ca-certificates|mount|sysctl|crond|cron|supervisord)(?:$|[\s;&|)])`)

// script says whether the text of a script wants root.
func (f *Facts) script(text string) {
	if strings.Contains(f.Interpreter, "with-contenv") || strings.Contains(f.Interpreter, "execlineb") {
		f.WantsRoot = "is run by s6"
		return
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, m := range rootWords.FindAllStringSubmatch(line, -1) {
			if word := strings.Join(strings.Fields(m[1]), " "); !slices.Contains(f.Calls, word) {
				f.Calls = append(f.Calls, word)
			}
		}
	}
	if len(f.Calls) > 0 {
		f.WantsRoot = "calls " + strings.Join(f.Calls[:min(len(f.Calls), 4)], ", ")
	}
}

// fileCapabilities are the names in a security.capability attribute (linux/capability.h, struct vfs_cap_data).
func fileCapabilities(data []byte) []string {
	if len(data) < 12 {
		return nil
	}
	var out []string
	low := uint64(data[4]) | uint64(data[5])<<8 | uint64(data[6])<<16 | uint64(data[7])<<24
	high := uint64(0)
	if len(data) >= 20 {
		high = uint64(data[12]) | uint64(data[13])<<8 | uint64(data[14])<<16 | uint64(data[15])<<24
	}
	for bit := range 64 {
		if (low|high<<32)&(1<<bit) != 0 {
			out = append(out, strconv.Itoa(bit))
		}
	}
	return out
}

// Kept is what an image shows, to be kept by the digest of the image.
type Kept struct {
	Shown    Facts
	Accounts map[string]User
	Missing  map[string]bool
}

// Keep returns what is kept.
func (f Facts) Keep() Kept {
	f.Env, f.Labels = nil, nil // which may hold more than is needed
	return Kept{f, f.accounts, f.missing}
}

// Facts is the inverse of Keep.
func (k Kept) Facts() Facts {
	k.Shown.accounts, k.Shown.missing = k.Accounts, k.Missing
	return k.Shown
}
