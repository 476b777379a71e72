package profile

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// Backup says who keeps the data of a volume elsewhere, and how it is known that it can be brought back. Either hsectl
// makes the backups (To), or an outside system does (By).
type Backup struct {
	To          string   `yaml:"to" doc:"directory for the backups that hsectl backup makes, relative to the profile"`
	Dump        []string `yaml:"dump" doc:"program of the service's image that writes the data to files in /backup; the volume's own files are taken unless written"`
	Restore     []string `yaml:"restore" doc:"program that brings back what dump wrote to /backup"`
	Check       []string `yaml:"check" doc:"program that ends with 0 only when the restored data is right; hsectl drill restore runs it"`
	Encrypt     []string `yaml:"encrypt" doc:"age recipients (age1…): each can decrypt the archives with its identity, and nobody else"`
	Service     string   `yaml:"service" doc:"service whose image, user, secrets and networks the programs have; needed when several write the volume"`
	Schedule    string   `yaml:"schedule" doc:"when hsectl backup runs: five fields as cron reads them, or @daily; generate writes the line for cron"`
	Keep        int      `yaml:"keep" doc:"number of backups that are kept; all unless written"`
	Timeout     Duration `yaml:"timeout" doc:"time until a program counts as failed; 1h unless written"`
	By          string   `yaml:"by" doc:"outside system that makes the backups instead, such as: snapshots of the storage"`
	Reason      string   `yaml:"reason" doc:"why an outside system makes them"`
	Evidence    string   `yaml:"evidence" doc:"file, or directory of files, that the outside system writes with each backup, relative to the profile"`
	Tested      string   `yaml:"tested" doc:"file that the outside system writes after each restore that was tried with success, relative to the profile"`
	MaxAge      Duration `yaml:"max_age" doc:"longest time since the last backup; 26h unless written"`
	MaxUntested Duration `yaml:"max_untested" doc:"longest time since the last restore that was tried; 2160h unless written"`
}

// What holds of a backup unless the profile says otherwise: one a day with two hours of grace, a restore in 90 days.
const (
	backupAge      = 26 * time.Hour
	backupUntested = 90 * 24 * time.Hour
	backupTimeout  = time.Hour
)

// BackupDir is where dump writes, and restore reads.
const BackupDir = "/backup"

var (
	cronField = `(\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?(,[0-9]{1,2}(-[0-9]{1,2})?)*`
	recipient = regexp.MustCompile(`^age1[0-9a-z]{50,}$`) // https://age-encryption.org/v1, and its hybrid keys
	// Patterns that repeat are slow to compile: most commands need none of them.
	schedule = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(@hourly|@daily|@weekly|@monthly|` + cronField + `( ` + cronField + `){4})$`)
	})
)

// Within returns the longest time since the last backup.
func (b Backup) Within() time.Duration { return cmp.Or(b.MaxAge.D, backupAge) }

// TestedWithin returns the longest time since the last restore that was tried.
func (b Backup) TestedWithin() time.Duration { return cmp.Or(b.MaxUntested.D, backupUntested) }

// Lasts returns the time until a program counts as failed.
func (b Backup) Lasts() time.Duration { return cmp.Or(b.Timeout.D, backupTimeout) }

// Writers returns the services that write a volume, sorted.
func (p *Profile) Writers(volume string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		if slices.ContainsFunc(p.Services[name].Writable, func(w Writable) bool { return w.Volume == volume }) {
			out = append(out, name)
		}
	}
	return out
}

// BackedUpBy returns the service whose programs make the backups of a volume: the one that is written, or the only one
// that writes the volume.
func (p *Profile) BackedUpBy(volume string) string {
	if b := p.Volumes[volume].Backup; b != nil && b.Service != "" {
		return b.Service
	}
	if writers := p.Writers(volume); len(writers) > 0 {
		return writers[0]
	}
	return ""
}

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
			v.bad(path, "write to: DIRECTORY for hsectl backup, or by: SYSTEM with reason: for another", "the backup of volume %q must say who makes it", name)
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
func (v *validator) outside(b Backup, path string) {
	if strings.TrimSpace(b.Reason) == "" {
		v.bad(path+".by", "add reason: why that system makes them", "%q makes the backups, and nobody says why", b.By)
	}
	for key, set := range map[string]bool{"dump": b.Dump != nil, "restore": b.Restore != nil, "check": b.Check != nil, "encrypt": b.Encrypt != nil, "service": b.Service != "",
		"schedule": b.Schedule != "", "keep": b.Keep != 0, "timeout": b.Timeout.D != 0} {
		if set {
			v.bad(path+"."+key, "it goes with to: "+key+" is for backups that hsectl makes", "%q makes the backups, not hsectl", b.By)
		}
	}
}

// inside checks a backup that hsectl makes.
func (v *validator) inside(b Backup, path string, writers []string) {
	switch {
	case b.Service != "" && !slices.Contains(writers, b.Service):
		v.bad(path+".service", yamldoc.DidYouMean(b.Service, writers), "service %q does not write this volume", b.Service)
	case b.Service == "" && len(writers) > 1:
		v.bad(path, "add service: one of "+strings.Join(writers, ", "), "%d services write this volume", len(writers))
	}
	switch {
	case b.Dump == nil && b.Restore != nil:
		v.bad(path+".restore", "add dump: the program that writes it, or drop restore", "nothing is dumped that could be restored by a program")
	case b.Dump != nil && b.Restore == nil:
		v.bad(path+".dump", "add restore: the program that reads "+BackupDir, "what is dumped cannot be brought back")
	case b.Dump != nil && b.Check == nil:
		v.bad(path+".dump", "add check: a program that fails when the rows are not there", "nothing shows that what was dumped is right")
	}
	for i, r := range b.Encrypt {
		if !recipient.MatchString(r) {
			v.bad(fmt.Sprintf("%s.encrypt[%d]", path, i), "write what age-keygen prints as the public key: age1…", "this is not the recipient of an age identity")
		}
	}
	if b.Schedule != "" && !schedule().MatchString(b.Schedule) {
		v.bad(path+".schedule", `write five fields, such as "15 3 * * *", or @daily`, "%q is not a time as cron reads it", b.Schedule)
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
