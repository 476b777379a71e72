package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/policy"
	"github.com/hsectl/hsectl/internal/policy/controls"
	"github.com/hsectl/hsectl/internal/stack"
)

// judgeBackups judges what this machine and the engine show of the backups of each service's volumes.
func judgeBackups(ctx context.Context, l app.Loaded, engine *docker.Engine) []finding.Finding {
	var out []finding.Finding
	for _, service := range l.Stack.Services {
		keeping := l.Stack.Keeping(service)
		for i, k := range keeping.Volumes {
			v, _ := l.Stack.Volume(k.Volume)
			if v.Backup == nil {
				continue
			}
			k.Looked, k.Age = true, volumeAge(ctx, l, engine, v)
			if v.Backup.By != "" {
				k.Last, k.Restored = outsideEvidence(l, v.Backup.Evidence, "evidence:"), outsideEvidence(l, v.Backup.Tested, "tested:")
			} else {
				k.Last, k.Restored = ownEvidence(l, v)
			}
			keeping.Volumes[i] = k
		}
		facts := policy.Facts{Service: service.Name, Keeping: policy.Seen(keeping, finding.Declared)}
		if len(keeping.Volumes) > 0 {
			out = append(out, service.Waive([]finding.Finding{controls.CheckOne("HSE-OPS-001", facts, l.Stack.Intent(service))})...)
		}
	}
	return app.Located(l, out)
}

func volumeAge(ctx context.Context, l app.Loaded, engine *docker.Engine, v stack.Volume) policy.Fact[time.Duration] {
	age, ok, err := engine.VolumeAge(ctx, deploy.VolumeName(l.Stack, v.Name))
	switch {
	case err != nil:
		return policy.Unseen[time.Duration](err.Error())
	case !ok:
		return policy.Unseen[time.Duration]("the volume does not exist")
	}
	return policy.Seen(age, finding.Applied)
}

// outsideEvidence is the age of the newest file that an outside system writes.
func outsideEvidence(l app.Loaded, path, key string) policy.Fact[policy.Past] {
	if path == "" {
		return policy.Unseen[policy.Past]("an outside system makes it, and the profile does not set " + key)
	}
	info, err := host.Newest(l.Resolve(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return policy.Unseen[policy.Past](fmt.Sprintf("%s not found on this machine", path))
	case err != nil:
		return policy.Unseen[policy.Past](err.Error())
	case info == nil:
		return policy.Seen(policy.Past{Never: true}, finding.Applied)
	}
	past := policy.Past{Ago: time.Since(info.ModTime())}
	if info.Size() == 0 {
		past.Bad = info.Name() + " is empty"
	}
	return policy.Seen(past, finding.Applied)
}

// ownEvidence is what lies in the directory of the backups that hsectl makes.
func ownEvidence(l app.Loaded, v stack.Volume) (last, restored policy.Fact[policy.Past]) {
	dir := l.Resolve(v.Backup.To)
	if _, err := os.Stat(filepath.Clean(dir)); err != nil {
		why := fmt.Sprintf("directory %s not found on this machine; run this where the backups are made", v.Backup.To)
		if !errors.Is(err, fs.ErrNotExist) {
			why = err.Error()
		}
		return policy.Unseen[policy.Past](why), policy.Unseen[policy.Past](why)
	}
	return lastBackup(dir, l.Stack.Name, v.Name), lastRestore(dir, l.Stack.Name, v.Name)
}

func lastBackup(dir, stackName, volume string) policy.Fact[policy.Past] {
	records, err := host.Backups(dir, stackName, volume)
	switch {
	case err != nil:
		return policy.Unseen[policy.Past](err.Error())
	case len(records) == 0:
		return policy.Seen(policy.Past{Never: true}, finding.Applied)
	}
	past := policy.Past{Ago: time.Since(records[0].Made)}
	if err := host.ArchiveSize(dir, records[0]); err != nil {
		past.Bad = err.Error()
	}
	return policy.Seen(past, finding.Applied)
}

func lastRestore(dir, stackName, volume string) policy.Fact[policy.Past] {
	proof, ok, err := host.LastProof(dir, stackName, volume)
	switch {
	case err != nil:
		return policy.Unseen[policy.Past](err.Error())
	case !ok:
		return policy.Seen(policy.Past{Never: true}, finding.Behaved)
	}
	past := policy.Past{Ago: time.Since(proof.Made)}
	if !proof.Passed {
		past.Bad = proof.Detail
	}
	return policy.Seen(past, finding.Behaved)
}
