package validation

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

var (
	cronField = `(\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?(,[0-9]{1,2}(-[0-9]{1,2})?)*`
	recipient = regexp.MustCompile(`^age1[0-9a-z]{50,}$`) // https://age-encryption.org/v1, and its hybrid keys
	// Patterns that repeat are slow to compile: most commands need none of them.
	schedule = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(@hourly|@daily|@weekly|@monthly|` + cronField + `( ` + cronField + `){4})$`)
	})
)

func (v *validator) backups() {
	for _, name := range slices.Sorted(maps.Keys(v.p.Volumes)) {
		volume, path := v.p.Volumes[name], "volumes."+name
		b := volume.Backup
		if volume.Ephemeral != "" && b != nil {
			v.bad(path+".ephemeral", "keep one of the two", "the data of volume %q may be lost and is backed up", name)
		}
		if b == nil {
			continue
		}
		writers := v.p.Writers(name)
		if len(writers) == 0 {
			v.bad(path+".backup", "", "no service writes volume %q", name)
			continue
		}
		path += ".backup"
		switch {
		case (b.To == "") == (b.By == ""):
			v.bad(path, "write to: DIRECTORY for hsectl backup, or by: SYSTEM with reason: for another", "the backup of volume %q needs to: or by:", name)
		case b.By != "":
			v.outside(*b, path)
		default:
			v.inside(*b, path, writers)
		}
		for _, p := range []struct{ key, value string }{{"to", b.To}, {"evidence", b.Evidence}, {"tested", b.Tested}} {
			if strings.ContainsFunc(p.value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				v.bad(path+"."+p.key, "", "the path %q holds a control character", p.value)
			}
		}
	}
}

// outside checks a backup that another system makes.
func (v *validator) outside(b profile.Backup, path string) {
	if strings.TrimSpace(b.Reason) == "" {
		v.bad(path+".by", "add reason: why that system makes them", "%q makes the backups, but the reason is missing", b.By)
	}
	for key, set := range map[string]bool{"dump": b.Dump != nil, "restore": b.Restore != nil, "check": b.Check != nil, "encrypt": b.Encrypt != nil, "service": b.Service != "",
		"schedule": b.Schedule != "", "keep": b.Keep != 0, "timeout": b.Timeout.D != 0} {
		if set {
			v.bad(path+"."+key, "it goes with to: "+key+" is for backups that hsectl makes", "%q makes the backups, not hsectl", b.By)
		}
	}
}

// inside checks a backup that hsectl makes.
func (v *validator) inside(b profile.Backup, path string, writers []string) {
	switch {
	case b.Service != "" && !slices.Contains(writers, b.Service):
		v.bad(path+".service", yamldoc.DidYouMean(b.Service, writers), "service %q does not write this volume", b.Service)
	case b.Service == "" && len(writers) > 1:
		v.bad(path, "add service: one of "+strings.Join(writers, ", "), "%d services write this volume", len(writers))
	}
	switch {
	case b.Dump == nil && b.Restore != nil:
		v.bad(path+".restore", "add dump: the program that writes it, or drop restore", "restore is set without dump")
	case b.Dump != nil && b.Restore == nil:
		v.bad(path+".dump", "add restore: the program that reads "+profile.BackupDir, "the dump cannot be restored")
	case b.Dump != nil && b.Check == nil:
		v.bad(path+".dump", "add check: a program that fails when the restored data is incomplete", "no check verifies the dump")
	}
	for i, r := range b.Encrypt {
		if !recipient.MatchString(r) {
			v.bad(fmt.Sprintf("%s.encrypt[%d]", path, i), "write what age-keygen prints as the public key: age1…", "this is not the recipient of an age identity")
		}
	}
	if b.Schedule != "" && !schedule().MatchString(b.Schedule) {
		v.bad(path+".schedule", `write five fields, such as "15 3 * * *", or @daily`, "%q is not a valid cron schedule", b.Schedule)
	}
	if b.Keep < 0 {
		v.bad(path+".keep", "", "keep must be above zero, not %d", b.Keep)
	}
	for key, text := range map[string]string{"evidence": b.Evidence, "tested": b.Tested, "reason": b.Reason} {
		if text != "" {
			v.bad(path+"."+key, "it goes with by:", "%s is for backups that an outside system makes", key)
		}
	}
}

func (v *validator) hooks() {
	for _, name := range slices.Sorted(maps.Keys(v.p.Hooks)) {
		h, path := v.p.Hooks[name], "hooks."+name
		if !namePattern().MatchString(name) {
			v.bad(path+"#key", "use lower-case letters, digits, - and _", "%q cannot name a hook", name)
		}
		if len(h.Command) == 0 || h.Command[0] == "" {
			v.bad(path+".command", "write it as a list: [program, argument]", "hook %q has no command", name)
		}
		switch h.When {
		case "before", "after", "failed":
		case "":
			v.bad(path, "write when: before, when: after or when: failed", "hook %q does not say when it runs", name)
		default:
			v.bad(path+".when", "write before, after or failed", "when is %q", h.When)
		}
		for i, secret := range h.Secrets {
			source, ok := v.p.Secrets[secret]
			switch {
			case !ok:
				v.bad(fmt.Sprintf("%s.secrets[%d]", path, i), yamldoc.DidYouMean(secret, slices.Collect(maps.Keys(v.p.Secrets))), "secret %q not found", secret)
			case source.Generate:
				v.bad(fmt.Sprintf("%s.secrets[%d]", path, i), "give that secret an env, a file or another source", "secret %q is generated on the engine; its value is not here", secret)
			}
		}
	}
}

func (v *validator) jobs() {
	for _, name := range slices.Sorted(maps.Keys(v.p.Jobs)) {
		j, path := v.p.Jobs[name], "jobs."+name
		if !namePattern().MatchString(name) {
			v.bad(path+"#key", "use lower-case letters, digits, - and _", "%q cannot name a job", name)
		}
		if _, taken := v.p.Services[name]; taken {
			v.bad(path+"#key", "choose another name", "a service named %q already exists", name)
		}
		if _, ok := v.p.Services[j.Service]; !ok {
			v.bad(path+".service", yamldoc.DidYouMean(j.Service, slices.Collect(maps.Keys(v.p.Services))), "service %q not found", j.Service)
		}
		if len(j.Command) == 0 {
			v.bad(path+".command", "write it as a list: [program, argument]", "job %q has no command", name)
		}
		if j.When != "" && j.When != "before" && j.When != "after" {
			v.bad(path+".when", "write before or after", "when is %q", j.When)
		}
	}
}
