package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/backup"
	"github.com/hsectl/hsectl/internal/deploy"
	"github.com/hsectl/hsectl/internal/docker"
	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/secret"
	"github.com/hsectl/hsectl/internal/stack"
)

func newBackup(g *globals, s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "backup [VOLUME...]",
		Short: "Make the backups that the profile declares",
		Long: `Backup makes one backup now of each volume that has backup: {to: DIRECTORY} in the profile, or of those that are named.

Where the profile has a dump program, that runs in a container with the very settings of the service, and what it leaves in
/backup is taken; otherwise the volume's own files are, as they are at that moment. Nothing needs a shell, and the engine
may be a remote one. The archive and its record, with digests, are readable by this user only. What is kept beyond
keep: goes after a new backup is complete. With encrypt: the archive can be read by the age identities of its recipients only,
and this machine needs none of them. Prove that they can be restored with: hsectl drill restore`,
		Example: `  hsectl backup
  hsectl backup postgres-data -f profiles/shop.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error { return runBackup(cmd.Context(), g, s, args) },
	}
}

func runBackup(ctx context.Context, g *globals, s streams, names []string) error {
	read := loadPinned
	if len(names) > 0 {
		read = load // a volume that is named is chosen by that, as Compose starts a service that is named
	}
	l, err := read(g.file)
	if err != nil {
		return err
	}
	volumes, err := backedUp(l, names)
	if err != nil {
		return err
	}
	engine, err := g.connect(ctx)
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
func backedUp(l loaded, names []string) ([]stack.Volume, error) {
	var all, out []stack.Volume
	var known []string
	for _, v := range l.stack.Volumes {
		if v.Backup != nil && v.Backup.To != "" {
			all, known = append(all, v), append(known, v.Name)
		}
	}
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, &usageError{fmt.Errorf("%s does not say that hsectl backs up a volume %q", l.path, name), "volumes with backup: {to: …}: " + fmt.Sprint(known)}
		}
		out = append(out, all[i])
	}
	if len(names) == 0 {
		out = all
	}
	if len(out) == 0 {
		return nil, &usageError{fmt.Errorf("%s declares no backup that hsectl makes", l.path), "write volumes: {NAME: {backup: {to: DIRECTORY}}}"}
	}
	return out, nil
}

// beside is a path of the profile, seen from the profile.
func (l loaded) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir(), filepath.FromSlash(path))
}

func backupVolume(ctx context.Context, s streams, engine *docker.Engine, l loaded, v stack.Volume) (err error) {
	b := v.Backup
	record := backup.NewRecord(l.stack.Name, v.Name, time.Now())
	record.Service, record.Form = b.Service, backup.Files
	if record.Image, err = engine.RunningImage(ctx, l.stack.Name, b.Service); err != nil {
		return err
	}
	if len(b.Encrypt) > 0 {
		record.Encrypt()
	}
	store := func(volume string) error {
		return engine.ReadVolume(ctx, volume, func(tar io.Reader) (err error) {
			record, err = host.StoreBackup(l.beside(b.To), record, func(w io.Writer) (backup.Content, error) {
				content, err := packFor(w, tar, b.Encrypt)
				if err == nil && record.Form == backup.Dump && content.Entries < 2 { // the directory itself is one
					err = fmt.Errorf("%s ended well and left nothing in %s", b.Dump[0], stack.BackupDir)
				}
				return content, err
			})
			return err
		})
	}
	if len(b.Dump) == 0 {
		err = store(deploy.VolumeName(l.stack, v.Name))
	} else {
		record.Form = backup.Dump
		err = engine.WithScratch(ctx, l.stack.Name, func(scratch string) error {
			if err := engine.RunTask(ctx, l.stack.Name, docker.Task{Service: b.Service, Command: b.Dump, Scratch: scratch, Timeout: b.Timeout}); err != nil {
				return err
			}
			return store(scratch)
		})
	}
	if err != nil {
		return err
	}
	s.say("%-28s %s, %d bytes", v.Name, filepath.Join(b.To, record.Archive), record.Bytes)
	pruned, err := host.PruneBackups(l.beside(b.To), l.stack.Name, v.Name, b.Keep)
	if pruned > 0 {
		s.say("%-28s %s removed, %d kept", v.Name, count(pruned, "older backup"), b.Keep)
	}
	return err
}

// packFor packs the tar of a directory for those who may read it: everybody, or the recipients.
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

// opened returns the archive of a backup, whole and decrypted.
func (l loaded) opened(g *globals, dir string, r backup.Record) (io.Reader, io.Closer, error) {
	archive, err := host.OpenBackup(dir, r)
	if err != nil || !r.Encrypted {
		return archive, archive, err
	}
	identities, err := vault{dir: l.dir(), identity: g.identity}.identities()
	if err != nil {
		return nil, nil, errors.Join(err, archive.Close())
	}
	plain, err := secret.Decrypting(archive, identities)
	if err != nil {
		err = &usageError{fmt.Errorf("opening %s: %w", r.Archive, err), "name the file of an identity that it was encrypted for: --age-identity or HSECTL_AGE_IDENTITY"}
		return nil, nil, errors.Join(err, archive.Close())
	}
	return plain, archive, nil
}
