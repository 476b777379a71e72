package stack

import (
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/profile"
)

// Backup says who keeps the data of a volume elsewhere: hsectl, in To, or an outside system, By.
type Backup struct {
	Service     string // whose programs Dump, Restore and Check are
	To          string // relative to the profile
	Dump        []string
	Restore     []string
	Check       []string
	Encrypt     []string // age recipients; none is a readable archive
	Schedule    string
	Keep        int // number of backups kept; 0 is all
	Timeout     time.Duration
	By          string
	Reason      string
	Evidence    string // relative to the profile
	Tested      string // relative to the profile
	MaxAge      time.Duration
	MaxUntested time.Duration
}

// BackupDir is where Dump writes, and Restore reads.
const BackupDir = profile.BackupDir

func newVolume(p *profile.Profile, name string) Volume {
	v := p.Volumes[name]
	out := Volume{Name: name, External: v.External, Ephemeral: v.Ephemeral}
	if b := v.Backup; b != nil {
		out.Backup = &Backup{Service: p.BackedUpBy(name), To: b.To, Dump: b.Dump, Restore: b.Restore, Check: b.Check, Encrypt: b.Encrypt, Schedule: b.Schedule, Keep: b.Keep,
			Timeout: b.Lasts(), By: b.By, Reason: b.Reason, Evidence: b.Evidence, Tested: b.Tested, MaxAge: b.Within(), MaxUntested: b.TestedWithin()}
	}
	return out
}

// Volume returns the volume of that name, or false.
func (s Stack) Volume(name string) (Volume, bool) {
	i := slices.IndexFunc(s.Volumes, func(v Volume) bool { return v.Name == name })
	if i < 0 {
		return Volume{}, false
	}
	return s.Volumes[i], true
}

// Keeping is what the stack declares about the backups of the volumes of a service.
func (s Stack) Keeping(service Service) policy.Keeping {
	out := policy.Keeping{Silent: !slices.ContainsFunc(s.Volumes, func(v Volume) bool { return v.Backup != nil })}
	for _, w := range service.Volumes() {
		v, ok := s.Volume(w.Volume)
		if !ok || slices.ContainsFunc(out.Volumes, func(k policy.Kept) bool { return k.Volume == w.Volume }) {
			continue
		}
		k := policy.Kept{Volume: v.Name, Ephemeral: v.Ephemeral}
		if b := v.Backup; b != nil {
			k.Declared, k.By, k.MaxAge, k.MaxUntested = true, b.By, b.MaxAge, b.MaxUntested
		}
		out.Volumes = append(out.Volumes, k)
	}
	return out
}
