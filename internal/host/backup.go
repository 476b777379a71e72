package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hsectl/hsectl/internal/verify"
)

// LastBackup looks at a backup: a file, or the newest file of a directory. It must not be empty, nor older than a time.
// That it can be restored is not known from that, and the answer says so.
func LastBackup(path string, now time.Time, within time.Duration) verify.Answer {
	info, err := Newest(path)
	switch {
	case err != nil:
		return verify.Answer{Text: fmt.Sprintf("looking at the backup: %v", err)}
	case info == nil:
		return verify.Answer{Text: fmt.Sprintf("there is no file in %s", path)}
	}
	age := now.Sub(info.ModTime()).Round(time.Minute)
	text := fmt.Sprintf("%s has %d bytes and is %s old", info.Name(), info.Size(), age)
	switch {
	case info.Size() == 0:
		return verify.Answer{Text: text}
	case age > within:
		return verify.Answer{Text: fmt.Sprintf("%s, more than %s", text, within)}
	}
	return verify.Answer{OK: true, Text: text + "; whether it can be restored was not tried"}
}

// Newest returns a file, or the file of a directory that was written last, or nil when that has none.
func Newest(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return newest(path)
	}
	return info, err
}

// newest returns the file of a directory that was written last, or nil when it has none.
func newest(dir string) (fs.FileInfo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out fs.FileInfo
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(dir, entry.Name()))
		if err != nil || !info.Mode().IsRegular() {
			continue // a link to nothing, or what was removed meanwhile
		}
		if out == nil || info.ModTime().After(out.ModTime()) {
			out = info
		}
	}
	return out, nil
}
