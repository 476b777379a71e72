package audit

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hsectl/hsectl/internal/finding"
	"github.com/hsectl/hsectl/internal/image"
	"github.com/hsectl/hsectl/internal/image/scan"
	"github.com/hsectl/hsectl/internal/policy"
)

// JudgeDockerfile returns what a Dockerfile does against the image controls, before anything is built. Where is its
// line. Target is the stage that is built; empty is the last. A finding of high severity or above must stop a build:
// what it brings into an image stays in its layers and history.
func JudgeDockerfile(name string, steps []image.Instruction, target string) []finding.Finding {
	d := dockerfile{name: name, aliases: map[string]int{}, arguments: map[string]string{}}
	for _, i := range steps {
		d.step(i)
	}
	d.finish(target)
	slices.SortStableFunc(d.out, func(a, b finding.Finding) int { return lineOf(a.Where) - lineOf(b.Where) })
	return d.out
}

// What the findings of BuildKit's own linter come under, with ours about good habits.
const (
	HygieneControl = "HSE-IMG-013"
	HygieneTitle   = titleHygiene
)

// Hygiene returns what BuildKit's own linter says about a Dockerfile as findings of one control.
func Hygiene(name string, warnings []image.LintWarning) []finding.Finding {
	d := dockerfile{name: name}
	for _, w := range warnings {
		remedy := "see BuildKit's rule " + w.Rule
		if w.See != "" {
			remedy = "see " + w.See
		}
		d.add(w.Line, HygieneControl, titleHygiene, finding.Low, finding.Fail, w.Rule+": "+w.Text, remedy)
	}
	return d.out
}

func lineOf(where string) int {
	n, _ := strconv.Atoi(where[strings.LastIndexByte(where, ':')+1:])
	return n
}

type dockerfile struct {
	name      string
	aliases   map[string]int // stages by name
	arguments map[string]string
	stages    []stage
	out       []finding.Finding
}

// stage is what a stage says about its user. A stage that says nothing has the user of its base.
type stage struct {
	base string
	line int
	user *image.Instruction
}

func (d *dockerfile) add(line int, control, title string, s finding.Severity, status finding.Status, detail, remedy string) {
	d.out = append(d.out, finding.Finding{Subject: d.name, Control: control, Title: title, Severity: s, Status: status, Tier: finding.Declared,
		Detail: detail, Remedy: remedy, Where: d.name + ":" + strconv.Itoa(line)})
}

func (d *dockerfile) step(i image.Instruction) {
	switch i.Keyword {
	case "FROM":
		d.from(i)
	case "ARG":
		name, value, _ := strings.Cut(i.Text(), "=")
		if i.Stage < 0 {
			d.arguments[name] = strings.Trim(value, `"'`)
		}
		d.variables(i)
	case "ENV", "LABEL":
		d.variables(i)
	case "USER":
		if n := len(d.stages); n > 0 {
			d.stages[n-1].user = &i
		}
	case "RUN":
		d.run(i)
	case "COPY", "ADD":
		d.copies(i)
	case "EXPOSE":
		for _, port := range i.Args {
			if number, _, _ := strings.Cut(port, "/"); number == "22" {
				d.add(i.Line, "HSE-IMG-015", titleExposure, finding.Low, finding.Fail, "exposes SSH", "remove EXPOSE 22; docker exec reaches a container, too")
			}
		}
	case "VOLUME":
		for _, v := range i.Args {
			if systemDirectory(v) {
				d.add(i.Line, "HSE-IMG-015", titleExposure, finding.Low, finding.Fail, "a volume on "+v, "remove the volume")
			}
		}
	}
	text := i.Text()
	if i.Keyword == "ENV" {
		for name, value := range assignments(i) {
			text += " " + name + "=" + value
		}
	}
	if m := bypass().FindString(text); m != "" && (i.Keyword == "RUN" || i.Keyword == "ENV" || i.Keyword == "ARG") {
		d.add(i.Line, "HSE-IMG-014", titleVerification, finding.High, finding.Fail, m, "remove the switch, and add the certificate authority that is missing")
	}
	for _, s := range scan.FindSecrets("Dockerfile", []byte(i.Text())) {
		d.add(i.Line, "HSE-IMG-005", titleSecrets, finding.Critical, finding.Fail, s.Title+" in "+i.Keyword, "revoke it, and give it to the build with --mount=type=secret")
	}
}

// from judges the base. The lock says which digest a tag meant, so that a base without one is advice and no refusal.
func (d *dockerfile) from(i image.Instruction) {
	if len(i.Args) == 0 {
		return
	}
	base := d.expand(i.Args[0])
	d.stages = append(d.stages, stage{base: base, line: i.Line})
	_, isStage := d.aliases[strings.ToLower(base)]
	if base != "scratch" && !isStage && !strings.Contains(base, "$") && !strings.Contains(base, "@sha256:") {
		d.add(i.Line, "HSE-IMG-001", titlePinned, finding.Medium, finding.Fail, "the base "+base+" can be a different image later", "add @sha256:… after the tag")
	}
	if len(i.Args) == 3 && strings.EqualFold(i.Args[1], "as") {
		d.aliases[strings.ToLower(i.Args[2])] = len(d.stages) - 1
	}
}

var argument = regexp.MustCompile(`\$\{?(\w+)\}?`)

// expand puts in the arguments that have a value before the first stage.
func (d *dockerfile) expand(text string) string {
	return argument.ReplaceAllStringFunc(text, func(m string) string {
		if value := d.arguments[strings.Trim(m, "${}")]; value != "" {
			return value
		}
		return m
	})
}

// variables judges literal values only: one that comes from outside is not in the Dockerfile.
func (d *dockerfile) variables(i image.Instruction) {
	for name, value := range assignments(i) {
		value = strings.Trim(value, `"'`)
		if i.Keyword != "LABEL" && !strings.Contains(value, "$") && policy.LooksSecret(policy.Variable{Name: name, Value: value}) {
			d.add(i.Line, "HSE-IMG-005", titleSecrets, finding.Critical, finding.Fail, i.Keyword+" "+name+" has a value", "give it to the build with --mount=type=secret, and to the service as a secret of the profile")
		}
	}
}

// assignments returns names and values. ENV and LABEL come from the parser as triples of name, value and separator.
func assignments(i image.Instruction) map[string]string {
	out := map[string]string{}
	if i.Keyword == "ARG" {
		for _, a := range i.Args {
			name, value, _ := strings.Cut(a, "=")
			out[name] = value
		}
		return out
	}
	for n := 0; n+1 < len(i.Args); n += 3 {
		out[i.Args[n]] = i.Args[n+1]
	}
	return out
}

// habit is one that makes layers larger or builds less certain.
type habit struct {
	control, title string
	when, unless   *regexp.Regexp
	detail, remedy string
}

// hygiene is compiled for the first Dockerfile that is read.
var hygiene = sync.OnceValue(func() []habit {
	return []habit{
		{"HSE-IMG-013", titleHygiene, regexp.MustCompile(`apt(?:-get)?\s+(?:-\S+\s+)*install\b`), regexp.MustCompile(`--no-install-recommends|Install-Recommends`),
			"installs what is only recommended", "add --no-install-recommends"},
		{"HSE-IMG-013", titleHygiene, regexp.MustCompile(`apt(?:-get)?\s+(?:-\S+\s+)*update\b`), regexp.MustCompile(`apt(?:-get)?\s+(?:-\S+\s+)*(?:install|upgrade|dist-upgrade)\b`),
			"updates the list of packages in a layer of its own, which a cache keeps forever", "write update and install in one RUN"},
		{"HSE-IMG-013", titleHygiene, regexp.MustCompile(`(?:curl|wget)\b[^|;&]*\|\s*(?:\w+=\S+\s+)*(?:sudo\s+)?(?:ba|da|z)?sh\b`), nil,
			"runs a download without verifying its checksum", "download a version, compare its checksum, then run it"},
		{"HSE-IMG-013", titleHygiene, regexp.MustCompile(`(?:^|[\s;&|])sudo\s`), nil, "uses sudo", "write USER root before, and the user after"},
		{"HSE-IMG-017", titleWritable, regexp.MustCompile(`chmod\s+(?:-\S+\s+)*(?:0?777|a\+rwx|o\+w|ugo\+rwx)`), nil, "makes files world-writable", "give them to the user that writes them: chown"},
		{"HSE-IMG-004", titlePrivileges, regexp.MustCompile(`chmod\s+(?:-\S+\s+)*(?:[ug]+\+s|[2467]7\d\d)\b|\bsetcap\s`), nil, "gives a file privileges", "let the service have the capability instead: cap_add in the profile"},
	}
})

func (d *dockerfile) run(i image.Instruction) {
	text := i.Text()
	for _, h := range hygiene() {
		if h.when.MatchString(text) && (h.unless == nil || !h.unless.MatchString(text)) {
			d.add(i.Line, h.control, h.title, finding.Low, finding.Fail, h.detail, h.remedy)
		}
	}
}

func (d *dockerfile) copies(i image.Instruction) {
	if from, ok := i.Flag("from"); ok {
		from = d.expand(from)
		_, isStage := d.aliases[strings.ToLower(from)]
		if _, err := strconv.Atoi(from); err != nil && !isStage && !strings.Contains(from, "$") && !strings.Contains(from, "@sha256:") {
			d.add(i.Line, "HSE-IMG-001", titlePinned, finding.Medium, finding.Fail, from+" can be a different image later", "add @sha256:… after the tag")
		}
		return
	}
	for _, source := range i.Args[:max(0, len(i.Args)-1)] {
		base := path.Base(source)
		switch {
		case base == ".env" || base == ".npmrc" || base == ".netrc" || base == ".git-credentials" || base == ".pgpass" || base == "id_rsa" || base == "id_ed25519" || base == ".dockerconfigjson":
			d.add(i.Line, "HSE-IMG-005", titleSecrets, finding.Critical, finding.Fail, "copies "+source, "give it to the build with --mount=type=secret, and name it in .dockerignore")
		case i.Keyword == "ADD" && (strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://")):
			if _, ok := i.Flag("checksum"); !ok {
				d.add(i.Line, "HSE-IMG-013", titleHygiene, finding.Medium, finding.Fail, "downloads without a checksum: "+source, "add --checksum=sha256:…")
			}
		}
	}
}

// finish judges the user of the stage that is built, which may be that of a stage it is built on.
func (d *dockerfile) finish(target string) {
	if len(d.stages) == 0 {
		return
	}
	at := len(d.stages) - 1
	if n, ok := d.aliases[strings.ToLower(target)]; ok {
		at = n
	}
	line := d.stages[at].line
	for d.stages[at].user == nil {
		below, ok := d.aliases[strings.ToLower(d.stages[at].base)]
		if !ok || below >= at {
			status, detail := finding.Unknown, "no USER: the user of the base "+d.stages[at].base+" applies"
			if d.stages[at].base == "scratch" {
				status, detail = finding.Fail, "no USER: it runs as root by default"
			}
			d.add(line, "HSE-IMG-003", titleUser, finding.Medium, status, detail, "end with USER 65532:65532, or the numbers of the image's own user")
			return
		}
		at = below
	}
	i := *d.stages[at].user
	name, _, _ := strings.Cut(i.Text(), ":")
	n, err := strconv.Atoi(name)
	switch {
	case name == "root" || err == nil && n == 0:
		d.add(i.Line, "HSE-IMG-003", titleUser, finding.Medium, finding.Fail, "runs as root by default", "end with USER 65532:65532, or the numbers of the image's own user")
	case err != nil && !strings.Contains(name, "$"):
		d.add(i.Line, "HSE-IMG-003", titleUser, finding.Medium, finding.Fail, fmt.Sprintf("user %q is a name, which only the image can resolve", name), "write its number")
	}
}
