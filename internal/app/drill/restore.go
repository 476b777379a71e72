package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/backup"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/engine/tasks"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/stack"
	"github.com/hsectl/hsectl/internal/verify/drills"
)

// Restore proves that the newest backup of each volume can be restored.
func Restore(ctx context.Context, g *app.Settings, s app.Streams, names []string, o RecoveryOptions) error {
	d, err := start(ctx, g, s, nil)
	if err != nil {
		return err
	}
	defer d.engine.Close()
	volumes, err := backedUp(d.loaded, names)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if err := d.restore(ctx, v, o); err != nil {
			return fmt.Errorf("restoring %s: %w", v.Name, err)
		}
	}
	return d.finish("restore", o.ReportOptions)
}

// restore tries the newest backup of one volume, judges it, and keeps the proof next to it.
func (d *run) restore(ctx context.Context, v stack.Volume, o RecoveryOptions) error {
	dir := d.loaded.Resolve(v.Backup.To)
	records, err := host.Backups(dir, d.loaded.Stack.Name, v.Name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(records) == 0 {
		return &app.UsageError{Err: fmt.Errorf("no backup of %s found in %s", v.Name, dir), Hint: "make one: hsectl backup " + v.Name}
	}
	if err != nil {
		return err
	}
	newest := records[0]
	r := drills.Restored{Made: newest.Made, Old: time.Since(newest.Made), Entries: newest.Entries, Checked: len(v.Backup.Check) > 0}
	begun := time.Now()
	err = d.tryRestore(ctx, v, dir, newest, o)
	r.Took = time.Since(begun)
	if err != nil {
		if ctx.Err() != nil || !wrongBackup(err) {
			return err
		}
		r.Wrong = err.Error()
	}
	f := drills.JudgeRestore(v.Backup.Service, v.Name, r)
	d.findings = append(d.findings, f)
	return host.StoreProof(dir, backup.NewProof(newest, time.Now(), f.Proven(), f.Detail))
}

// differsError says that what came back is not what was taken.
type differsError struct{ error }

// Unwrap returns the cause.
func (e *differsError) Unwrap() error { return e.error }

// wrongBackup tells what is wrong with a backup from what kept it from being tried.
func wrongBackup(err error) bool {
	return app.IsType[*host.DamageError](err) || app.IsType[*tasks.TaskError](err) || app.IsType[*deploy.UnhealthyError](err) || app.IsType[*differsError](err)
}

func (d *run) tryRestore(ctx context.Context, v stack.Volume, dir string, r backup.Record, o RecoveryOptions) error {
	archive, closer, err := openBackup(d.loaded, d.settings, dir, r) // before anything is started for it
	if err != nil {
		return err
	}
	defer closer.Close()
	service, ok := d.loaded.Stack.Service(v.Backup.Service)
	if !ok {
		return fmt.Errorf("service %q not found", v.Backup.Service)
	}
	before := func(twin stack.Stack) error {
		if r.Form != backup.Files {
			return nil
		}
		d.Say("restoring its volume %s from %s", v.Name, r.Archive)
		name := deploy.VolumeName(twin, v.Name)
		if err := d.engine.CreateVolume(ctx, name, twin.Name, v.Name); err != nil {
			return err
		}
		return d.restoreVolume(ctx, name, archive, r)
	}
	return d.withPrepared(ctx, service, o.Timeout, before, func(twin string) error {
		if r.Form == backup.Dump {
			if err := d.undump(ctx, twin, v, archive, r); err != nil {
				return err
			}
		}
		return d.checkRestored(ctx, twin, v, o)
	})
}

// restoreVolume brings an archive back into a volume, and compares what is there then with what was taken.
func (d *run) restoreVolume(ctx context.Context, volume string, archive io.Reader, r backup.Record) error {
	err := d.engine.WriteVolume(ctx, volume, func(w io.Writer, dir string) error {
		if _, err := backup.Unpack(w, archive, dir); err != nil {
			return &differsError{err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var came backup.Content
	err = d.engine.ReadVolume(ctx, volume, func(tar io.Reader) (err error) {
		came, err = backup.Digest(tar)
		return err
	})
	if err != nil {
		return err
	}
	if came != r.Content {
		return &differsError{fmt.Errorf("the restored data differs from the backup: %d files and directories instead of %d, or different ones", came.Entries, r.Entries)}
	}
	return nil
}

// undump lets the profile's program bring back what its other program dumped.
func (d *run) undump(ctx context.Context, twin string, v stack.Volume, archive io.Reader, r backup.Record) error {
	return d.engine.WithScratch(ctx, twin, func(scratch string) error {
		if err := d.restoreVolume(ctx, scratch, archive, r); err != nil {
			return err
		}
		if len(v.Backup.Restore) == 0 {
			return &differsError{errors.New("a dump program made it, and the profile no longer has a restore program")}
		}
		d.Say("restoring with %s", v.Backup.Restore[0])
		return d.engine.RunTask(ctx, twin, tasks.Task{Service: v.Backup.Service, Command: v.Backup.Restore, Scratch: scratch, Timeout: v.Backup.Timeout})
	})
}

// checkRestored wants the copy healthy, and what the profile checks of its data.
func (d *run) checkRestored(ctx context.Context, twin string, v stack.Volume, o RecoveryOptions) error {
	back, err := d.engine.Await(ctx, twin, v.Backup.Service, true, o.Budget)
	if err != nil {
		return err
	}
	if !back.Healthy {
		return &differsError{fmt.Errorf("the service is %s with the restored data", back.State)}
	}
	if len(v.Backup.Check) == 0 {
		return nil
	}
	d.Say("checking with %s", v.Backup.Check[0])
	return d.engine.RunTask(ctx, twin, tasks.Task{Service: v.Backup.Service, Command: v.Backup.Check, Timeout: v.Backup.Timeout})
}
