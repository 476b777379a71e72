package generate

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/stack"
)

// scheduleDir holds what runs verify again and again, next to the configuration of what watches the stack.
const scheduleDir = "monitoring/verify/"

// scheduleFiles are a unit and a timer for systemd, and a line for cron. The instance of the unit is the directory of the
// profile, which is unknown here: one file fits every machine.
func scheduleFiles(s stack.Stack, from Source) []File {
	if from.Verify <= 0 {
		return nil
	}
	unit := "hsectl-verify-" + s.Name
	command := func(percent string) string {
		return "/usr/local/bin/hsectl verify -f " + strings.Join(append([]string{word(from.Profile, percent)}, choices(from, percent)...), " ")
	}
	service := header(from) + fmt.Sprintf(`# Install: cp %[1]s@.service %[1]s@.timer /etc/systemd/system/
#          systemctl enable --now %[1]s@$(systemd-escape --path DIRECTORY-OF-THE-PROFILE).timer
# It fails when a control does not hold (exit 3): systemctl --failed, or OnFailure= with a unit of your own.
[Unit]
Description=Verify the stack %[2]s in %%f
Wants=docker.service
After=docker.service

[Service]
Type=oneshot
WorkingDirectory=%%f
Environment=HOME=%%h
ExecStart=%[3]s
TimeoutStartSec=10min
`, unit, s.Name, command(unitPercent))
	timer := header(from) + fmt.Sprintf(`[Unit]
Description=Verify the stack %s every %s

[Timer]
OnActiveSec=1min
OnUnitActiveSec=%d
RandomizedDelaySec=30

[Install]
WantedBy=timers.target
`, s.Name, from.Verify, int(from.Verify.Seconds()))
	cron := header(from) + fmt.Sprintf("# For a machine without systemd: into /etc/cron.d, with the directory of the profile. Not both.\n%s root cd DIRECTORY-OF-THE-PROFILE && %s\n",
		cronTimes(from.Verify), command(cronPercent))
	return []File{
		{scheduleDir + unit + "@.service", []byte(service)},
		{scheduleDir + unit + "@.timer", []byte(timer)},
		{scheduleDir + unit + ".cron", []byte(cron)},
	}
}

// How a percent sign is written that means itself (systemd.unit(5), crontab(5)).
const (
	unitPercent = "%%"
	cronPercent = `\%`
)

// choices are the flags that belong to the profile, each in words.
func choices(from Source, percent string) []string {
	var out []string
	for _, c := range from.Choices {
		flag, value, _ := strings.Cut(c, " ")
		out = append(out, flag, word(value, percent))
	}
	return out
}

// word makes a word of a command line that systemd and a shell both read as it is, with each percent sign written as given.
func word(text, percent string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("./_-=:,", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`, "%", percent).Replace(text) + `"`
}

// cronTimes is how cron says a time between two runs, or something more often where it cannot.
func cronTimes(every time.Duration) string {
	minutes := int(every.Minutes())
	for _, m := range []int{30, 20, 15, 10, 5} {
		if minutes < 60 && minutes >= m {
			return fmt.Sprintf("*/%d * * * *", m)
		}
	}
	for _, h := range []int{24, 12, 8, 6, 4, 3, 2, 1} {
		switch {
		case minutes < h*60:
		case h == 24:
			return "17 3 * * *"
		case h == 1:
			return "17 * * * *"
		default:
			return fmt.Sprintf("17 */%d * * *", h)
		}
	}
	return "*/5 * * * *"
}

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
