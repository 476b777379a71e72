package generate

import (
	"fmt"
	"path"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

// CronFile starts the backups that have a schedule. Nothing installs it but a person.
const CronFile = "backup.cron"

// cronFiles returns the file for cron, or nothing where no backup has a schedule. Names of volumes and times cannot break
// out of their line: the profile allows neither blanks in the one nor anything but digits and *-/, in the other. The flags
// that belong to the profile are quoted.
func cronFiles(s stack.Stack, from Source) []File {
	var lines strings.Builder
	for _, v := range s.Volumes {
		if v.Backup != nil && v.Backup.Schedule != "" {
			fmt.Fprintf(&lines, "%s root %s\n", v.Backup.Schedule, strings.Join(append([]string{"hsectl backup", v.Name}, choices(from, cronPercent)...), " "))
		}
	}
	if lines.Len() == 0 {
		return nil
	}
	return []File{{CronFile, []byte(header(from) + `# Install it as /etc/cron.d/` + s.Name + `-backup on the machine that makes the backups, with the place of the profile there.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HSECTL_FILE=/etc/hsectl/` + path.Base(from.Profile) + "\n" + lines.String())}}
}
