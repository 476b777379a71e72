package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/atomicfile"
	"github.com/hsectl/hsectl/internal/backup"
)

// maxRecordBytes bounds the record of a backup.
const maxRecordBytes = 1 << 20

// StoreBackup lets pack write an archive into a directory, which is made when it is missing, and puts the record next to it.
// Both are readable by this user only, and neither is there by half: what was interrupted leaves no record.
func StoreBackup(dir string, r backup.Record, pack func(w io.Writer) (backup.Content, error)) (backup.Record, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, fmt.Errorf("storing a backup: %w", err)
	}
	sum, size := sha256.New(), &counter{}
	err := whole(dir, r.Archive, func(w io.Writer) (err error) {
		r.Content, err = pack(io.MultiWriter(w, sum, size))
		return err
	})
	if err != nil {
		return r, fmt.Errorf("storing a backup: %w", err)
	}
	r.SHA256, r.Bytes = hex.EncodeToString(sum.Sum(nil)), size.n
	return r, writeRecord(dir, backup.RecordName(r.Archive), r)
}

// StoreProof keeps what came of a restore next to the backups.
func StoreProof(dir string, p backup.Proof) error {
	return writeRecord(dir, backup.ProofName(p.Stack, p.Volume), p)
}

func writeRecord(dir, name string, v any) error {
	data, err := backup.Text(v)
	if err != nil {
		return err
	}
	err = whole(dir, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("storing the record of a backup: %w", err)
	}
	return nil
}

// whole makes a file of mode 0600 that appears under its name only when it is complete and on the disk.
func whole(dir, name string, write func(w io.Writer) error) error {
	f, err := atomicfile.New(filepath.Join(dir, name), 0o600)
	if err != nil {
		return err
	}
	return atomicfile.Write(f, write)
}

type counter struct{ n int64 }

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// Backups returns the records of a volume in a directory, newest first. A record that is damaged is an error: its backup
// may have been the newest. A directory that is not there is an fs.ErrNotExist.
func Backups(dir, stack, volume string) ([]backup.Record, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for backups: %w", err)
	}
	var out []backup.Record
	var problems []error
	for _, e := range entries {
		if !backup.IsRecord(e.Name(), stack, volume) {
			continue
		}
		data, err := ReadFile(filepath.Join(dir, e.Name()), maxRecordBytes)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		r, err := backup.ParseRecord(data, stack, volume)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", e.Name(), err))
			continue
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b backup.Record) int { return b.Made.Compare(a.Made) })
	return out, errors.Join(problems...)
}

// LastProof returns the last restore of a volume that was tried, or false.
func LastProof(dir, stack, volume string) (backup.Proof, bool, error) {
	data, err := ReadFile(filepath.Join(dir, backup.ProofName(stack, volume)), maxRecordBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return backup.Proof{}, false, nil
	}
	if err != nil {
		return backup.Proof{}, false, err
	}
	p, err := backup.ParseProof(data, stack, volume)
	return p, err == nil, err
}

// DamageError says that an archive is not what its record says.
type DamageError struct{ Archive, What string }

// Error implements error.
func (e *DamageError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.Archive, e.What) }

// ArchiveSize looks whether the archive of a record is there and has its size.
func ArchiveSize(dir string, r backup.Record) error {
	info, err := os.Stat(filepath.Join(dir, r.Archive))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &DamageError{r.Archive, "it is gone"}
	case err != nil:
		return fmt.Errorf("inspecting a backup: %w", err)
	case info.Size() != r.Bytes:
		return &DamageError{r.Archive, fmt.Sprintf("it has %d bytes, not %d", info.Size(), r.Bytes)}
	}
	return nil
}

// OpenBackup opens the archive of a record, after it was read once to compare it with its digest.
func OpenBackup(dir string, r backup.Record) (io.ReadCloser, error) {
	if err := ArchiveSize(dir, r); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, r.Archive))
	if err != nil {
		return nil, fmt.Errorf("opening a backup: %w", err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, errors.Join(fmt.Errorf("reading a backup: %w", err), f.Close())
	}
	if hex.EncodeToString(sum.Sum(nil)) != strings.ToLower(r.SHA256) {
		return nil, errors.Join(&DamageError{r.Archive, "its digest does not match the recorded one"}, f.Close())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(fmt.Errorf("reading a backup: %w", err), f.Close())
	}
	return f, nil
}

// PruneBackups removes all but the newest backups of a volume, records first, and returns how many.
func PruneBackups(dir, stack, volume string, keep int) (int, error) {
	records, err := Backups(dir, stack, volume)
	if err != nil || keep <= 0 || len(records) <= keep {
		return 0, err
	}
	for _, r := range records[keep:] {
		for _, name := range []string{backup.RecordName(r.Archive), r.Archive} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return 0, fmt.Errorf("removing an old backup: %w", err)
			}
		}
	}
	return len(records) - keep, nil
}
