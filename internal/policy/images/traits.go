package images

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hsectl/hsectl/internal/yamldoc"
	"github.com/hsectl/hsectl/profiles"
)

// traits are facts about an image that decide whether it works hardened; profiles/data/images.yaml says what they are.
type traits struct {
	Repositories   []string `yaml:"repositories"`
	Root           []string `yaml:"root"`
	FileCapability string   `yaml:"file_capability"`
	StaysRoot      bool     `yaml:"stays_root"`
	NoFiles        bool     `yaml:"no_files"`
	Lacks          []string `yaml:"lacks"`
	NoShell        bool     `yaml:"no_shell"`
	RunsTmp        bool     `yaml:"runs_tmp"`
	Grace          grace    `yaml:"grace"`
	Hostname       bool     `yaml:"hostname"`
	Variable       string   `yaml:"variable"`
	Store          bool     `yaml:"store"`
	Missing        []string `yaml:"missing"`
	Tags           []string `yaml:"tags"`
}

// takenIn is what an import may rely on; profiles/data/images.yaml says what the keys are.
type takenIn struct {
	User      string            `yaml:"user"`
	Variants  map[string]string `yaml:"variants"`
	Account   string            `yaml:"account"`
	Program   []string          `yaml:"program"`
	Data      string            `yaml:"data"`
	DataFrom  map[string]string `yaml:"data_from"`
	Elsewhere []string          `yaml:"elsewhere"`
	Runtime   bool              `yaml:"runtime"`
	Loose     string            `yaml:"loose"`
	Serves    bool              `yaml:"serves"`
	Content   []string          `yaml:"content"`
	Settings  []string          `yaml:"settings"`
}

// grace is a time to stop in, written 30s or 2m.
type grace struct{ time.Duration }

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *grace) UnmarshalText(text []byte) (err error) {
	g.Duration, err = time.ParseDuration(string(text))
	return err
}

// table is what is known of images as of a day, by the name of the preset.
type table struct {
	AsOf    string             `yaml:"as_of"`
	Images  map[string]traits  `yaml:"images"`
	TakenIn map[string]takenIn `yaml:"taken_in"`
}

func parseTable(file string, data []byte) (table, error) {
	c := &yamldoc.Collector{}
	var out table
	if node := yamldoc.Parse(yamldoc.Source{File: file, Data: data}, c); node != nil {
		d := yamldoc.NewDecoder(c)
		d.Decode(node, &out, "")
		if _, err := time.Parse(time.DateOnly, out.AsOf); err != nil {
			c.Add(d.Places.Origin("as_of").At, "", "as_of must be a day: %v", err)
		}
	}
	if err := c.Err(); err != nil {
		return table{}, fmt.Errorf("reading what is known of images: %w", err)
	}
	return out, nil
}

// wellKnown is the table that hsectl brings along. It is part of the program, so one that cannot be read is a defect.
var wellKnown = sync.OnceValue(func() table {
	t, err := parseTable("profiles/data/images.yaml", profiles.Images())
	if err != nil {
		panic(err)
	}
	return t
})

// lookUp finds what is known about an image: by its repository or, when it was built, by the preset of the service.
// Of a built image the tools are not known. The name is empty when nothing is known.
func lookUp(reference, preset string) (name string, k traits) {
	repository, tag := splitReference(reference)
	all := wellKnown().Images
	for name, k := range all {
		if !slices.Contains(k.Repositories, repository) || len(k.Tags) > 0 && !slices.ContainsFunc(k.Tags, func(part string) bool { return strings.Contains(tag, part) }) {
			continue
		}
		for _, slim := range []string{"slim", "distroless"} { // slim variants of runtimes have no tools
			if strings.Contains(tag, slim) {
				k.Lacks = []string{"curl", "wget", "nc"}
			}
		}
		if strings.Contains(tag, "alpine") || strings.Contains(tag, "busybox") {
			k.Lacks, k.NoShell = []string{"bash"}, false
		}
		return name, k
	}
	if k, ok := all[preset]; ok {
		k.Lacks, k.NoShell = nil, false
		return preset, k
	}
	return "", traits{}
}

// splitReference returns the repository without the parts that say Docker Hub, and the tag; a digest is dropped.
func splitReference(reference string) (repository, tag string) {
	repository, _, _ = strings.Cut(reference, "@")
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository, tag = repository[:i], repository[i+1:]
	}
	// Mirrors of Docker Hub have the images of Docker Hub under their own name.
	for _, prefix := range []string{"index.docker.io/", "docker.io/", "registry-1.docker.io/", "registry.hub.docker.com/", "public.ecr.aws/docker/", "mirror.gcr.io/", "library/"} {
		repository = strings.TrimPrefix(repository, prefix)
	}
	if _, name, ok := strings.Cut(repository, "/library/"); ok && !strings.Contains(name, "/") { // a mirror under another name
		repository = name
	}
	return repository, tag
}

// namesake returns the well-known program that an image of somebody else is named after: of Bitnami, Chainguard, Docker Hardened Images
// and others, whose users, paths and variables differ. Runtimes are left out, as many images are named after those they need.
func namesake(repository string) string {
	i := strings.LastIndexByte(repository, '/')
	if i < 0 {
		return ""
	}
	own := repository[i+1:]
	for _, suffix := range []string{"-fips", "-iamguarded", "-chiselled", "-hardened"} {
		own = strings.TrimSuffix(own, suffix)
	}
	own = cmp.Or(map[string]string{"postgresql": "postgres", "mongodb": "mongo", "mysql-server": "mysql", "apache": "httpd", "redis-stack": "redis", "elastic": "elasticsearch"}[own], own)
	known := wellKnown()
	if k, ok := known.Images[own]; ok && !known.TakenIn[own].Runtime && !slices.Contains(k.Repositories, repository) {
		return own
	}
	return ""
}

// Recognise returns the name of the preset that knows an image by its repository, or nothing.
func Recognise(reference string) string {
	name, _ := lookUp(reference, "")
	return name
}
