package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/backup"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/display"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/engine/tasks"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/secret"
	"github.com/hsectl/hsectl/internal/stack"
)

// Backup makes the backups that the profile declares: of the volumes that are named, or of all.
func Backup(ctx context.Context, g *app.Settings, s app.Streams, names []string) error {
	read := app.LoadPinned
	if len(names) > 0 {
		read = app.Load // a volume that is named is chosen by that, as Compose starts a service that is named
	}
	l, err := read(g.File)
	if err != nil {
		return err
	}
	volumes, err := backedUp(l, names)
	if err != nil {
		return err
	}
	engine, err := g.Connect(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	var problems []error
	for _, v := range volumes {
		if err := backupVolume(ctx, s, engine, l, v); err != nil {
			problems = append(problems, fmt.Errorf("backing up %s: %w", v.Name, err))
		}
	}
	return errors.Join(problems...)
}

// backedUp returns the volumes that hsectl backs up: those that are named, or all.
func backedUp(l app.Loaded, names []string) ([]stack.Volume, error) {
	var all, out []stack.Volume
	var known []string
	for _, v := range l.Stack.Volumes {
		if v.Backup != nil && v.Backup.To != "" {
			all, known = append(all, v), append(known, v.Name)
		}
	}
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, &app.UsageError{Err: fmt.Errorf("%s declares no backup by hsectl for volume %q", l.Path, name), Hint: "volumes with backup: {to: …}: " + fmt.Sprint(known)}
		}
		out = append(out, all[i])
	}
	if len(names) == 0 {
		out = all
	}
	if len(out) == 0 {
		return nil, &app.UsageError{Err: fmt.Errorf("%s declares no backup that hsectl makes", l.Path), Hint: "write volumes: {NAME: {backup: {to: DIRECTORY}}}"}
	}
	return out, nil
}

func backupVolume(ctx context.Context, s app.Streams, engine *docker.Engine, l app.Loaded, v stack.Volume) (err error) {
	b := v.Backup
	record := backup.NewRecord(l.Stack.Name, v.Name, time.Now())
	record.Service, record.Form = b.Service, backup.Files
	if record.Image, err = engine.RunningImage(ctx, l.Stack.Name, b.Service); err != nil {
		return err
	}
	if len(b.Encrypt) > 0 {
		record.Encrypt()
	}
	store := func(volume string) error {
		return engine.ReadVolume(ctx, volume, func(tar io.Reader) (err error) {
			record, err = host.StoreBackup(l.Resolve(b.To), record, func(w io.Writer) (backup.Content, error) {
				content, err := packFor(w, tar, b.Encrypt)
				if err == nil && record.Form == backup.Dump && content.Entries < 2 { // the directory itself is one
					err = fmt.Errorf("%s succeeded but wrote nothing to %s", b.Dump[0], stack.BackupDir)
				}
				return content, err
			})
			return err
		})
	}
	if len(b.Dump) == 0 {
		err = store(deploy.VolumeName(l.Stack, v.Name))
	} else {
		record.Form = backup.Dump
		err = engine.WithScratch(ctx, l.Stack.Name, func(scratch string) error {
			if err := engine.RunTask(ctx, l.Stack.Name, tasks.Task{Service: b.Service, Command: b.Dump, Scratch: scratch, Timeout: b.Timeout}); err != nil {
				return err
			}
			return store(scratch)
		})
	}
	if err != nil {
		return err
	}
	s.Say("%-28s %s, %d bytes", v.Name, filepath.Join(b.To, record.Archive), record.Bytes)
	pruned, err := host.PruneBackups(l.Resolve(b.To), l.Stack.Name, v.Name, b.Keep)
	if pruned > 0 {
		s.Say("%-28s %s removed, %d kept", v.Name, display.Count(pruned, "older backup"), b.Keep)
	}
	return err
}

// packFor packs the tar of a directory, for its recipients when it is encrypted.
func packFor(w io.Writer, tar io.Reader, recipients []string) (backup.Content, error) {
	if len(recipients) == 0 {
		return backup.Pack(w, tar)
	}
	sealed, err := secret.Encrypting(w, recipients)
	if err != nil {
		return backup.Content{}, err
	}
	content, err := backup.Pack(sealed, tar)
	return content, errors.Join(err, sealed.Close())
}

// openBackup returns the archive of a backup, whole and decrypted.
func openBackup(l app.Loaded, g *app.Settings, dir string, r backup.Record) (io.Reader, io.Closer, error) {
	archive, err := host.OpenBackup(dir, r)
	if err != nil || !r.Encrypted {
		return archive, archive, err
	}
	identities, err := app.Vault{Dir: l.Dir(), Identity: g.Identity}.Identities()
	if err != nil {
		return nil, nil, errors.Join(err, archive.Close())
	}
	plain, err := secret.Decrypting(archive, identities)
	if err != nil {
		err = &app.UsageError{Err: fmt.Errorf("opening %s: %w", r.Archive, err), Hint: "name the file of an identity that it was encrypted for: --age-identity or HSECTL_AGE_IDENTITY"}
		return nil, nil, errors.Join(err, archive.Close())
	}
	return plain, archive, nil
}
