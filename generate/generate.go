// Package generate renders a hardened stack into files. It is pure: the same stack gives the same bytes,
// and nothing is written anywhere.
//
// The Compose file is marshalled from typed values, never from a text template, so that no value can break out of its place.
package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/stack"
)

// Names of the files that are rendered.
const (
	ComposeFile  = "docker-compose.yml"
	EnvFile      = ".env.example"
	ManifestFile = "hsectl.manifest.json"
)

// File is one rendered file. Path is relative to the output directory, with forward slashes.
type File struct {
	Path string
	Data []byte
}

// Source is what the files are made from.
type Source struct {
	Profile    string       // path of the profile, for the header
	Data       []byte       // bytes of the profile
	Inputs     []File       // what it was merged with: the files it extends, and those laid over it
	Choices    []string     // the environment and the values that were chosen by flags
	BuildRoot  string       // path from the output directory to the directory of the profile, with forward slashes
	Generator  string       // name and version of this program
	SecretRoot string       // directory of the secret files for plain docker compose, relative to the output directory
	Monitoring *stack.Stack // rendered next to the stack, when not nil

	Verify time.Duration // between two runs of verify; 0 for no schedule

	EnvFiles []string // files with values of variables, relative to the profile
}

// place is a path of the profile, seen from the output directory.
func (s Source) place(p string) string {
	if path.IsAbs(p) {
		return p
	}
	p = path.Join(s.BuildRoot, p)
	if p == "." || p == ".." || strings.HasPrefix(p, "../") || path.IsAbs(p) {
		return p
	}
	return "./" + p
}

// secretFile is where plain docker compose finds a secret: where it lies, or where it is to be put.
func (s Source) secretFile(secret stack.Secret) string {
	if secret.File != "" {
		return s.place(secret.File)
	}
	return s.SecretRoot + "/" + secret.Name
}

// Render returns the files of a stack in a fixed order. The manifest comes last.
func Render(s stack.Stack, from Source) ([]File, error) {
	if from.SecretRoot == "" {
		from.SecretRoot = defaultSecretRoot
	}
	_, contents := texts(s)
	compose, err := Compose(s, from)
	if err != nil {
		return nil, err
	}
	example, err := envExample(s, from)
	if err != nil {
		return nil, err
	}
	files := []File{
		{ComposeFile, compose},
		{EnvFile, example},
	}
	files = slices.Concat(files, configFiles(s), contents, cronFiles(s, from), firewallFiles(s, from))
	if from.Monitoring != nil {
		monitor, err := monitoringFiles(*from.Monitoring, from)
		if err != nil {
			return nil, err
		}
		files = append(files, monitor...)
	}
	files = append(files, scheduleFiles(s, from)...)
	manifest, err := newManifest(s, from, files)
	if err != nil {
		return nil, err
	}
	return append(files, File{ManifestFile, manifest}), nil
}

const defaultSecretRoot = "./secrets"

// Compose returns the rendered Compose file alone.
func Compose(s stack.Stack, from Source) ([]byte, error) {
	if from.SecretRoot == "" {
		from.SecretRoot = defaultSecretRoot
	}
	s, _ = texts(s)
	file, err := extended(newComposeFile(s, from, nil), s, from, false)
	if err != nil {
		return nil, err
	}
	body, err := marshal(file)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(header(from)), from.says(body), body), nil
}

// says names the files from which plain docker compose takes the values of the variables of a file, where it would not look by itself.
func (s Source) says(body []byte) []byte {
	files := s.envFiles()
	all, err := variables(body)
	if err != nil || len(all) == 0 || len(files) == 0 || slices.Equal(files, []string{"./.env"}) {
		return nil
	}
	return []byte("# Its variables are listed in " + EnvFile + ". Plain Compose takes their values with: docker compose --env-file " + strings.Join(files, " --env-file ") + " up -d\n")
}

// Delivery says where deploy has put what a Compose file cannot carry: the volumes that hold the secrets and the
// configuration files of each service that reads some.
type Delivery struct {
	Secrets map[string]string // volume by service
	Configs map[string]string // volume by service

	HandOver []string // services whose listeners hand over connections to those that take their place; from Linux 5.14 on
}

// Delivered returns the Compose file that deploy applies: the rendered one, but with secrets from volumes on the
// engine instead of files next to the Compose file, with volumes as deploy has prepared them, and without builds.
func Delivered(s stack.Stack, d Delivery) ([]byte, error) {
	file, err := extended(newComposeFile(s, Source{}, &d), s, Source{}, true)
	if err != nil {
		return nil, err
	}
	return marshal(file)
}

func header(from Source) string {
	return fmt.Sprintf("# Rendered by %s from %s. Change the profile, not this file.\n", from.Generator, strings.Join(strings.Fields(from.Profile), " "))
}

// manifest records what went in and what came out, so that a stale directory is noticed.
type manifest struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Stack      string   `json:"stack"`
	Profile    digest   `json:"profile"`
	Inputs     []digest `json:"inputs,omitempty"`
	Choices    []string `json:"choices,omitempty"`
	Files      []digest `json:"files"`
}

type digest struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

func newManifest(s stack.Stack, from Source, files []File) ([]byte, error) {
	m := manifest{APIVersion: "hsectl/v1", Kind: "Manifest", Stack: s.Name, Profile: digestOf(path.Base(from.Profile), from.Data), Choices: from.Choices}
	for _, input := range from.Inputs {
		m.Inputs = append(m.Inputs, digestOf(path.Base(input.Path), input.Data))
	}
	for _, f := range files {
		m.Files = append(m.Files, digestOf(f.Path, f.Data))
	}
	out, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the manifest: %w", err)
	}
	return append(out, '\n'), nil
}

func digestOf(name string, data []byte) digest {
	sum := sha256.Sum256(data)
	return digest{Path: name, SHA256: hex.EncodeToString(sum[:])}
}
