package audit

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/scan"
)

// Subject is what the controls are judged on.
type Subject struct {
	Reference string
	Config    image.Config
	Contents  scan.Contents
	Report    Report
	Matched   bool // advisories were looked up
}

// control is one row of the table: a predicate that answers with a status and the evidence.
type control struct {
	id, title string
	severity  finding.Severity
	judge     func(Subject, Policy) (finding.Status, string)
	remedy    string
}

// Judge returns a finding for each image control.
func Judge(s Subject, p Policy) []finding.Finding {
	var out []finding.Finding
	for _, c := range controls() {
		status, detail := c.judge(s, p)
		tier := finding.Declared
		if status == finding.Unknown {
			tier = finding.None
		}
		f := finding.Finding{Subject: s.Reference, Control: c.id, Title: c.title, Severity: c.severity, Status: status, Tier: tier, Detail: detail, Where: "image"}
		if !f.Proven() {
			f.Remedy = c.remedy
		}
		out = append(out, f)
	}
	return out
}

// Reported is what another scanner said about an image, besides its vulnerabilities.
type Reported struct {
	Looked    bool // packages were looked up
	Secrets   []scan.Secret
	EndOfLife bool
}

// JudgeReported returns findings for the controls that another scanner's report can answer, and for no others.
func JudgeReported(r Report, t Reported, p Policy) []finding.Finding {
	var out []finding.Finding
	for _, f := range Judge(Subject{Reference: r.Image, Report: r, Matched: t.Looked, Contents: scan.Contents{Packages: r.Packages, Secrets: t.Secrets}}, p) {
		switch {
		case f.Control == "HSE-IMG-010", f.Control == "HSE-IMG-005" && len(t.Secrets) > 0:
			out = append(out, f)
		case f.Control == "HSE-IMG-008" && t.EndOfLife:
			f.Status, f.Tier, f.Detail, f.Remedy = finding.Fail, finding.Declared, r.Release+" no longer gets updates", "rebuild on a supported base: hsectl build --pull --no-cache"
			out = append(out, f)
		}
	}
	return out
}

// Titles of the controls. Those that the table of internal/policy has, too, are the same there.
const (
	titlePinned       = "The image is pinned by its digest"
	titleUser         = "The image does not start as root by itself"
	titlePrivileges   = "No file grants privileges"
	titleSecrets      = "No secret is baked into the image"
	titleHygiene      = "The Dockerfile follows best practices"
	titleVerification = "Certificate verification is not disabled"
	titleExposure     = "The image declares no unusual ports or volumes"
	titleWritable     = "No file is world-writable"
)

func controls() []control {
	return []control{
		{"HSE-IMG-001", titlePinned, finding.High, pinned, "write the lock: hsectl lock"},
		{"HSE-IMG-003", titleUser, finding.Medium, user, "end the Dockerfile with USER 65532:65532, or the numbers of the image's own user"},
		{"HSE-IMG-004", titlePrivileges, finding.Medium, privileges, "take the bits away in the build: find / -xdev -perm /6000 -type f -exec chmod a-s {} +"},
		{"HSE-IMG-005", titleSecrets, finding.Critical, secrets, "revoke the secret, and give it to the build with --mount=type=secret"},
		{"HSE-IMG-006", "No shell, package manager or compiler", finding.Low, minimal, "copy the program into a distroless or empty base"},
		{"HSE-IMG-007", "Size and number of layers are within the budget", finding.Low, budget, "leave build tools in an earlier stage"},
		{"HSE-IMG-008", "The image is recent, and its base still gets updates", finding.Medium, age, "rebuild on a supported base: hsectl build --pull --no-cache"},
		{"HSE-IMG-009", "The image comes from an allowed registry", finding.Medium, registry, "use an image of an allowed registry, or add the registry to supply_chain.registries"},
		{"HSE-IMG-010", "No vulnerability at or above the threshold", finding.High, vulnerabilities, "update what has a fix, then rebuild; hsectl scan shows each"},
		{"HSE-IMG-014", titleVerification, finding.High, verification, "remove the switch, and add the certificate authority that is missing"},
		{"HSE-IMG-015", titleExposure, finding.Low, exposure, "remove EXPOSE 22 and volumes on system directories"},
		{"HSE-IMG-016", "Accounts have their own uid and no empty password", finding.Medium, accounts, "give each account its own uid, and lock its password"},
		{"HSE-IMG-017", titleWritable, finding.Low, writable, "chmod o-w in the build, or set the sticky bit on directories"},
	}
}

func pinned(s Subject, p Policy) (finding.Status, string) {
	switch {
	case strings.Contains(s.Reference, "@sha256:"):
		return finding.Pass, "the reference has a digest"
	case p.Pinned:
		return finding.Pass, "the lock has its digest"
	}
	return finding.Fail, "the reference " + s.Reference + " can refer to a different image later"
}

func user(s Subject, _ Policy) (finding.Status, string) {
	name, _, _ := strings.Cut(s.Config.User, ":")
	n, err := strconv.Atoi(name)
	switch {
	case name == "" || name == "root" || err == nil && n == 0:
		return finding.Fail, "runs as root by default"
	case err != nil:
		return finding.Fail, fmt.Sprintf("user %q is a name, which only the image can resolve", name)
	}
	return finding.Pass, "user " + s.Config.User
}

func privileges(s Subject, _ Policy) (finding.Status, string) {
	return absent(marks(s, scan.Setuid, scan.Setgid, scan.Capability), "no file with setuid, setgid or capabilities")
}

func writable(s Subject, _ Policy) (finding.Status, string) {
	return absent(marks(s, scan.WorldWritable), "no world-writable file")
}

func marks(s Subject, kinds ...string) []string {
	var out []string
	for _, m := range s.Contents.Marks {
		if slices.Contains(kinds, m.Kind) {
			out = append(out, "/"+m.Path)
		}
	}
	return out
}

// absent passes when a list is empty, and otherwise shows its beginning.
func absent(list []string, good string) (finding.Status, string) {
	if len(list) == 0 {
		return finding.Pass, good
	}
	const shown = 6
	slices.Sort(list)
	list = slices.Compact(list)
	text := strings.Join(list[:min(shown, len(list))], ", ")
	if more := len(list) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return finding.Fail, text
}

func secrets(s Subject, _ Policy) (finding.Status, string) {
	var found []string
	for _, f := range s.Contents.Secrets {
		text := fmt.Sprintf("%s in /%s", f.Title, f.Path)
		if f.Line > 0 {
			text += fmt.Sprintf(":%d", f.Line)
		}
		text += fmt.Sprintf(" (layer %d", f.Layer+1)
		if f.Deleted {
			text += ", deleted later"
		}
		found = append(found, text+")")
	}
	for _, step := range s.Config.History {
		for _, f := range scan.FindSecrets("history", []byte(step.CreatedBy)) {
			found = append(found, f.Title+" in the history")
		}
	}
	for _, variable := range s.Config.Env {
		for _, f := range scan.FindSecrets("env", []byte(variable)) {
			name, _, _ := strings.Cut(variable, "=")
			found = append(found, f.Title+" in variable "+name)
		}
	}
	for name, value := range s.Config.Labels {
		for _, f := range scan.FindSecrets("label", []byte(value)) {
			found = append(found, f.Title+" in label "+name)
		}
	}
	return absent(found, "none of the known forms of credentials")
}

func minimal(s Subject, _ Policy) (finding.Status, string) {
	var tools []string
	for _, t := range s.Contents.Tools {
		tools = append(tools, "/"+t)
	}
	return absent(tools, "none found")
}

func budget(s Subject, p Policy) (finding.Status, string) {
	text := fmt.Sprintf("%d MiB in %d layers", s.Contents.Size>>20, len(s.Config.DiffIDs))
	switch {
	case p.MaxBytes == 0 && p.MaxLayers == 0:
		return finding.NotApplicable, text + "; no budget is set"
	case p.MaxBytes > 0 && s.Contents.Size > p.MaxBytes:
		return finding.Fail, fmt.Sprintf("%s; the budget is %d MiB", text, p.MaxBytes>>20)
	case p.MaxLayers > 0 && len(s.Config.DiffIDs) > p.MaxLayers:
		return finding.Fail, fmt.Sprintf("%s; the budget is %d layers", text, p.MaxLayers)
	}
	return finding.Pass, text
}

// reproducible is the time before which a creation date is a constant of a reproducible build: the year 2000.
var reproducible = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func age(s Subject, p Policy) (finding.Status, string) {
	id := s.Contents.Release["ID"]
	end, name, known := p.Lives.End(id, s.Contents.Release["VERSION_ID"])
	if over := end.AddDate(0, 0, 1); known && p.Today.After(over) {
		return finding.Fail, fmt.Sprintf("%s gets no updates since %s", name, over.Format(time.DateOnly))
	}
	days := int(p.Today.Sub(s.Config.Created).Hours() / 24)
	old := p.MaxAge > 0 && !s.Config.Created.Before(reproducible) && p.Today.Sub(s.Config.Created) > p.MaxAge
	if stale := p.Lives.Data.Stale(p.Today); stale != "" && id != "" && !old {
		return finding.Unknown, fmt.Sprintf("whether %s still gets updates: %s", cmp.Or(name, id), stale)
	}
	switch {
	case p.MaxAge == 0:
		return finding.NotApplicable, "no greatest age is set"
	case s.Config.Created.Before(reproducible):
		return finding.NotApplicable, "a reproducible build does not say when it was made"
	case old:
		return finding.Fail, fmt.Sprintf("%d days old; %d are allowed", days, int(p.MaxAge.Hours()/24))
	}
	return finding.Pass, fmt.Sprintf("%d days old", days)
}

func registry(s Subject, p Policy) (finding.Status, string) {
	if len(p.Registries) == 0 {
		return finding.NotApplicable, "all registries are allowed"
	}
	for _, ref := range []string{s.Reference, s.Config.Labels["org.opencontainers.image.base.name"]} {
		if ref == "" {
			continue
		}
		repository, err := image.Repository(ref)
		if err != nil {
			return finding.Unknown, fmt.Sprintf("%q is not a reference", ref)
		}
		if !slices.ContainsFunc(p.Registries, func(allowed string) bool { return within(repository, allowed) }) {
			return finding.Fail, repository + " is not from an allowed registry"
		}
	}
	return finding.Pass, "from an allowed registry"
}

// within compares whole segments, so that example.com does not allow example.com.evil.org.
func within(repository, allowed string) bool {
	return repository == allowed || strings.HasPrefix(repository, strings.TrimSuffix(allowed, "/")+"/")
}

func vulnerabilities(s Subject, p Policy) (finding.Status, string) {
	switch {
	case !s.Matched:
		return finding.Unknown, "no vulnerability database was queried"
	case len(s.Contents.Problems) > 0:
		problem := s.Contents.Problems[0]
		return finding.Unknown, fmt.Sprintf("%d files could not be read for packages, such as /%s: %s", len(s.Contents.Problems), problem.Path, problem.Text)
	}
	counting := s.Report.Counting(p)
	if len(counting) > 0 {
		worst := counting[0]
		fixable := 0
		for _, v := range counting {
			if v.Fixed != "" {
				fixable++
			}
		}
		return finding.Fail, fmt.Sprintf("%d at or above %s, %d with a fix; worst is %s in %s %s", len(counting), p.FailOn, fixable, worst.ID, worst.Package, worst.Version)
	}
	if len(s.Contents.Packages) == 0 && s.Contents.Files {
		return finding.Unknown, "the image has files and no package that could be looked up"
	}
	if len(s.Report.Unmatched) > 0 {
		return finding.Unknown, s.Report.Unmatched[0]
	}
	return finding.Pass, fmt.Sprintf("none at or above %s in %d packages", p.FailOn, len(s.Contents.Packages))
}

// bypass matches switches by which a build step or a program stops to verify certificates or signatures.
var bypass = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`curl\b[^|;&]*(?:\s-[a-zA-Z]*k\b|--insecure)|wget\b[^|;&]*--no-check-certificate|PYTHONHTTPSVERIFY=0|NODE_TLS_REJECT_UNAUTHORIZED=["']?0|GIT_SSL_NO_VERIFY=|GOINSECURE=\S|--allow-untrusted|--allow-unauthenticated|--trusted-host|--nogpgcheck|strict-ssl[= ]false|http\.sslVerify[= ]false|AllowInsecureRepositories`)
})

func verification(s Subject, _ Policy) (finding.Status, string) {
	var found []string
	for _, step := range s.Config.History {
		if m := bypass().FindString(step.CreatedBy); m != "" {
			found = append(found, "build step: "+m)
		}
	}
	for _, v := range s.Config.Env {
		if m := bypass().FindString(v); m != "" {
			found = append(found, "variable: "+m)
		}
	}
	return absent(found, "no switch in history or environment")
}

func exposure(s Subject, _ Policy) (finding.Status, string) {
	var found []string
	for _, port := range s.Config.Ports {
		number, _, _ := strings.Cut(port, "/")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 65535 || n == 22 {
			found = append(found, "port "+port)
		}
	}
	for _, v := range s.Config.Volumes {
		if systemDirectory(v) {
			found = append(found, "volume on "+v)
		}
	}
	return absent(found, "no unusual ports or volumes")
}

// systemDirectory tells whether a volume would hide what belongs to the system.
func systemDirectory(v string) bool {
	return slices.Contains([]string{"/", "/dev", "/proc", "/sys", "/etc", "/bin", "/sbin", "/usr", "/run", "/lib"}, path.Clean("/"+v))
}

func accounts(s Subject, _ Policy) (finding.Status, string) {
	if !s.Contents.HasAccounts() {
		return finding.NotApplicable, "the image has no /etc/passwd"
	}
	return absent(slices.Clone(s.Contents.Accounts), "each account has its own uid and no empty password")
}
