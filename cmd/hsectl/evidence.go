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
		Long: `Checklist answers fourteen questions that are asked before production: from the running containers, from the latest
results of drills and scans on this machine, from the engine's machine, from Prometheus and Alertmanager of the profile's
own monitoring, from the backups that the profile declares or one that it is shown, and from addresses that it asks now. What nothing answers is unknown, with what to run. Exit 3 unless all is answered well.`,
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
	f.StringVar(&o.Dashboards, "dashboards", "", "address of the dashboards, to be asked")
	f.StringVar(&o.Alerts, "alerts", "", "address of Prometheus' rules, which must hold an alert; for monitoring that is not the profile's own")
	f.StringVar(&o.TLS, "tls", "", "address whose certificate is looked at, as tls://name")
	f.StringVar(&o.Backup, "backup", "", "file of the last backup, or the directory of all; its age and size are looked at")
	f.DurationVar(&o.BackupAge, "backup-age", 26*time.Hour, "age after which a backup does not count")
	f.IntVar(&o.Days, "days", 30, "age in days after which a stored result does not count")
	return cmd
}

func newDoctor(g *app.Settings, s app.Streams) *cobra.Command {
	var fix bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out why services do not work, and what to change in the profile",
		Long: `Doctor reads the state, the health and the last log lines of every service, recognises causes, and prints for each one
the evidence and the change of the profile that mends it. With --fix it writes the changes; comments and order are
kept. Exit 3 when something is wrong.`,
		Example: `  hsectl doctor
  hsectl doctor --fix && hsectl deploy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return evidence.Doctor(cmd.Context(), g, s, fix) },
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "write the changes into the profile")
	return cmd
}

func newLint(g *app.Settings, s app.Streams) *cobra.Command {
	o := evidence.LintOptions{}
	cmd := &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Judge a profile, or any Compose file, by the controls, without an engine",
		Long: `Lint judges what is written. FILE is a profile or a Compose file; which one is found out. Of several files the first is the
Compose file and the others are laid over it, as docker compose -f does.

A Compose file is resolved first: include, extends, anchors, profiles, variables and env_file; nothing is fetched. What a
profile would need a reason for is a finding in a Compose file, and what the file does not show is unknown, which is no pass.

--fix adds what cannot break a service: no-new-privileges, rotation of logs, a grace period, no swap beyond the memory
limit. All other bytes stay, comments included. --baseline FILE lets the findings in it stand; --write-baseline writes it.
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
	cmd.Flags().BoolVar(&o.Fix, "fix", false, "mend what is safe to mend in a Compose file, in place")
	cmd.Flags().StringVar(&o.Baseline, "baseline", "", "findings in this file stand; only new ones count")
	cmd.Flags().StringVar(&o.WriteBaseline, "write-baseline", "", "write the findings to this file, and exit 0")
	cmd.Flags().StringArrayVar(&o.EnvFiles, "env-file", nil, "variables of a Compose file; .env beside it when not given")
	return cmd
}

func newProbe(g *app.Settings, s app.Streams) *cobra.Command {
	var o evidence.ProbeOptions
	cmd := &cobra.Command{
		Use:   "probe URL|SERVICE",
		Short: "Ask a service whether it works, from outside or from inside its network",
		Long: `Probe puts one question and judges the answer; images need no curl. The scheme of the URL says how: http, https,
tcp, tls (days until the certificate ends), dns, postgres, mysql, redis (without a password: is it ready?), grpc and
grpcs (the health service). The name of a service asks what its profile has under health:, from inside.
Exit 3 when no good answer comes before the deadline.`,
		Example: `  hsectl probe http://127.0.0.1:3001/api/health --body ok --max-latency 500ms
  hsectl probe app                                  # as its profile says, from inside
  hsectl probe postgres://postgres --inside app     # does the app reach its database?
  hsectl probe tls://example.org --days 14
  hsectl probe app --deadline 2m                    # wait until it works
  hsectl probe app --watch`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return evidence.Probe(cmd.Context(), g, s, args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Inside, "inside", "", "ask from the network of this service")
	f.IntVar(&o.Check.Status, "status", 0, "HTTP status that must come; any from 200 to 399 unless given")
	f.StringVar(&o.Check.Body, "body", "", "text that the answer must hold")
	f.StringVar(&o.Check.Header, "header", "", "header that the answer must have, as \"Name: value\"")
	f.DurationVar(&o.Check.Latency, "max-latency", 0, "time within which the answer must come")
	f.DurationVar(&o.Check.Timeout, "timeout", 5*time.Second, "time for one attempt")
	f.IntVar(&o.Check.Days, "days", 14, "days that a certificate must still be valid")
	f.BoolVar(&o.Check.Insecure, "insecure", false, "do not check who signed the certificate")
	f.DurationVar(&o.Interval, "interval", 2*time.Second, "time between two attempts")
	f.DurationVar(&o.Deadline, "deadline", 0, "ask again until this time is over")
	f.BoolVarP(&o.Watch, "watch", "w", false, "ask until interrupted, and print what changes")
	return cmd
}

func newReview(g *app.Settings, s app.Streams) *cobra.Command {
	o := evidence.ReviewOptions{}
	cmd := &cobra.Command{
		Use:   "review BASE [HEAD]",
		Short: "Say what a change of a profile, or of a Compose file, does to the posture",
		Long: `Review compares two versions of a profile, or of any Compose file, and says for each service what became weaker, what became stronger, and what
only changed: capabilities, writable paths, secrets, ports, networks, limits, users, health, images, exceptions. It judges
the stack that is meant after presets and defaults, not the text. The stack that watches is compared in the same way, and so
are receivers of alerts, retention, probes and objectives, and what the Dockerfiles of both versions do.

BASE and HEAD are each a file, a directory (every profile in it, and every compose.yml), or a git revision: REV, REV:path or
REV:directory. A revision without a path means the profile of -f, or the Compose file beside when there is none. Without HEAD
the files of the work tree are compared. Revisions are read from git itself; the work tree is not touched. One side may be a
Compose file and the other the profile that was made of it.

A change counts when it is weaker, or when it is neutral and has a severity, such as a user who must be given the files of a
volume. --fail-on weaker fails on every weaker change, --fail-on medium on what counts and is at least medium. Exit 3 then.`,
		Example: `  hsectl review main                                   # the work tree against main
  hsectl review origin/main HEAD --format markdown     # a comment for a pull request
  hsectl review v1.2:profiles v1.3:profiles --fail-on high
  hsectl review old.yaml new.yaml --diff
  hsectl review main HEAD -f docker-compose.yml        # no profile is needed
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
	cmd.Flags().StringVar(&o.FailOn, "fail-on", "", "weaker, low, medium, high or critical: exit 3 when a change is as bad")
	cmd.Flags().BoolVar(&o.Diff, "diff", false, "show the difference of the rendered files, too")
	return cmd
}

func newVerify(g *app.Settings, s app.Streams) *cobra.Command {
	var o evidence.VerifyOptions
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove on the running containers that every control holds",
		Long: `Verify asks the engine and the kernel about every container of the stack and judges the answers by the same
controls as the rendered stack. It also tries: a write to / must fail with EROFS, a write to every declared path
by the service's own user must succeed. Images without a shell are no obstacle. As root on the engine's own machine
it looks at the containers directly; from anywhere else a short-lived probe container does, beside each of them.
Where nothing but the health of the moment is missing, it is asked again after the next test, twice at most.

Exit 3 when anything fails or is unknown.`,
		Example: `  hsectl verify
  hsectl verify --all                 # every control, also those that hold
  hsectl verify --engine              # the engine and its machine, too
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
	cmd.Flags().BoolVar(&o.Engine, "engine", false, "also judge the engine itself and the machine it runs on")
	cmd.Flags().BoolVar(&o.Sidecars, "sidecars", false, "look by probe containers only, also where this machine could look by itself")
	cmd.Flags().BoolVar(&o.Survey, "one-probe", false, "look by one probe on the engine's machine at all containers: faster from afar, and it has the rights of root there")
	cmd.MarkFlagsMutuallyExclusive("sidecars", "one-probe")
	cmd.Flags().BoolVar(&o.Deep, "deep", false, "also try on a throw-away copy of each container what its settings allow")
	return cmd
}
