package ask

import (
	"fmt"
	"time"

	"github.com/hsectl/hsectl/internal/host"
	"github.com/hsectl/hsectl/internal/verify"
)

// LastBackup looks at a backup: a file, or the newest file of a directory. It must not be empty, nor older than a time.
// That it can be restored is not known from that, and the answer says so.
func LastBackup(path string, now time.Time, within time.Duration) verify.Answer {
	info, err := host.Newest(path)
	switch {
	case err != nil:
		return verify.Answer{Text: fmt.Sprintf("inspecting the backup: %v", err)}
	case info == nil:
		return verify.Answer{Text: fmt.Sprintf("%s contains no file", path)}
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
