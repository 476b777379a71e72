package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/evidence"
)

func newChecklist(g *app.Settings, s app.Streams) *cobra.Command {
	var o evidence.ChecklistOptions
	cmd := &cobra.Command{
		Use:   "checklist",
		Short: "Answer the production checklist from evidence",
		Long: `Checklist answers the fourteen questions of a production review from evidence: the running containers, the latest results
of drills and scans on this machine, the engine's machine, Prometheus and Alertmanager of the profile's own monitoring,
the backups that the profile declares or --backup names, and the addresses that the flags name. A question without evidence
is unknown, and the answer names the command to run. Exit 3 unless every answer is good.`,
		Example: `  hsectl checklist
  hsectl checklist --dashboards http://127.0.0.1:3000/api/health --tls tls://shop.example
  hsectl checklist --backup /var/backups/shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return evidence.Checklist(cmd.Context(), g, s, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	f := cmd.Flags()
	f.StringVar(&o.Dashboards, "dashboards", "", "URL of the dashboards to check")
	f.StringVar(&o.Alerts, "alerts", "", "URL of Prometheus' rules, which must contain an alert; for monitoring outside the profile")
	f.StringVar(&o.TLS, "tls", "", "address whose certificate is checked, such as tls://name")
	f.StringVar(&o.Backup, "backup", "", "file of the last backup, or the directory of all backups; age and size are checked")
	f.DurationVar(&o.BackupAge, "backup-age", 26*time.Hour, "age after which a backup does not count")
	f.IntVar(&o.Days, "days", 30, "age in days after which a stored result does not count")
	return cmd
}

func newDoctor(g *app.Settings, s app.Streams) *cobra.Command {
	var o evidence.DoctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Diagnose failing services and show what to change in the profile",
		Long: `Doctor reads the state, the health and the log of every service, detects known causes, and prints for each one
the evidence and the change of the profile that fixes it. Of a service that is well it names processes that died within it.

When the newest deploy failed and was undone, doctor reads what was kept of the service that failed, and names the release.
--release N asks for an earlier failed deploy, and --log prints the lines that were kept, without values of secrets.

--fix tries each change first: on a throw-away copy of the service and of all it depends on, without ports and with empty
volumes. What makes the copy work is written into the profile; comments and order are kept. What does not work, or cannot be
tried, is not written, unless --untested is given. Exit 3 when a cause is found.`,
		Example: `  hsectl doctor
  hsectl doctor --fix && hsectl deploy
  hsectl doctor --release 8 --log`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return evidence.Doctor(cmd.Context(), g, s, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Fix, "fix", false, "write the changes that work on a copy into the profile")
	f.BoolVar(&o.Untested, "untested", false, "with --fix: also write changes that no copy has shown to work")
	f.IntVar(&o.Release, "release", 0, "number of the release whose deploy failed (default: what runs now, and the newest deploy if it failed)")
	f.BoolVar(&o.Log, "log", false, "also print the log lines that were kept of the failed deploy")
	f.DurationVar(&o.Timeout, "timeout", 3*time.Minute, "timeout for a copy to become healthy")
	return cmd
}

func newLint(g *app.Settings, s app.Streams) *cobra.Command {
	o := evidence.LintOptions{}
	cmd := &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Check a profile or any Compose file against the controls, without an engine",
		Long: `Lint checks files, without an engine. FILE is a profile or a Compose file; lint detects which. Several files are merged over
the first one, like docker compose -f.

A Compose file is resolved first: include, extends, anchors, profiles, variables and env_file; nothing is downloaded. A setting
that needs a reason in a profile is a finding in a Compose file. What the file does not show is unknown, and unknown never passes.

--fix adds settings that cannot break a service: no-new-privileges, log rotation, a grace period, no swap beyond the memory
limit. All other bytes stay, comments included. --baseline FILE ignores the findings in FILE; --write-baseline writes it.
Exit 3 when anything fails or is unknown.`,
		Example: `  hsectl lint -f profiles/hse-digital.yaml
  hsectl lint --format sarif > hsectl.sarif    # for code scanning
  hsectl lint docker-compose.yml docker-compose.prod.yml
  hsectl lint docker-compose.yml --fix
  hsectl lint docker-compose.yml --write-baseline hsectl-baseline.json
  hsectl lint docker-compose.yml --baseline hsectl-baseline.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return evidence.Lint(cmd.Context(), g, s, o, args)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().BoolVar(&o.Fix, "fix", false, "apply the safe fixes to a Compose file, in place")
	cmd.Flags().StringVar(&o.Baseline, "baseline", "", "ignore the findings in this file; only new ones count")
	cmd.Flags().StringVar(&o.WriteBaseline, "write-baseline", "", "write the findings to this file and exit 0")
	inputFlags(&o.Inputs, cmd)
	return cmd
}

func newProbe(g *app.Settings, s app.Streams) *cobra.Command {
	var o evidence.ProbeOptions
	cmd := &cobra.Command{
		Use:   "probe URL|SERVICE",
		Short: "Check whether a service works, from outside or from inside its network",
		Long: `Probe sends one request and checks the response; images need no curl. The scheme of the URL selects the protocol: http,
https, tcp, tls (days until the certificate expires), dns, postgres, mysql, redis (without a password: is it ready?), grpc and
grpcs (the health service), udp (is a datagram refused?) and quic (HTTP/3). With the name of a service, probe runs the test under health: of its profile, from inside.
Exit 3 when no good response arrives before the deadline.`,
		Example: `  hsectl probe http://127.0.0.1:3001/api/health --body ok --max-latency 500ms
  hsectl probe app                                  # the test of its profile, from inside
  hsectl probe postgres://postgres --inside app     # can the app reach its database?
  hsectl probe tls://example.org --days 14
  hsectl probe app --deadline 2m                    # wait until it works
  hsectl probe app --watch`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return evidence.Probe(cmd.Context(), g, s, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Inside, "inside", "", "probe from the network of this service")
	f.IntVar(&o.Check.Status, "status", 0, "expected HTTP status (default: any from 200 to 399)")
	f.StringVar(&o.Check.Body, "body", "", "text that the response must contain")
	f.StringVar(&o.Check.Header, "header", "", "header that the response must have, as \"Name: value\"")
	f.DurationVar(&o.Check.Latency, "max-latency", 0, "maximum time until the response")
	f.DurationVar(&o.Check.Timeout, "timeout", 5*time.Second, "timeout of one attempt")
	f.IntVar(&o.Check.Days, "days", 14, "minimum days that a certificate must still be valid")
	f.BoolVar(&o.Check.Insecure, "insecure", false, "do not verify the issuer of the certificate")
	f.DurationVar(&o.Interval, "interval", 2*time.Second, "time between two attempts")
	f.DurationVar(&o.Deadline, "deadline", 0, "retry until this time has passed")
	f.BoolVarP(&o.Watch, "watch", "w", false, "probe until interrupted, and print changes")
	return cmd
}

func newReview(g *app.Settings, s app.Streams) *cobra.Command {
	o := evidence.ReviewOptions{}
	cmd := &cobra.Command{
		Use:   "review BASE [HEAD]",
		Short: "Show how a change affects the security posture of a profile or Compose file",
		Long: `Review compares two versions of a profile or of any Compose file, and lists for each service what became weaker, what became
stronger, and what only changed: capabilities, writable paths, secrets, ports, networks, limits, users, health, images,
exceptions. It compares the resulting stacks, after presets and defaults, not the text. The monitoring stack is compared in
the same way, including alert receivers, retention, probes and objectives, and so are the Dockerfiles of both versions.

BASE and HEAD are each a file, a directory (every profile in it, and every compose.yml), or a git revision: REV, REV:path or
REV:directory. A revision without a path means the profile of -f or, without one, the Compose file in the same directory.
Without HEAD, the files of the work tree are compared. Revisions are read from git itself; the work tree is not touched. One
side may be a Compose file and the other the profile made from it.

A change counts when it is weaker, or when it is neutral and has a severity, such as a new user that must own the files of a
volume. --fail-on weaker fails on every weaker change, --fail-on medium on changes that count and are at least medium; the
exit code is then 3.`,
		Example: `  hsectl review main                                   # the work tree against main
  hsectl review origin/main HEAD --format markdown     # a comment for a pull request
  hsectl review v1.2:profiles v1.3:profiles --fail-on high
  hsectl review old.yaml new.yaml --diff
  hsectl review main HEAD -f docker-compose.yml        # needs no profile
  hsectl review docker-compose.yml hsectl.yaml         # what hsectl init changed`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				args = append(args, "")
			}
			return evidence.Review(cmd.Context(), g, s, o, args[0], args[1])
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "text", "text, markdown, json or sarif")
	inputFlags(&o.Inputs, cmd)
	cmd.Flags().StringVar(&o.FailOn, "fail-on", "", "weaker, low, medium, high or critical: exit 3 when a change is at least this bad")
	cmd.Flags().BoolVar(&o.Diff, "diff", false, "also show the difference of the rendered files")
	return cmd
}

func newVerify(g *app.Settings, s app.Streams) *cobra.Command {
	var o evidence.VerifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove on the running containers that every control holds",
		Long: `Verify inspects every container of the stack through the engine and the kernel, and applies the same controls as to the
rendered stack. It also tests behaviour: a write to / must fail with EROFS, a write to every declared path by the service's
own user must succeed. Images need no shell. As root on the engine's own machine verify inspects the containers directly;
from anywhere else it starts a short-lived probe container for each of them. When only the current health is missing,
verify retries after the next health test, at most twice.

Exit 3 when anything fails or is unknown.`,
		Example: `  hsectl verify
  hsectl verify --all                 # every control, including those that hold
  hsectl verify --engine              # also the engine and its machine
  hsectl verify --format json | jq '.findings[] | select(.status != "pass")'
  hsectl verify --format html > evidence.html
  hsectl verify --format json > release-2.json && hsectl verify --since release-1.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			return evidence.Verify(cmd.Context(), g, s, o)
		},
	}
	reportFlags(&o.ReportOptions, cmd)
	cmd.Flags().BoolVar(&o.Engine, "engine", false, "also check the engine itself and the machine it runs on")
	cmd.Flags().BoolVar(&o.Sidecars, "sidecars", false, "always use probe containers, even where this machine can inspect directly")
	cmd.Flags().BoolVar(&o.Survey, "one-probe", false, "inspect all containers with one probe on the engine's machine: faster for remote engines; the probe runs as root on that host")
	cmd.MarkFlagsMutuallyExclusive("sidecars", "one-probe")
	cmd.Flags().BoolVar(&o.Deep, "deep", false, "also test what the settings of each container allow, on a throw-away copy")
	return cmd
}
