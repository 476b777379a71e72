package profile

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Backup says who keeps the data of a volume elsewhere, and how it is known that it can be brought back. Either hsectl
// makes the backups (To), or an outside system does (By).
type Backup struct {
	To          string   `yaml:"to" doc:"directory for the backups that hsectl backup makes, relative to the profile"`
	Dump        []string `yaml:"dump" doc:"program of the service's image that writes the data to files in /backup; the volume's own files are taken unless written"`
	Restore     []string `yaml:"restore" doc:"program that restores what dump wrote to /backup"`
	Check       []string `yaml:"check" doc:"program that ends with 0 only when the restored data is right; hsectl drill restore runs it"`
	Encrypt     []string `yaml:"encrypt" doc:"age recipients (age1…); only their identities can decrypt the archives"`
	Service     string   `yaml:"service" doc:"service whose image, user, secrets and networks the programs use; required when several services write the volume"`
	Schedule    string   `yaml:"schedule" doc:"when hsectl backup runs: five fields as cron reads them, or @daily; generate writes the line for cron"`
	Keep        int      `yaml:"keep" doc:"number of backups that are kept; default all"`
	Timeout     Duration `yaml:"timeout" doc:"time until a program counts as failed; default 1h"`
	By          string   `yaml:"by" doc:"outside system that makes the backups instead, such as: snapshots of the storage"`
	Reason      string   `yaml:"reason" doc:"why an outside system makes them"`
	Evidence    string   `yaml:"evidence" doc:"file, or directory of files, that the outside system writes with each backup, relative to the profile"`
	Tested      string   `yaml:"tested" doc:"file that the outside system writes after each restore that was tried with success, relative to the profile"`
	MaxAge      Duration `yaml:"max_age" doc:"longest time since the last backup; default 26h"`
	MaxUntested Duration `yaml:"max_untested" doc:"longest time since the last tested restore; default 2160h"`
}

// What holds of a backup unless the profile says otherwise: one a day with two hours of grace, a restore in 90 days.
const (
	backupAge      = 26 * time.Hour
	backupUntested = 90 * 24 * time.Hour
	backupTimeout  = time.Hour
)

// BackupDir is where dump writes, and restore reads.
const BackupDir = "/backup"

// Within returns the longest time since the last backup.
func (b Backup) Within() time.Duration { return cmp.Or(b.MaxAge.D, backupAge) }

// TestedWithin returns the longest time since the last tested restore.
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
