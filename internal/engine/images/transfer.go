// Package images finds images on an engine and moves them: from and to registries, and as files.
package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/hsectl/hsectl/internal/engine"
	"github.com/hsectl/hsectl/internal/image"
)

// Transfer brings images to an engine and takes them from it.
type Transfer struct{ engine *engine.Connection }

// New returns the images of an engine.
func New(e *engine.Connection) *Transfer { return &Transfer{e} }

// Pull brings an image from its registry, with the credentials that Docker's own configuration has for it.
func (t *Transfer) Pull(ctx context.Context, ref string) error {
	auth, err := t.credentials(ref)
	if err != nil {
		return err
	}
	answer, err := t.engine.API.ImagePull(ctx, ref, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("pulling image %s: %w", ref, err)
	}
	defer answer.Close()
	if _, err := engine.ReadProgress(answer); err != nil {
		return fmt.Errorf("pulling image %s: %w", ref, err)
	}
	return nil
}

func (t *Transfer) credentials(ref string) (string, error) {
	key, err := image.Registry(ref)
	if err != nil {
		return "", err
	}
	if key == "docker.io" {
		key = "https://index.docker.io/v1/" // as Docker's configuration calls it
	}
	auth, err := t.engine.CLI.ConfigFile().GetAuthConfig(key)
	if err != nil {
		return "", fmt.Errorf("reading the credentials for %s: %w", key, err)
	}
	return authconfig.Encode(registryAuthConfig(auth))
}

// registryAuthConfig turns the credentials of Docker's configuration into those of the engine's API.
func registryAuthConfig(a types.AuthConfig) registry.AuthConfig {
	return registry.AuthConfig{Username: a.Username, Password: a.Password, Auth: a.Auth, ServerAddress: a.ServerAddress,
		IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
}

// Find returns the id that a reference means, and the name@sha256:… by which a registry has it, or nothing.
func (t *Transfer) Find(ctx context.Context, ref string) (id, digest string, err error) {
	found, err := t.Lookup(ctx, ref)
	return found.ID, found.Digest, err
}

// Found is an image of the engine. Database is the version of PostgreSQL that it says it brings; empty when it says none.
type Found struct{ ID, Digest, Database string }

// Lookup is Find with what the image says of its version.
func (t *Transfer) Lookup(ctx context.Context, ref string) (Found, error) {
	found, err := t.engine.API.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return Found{}, nil
	}
	if err != nil {
		return Found{}, fmt.Errorf("looking for image %s: %w", ref, err)
	}
	out := Found{ID: found.ID, Digest: digestIn(ref, found.RepoDigests)}
	if found.Config != nil {
		for _, v := range found.Config.Env {
			if major, ok := strings.CutPrefix(v, "PG_MAJOR="); ok {
				out.Database = major
			}
		}
	}
	return out, nil
}

// digestIn returns that of the repository@sha256:… by which an engine knows an image which names the repository of a reference.
func digestIn(ref string, digests []string) string {
	want, err := image.Repository(ref)
	if err != nil {
		return "" // an id: no registry has it by that
	}
	for _, d := range digests {
		if got, err := image.Repository(d); err == nil && got == want {
			return d
		}
	}
	return ""
}

// ImageFacts are the digests by which an engine knows an image.
type ImageFacts struct {
	ID          string   // of the configuration on graph drivers, of the manifest on the containerd store
	RepoDigests []string // repository@digest of the registries that it was pulled from or pushed to
	OS, Arch    string
	Labels      map[string]string
}

// ErrNoImage is an image that the engine does not have.
var ErrNoImage = errors.New("the engine does not have the image")

// ImageFacts looks an image up.
func (t *Transfer) ImageFacts(ctx context.Context, reference string) (ImageFacts, error) {
	found, err := t.engine.API.ImageInspect(ctx, reference)
	if errdefs.IsNotFound(err) {
		return ImageFacts{}, fmt.Errorf("%w %s", ErrNoImage, reference)
	}
	if err != nil {
		return ImageFacts{}, fmt.Errorf("looking for image %s: %w", reference, err)
	}
	out := ImageFacts{ID: found.ID, RepoDigests: found.RepoDigests, OS: found.Os, Arch: found.Architecture}
	if found.Config != nil {
		out.Labels = found.Config.Labels
	}
	return out, nil
}

// Save writes images in the form that engines load.
func (t *Transfer) Save(ctx context.Context, references []string, w io.Writer) (err error) {
	r, err := t.engine.API.ImageSave(ctx, references)
	if err != nil {
		return fmt.Errorf("saving images from the engine: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("saving images from the engine: %w", err)
	}
	return nil
}

// Load brings images to the engine.
func (t *Transfer) Load(ctx context.Context, r io.Reader) error {
	if err := t.engine.LoadImages(ctx, r); err != nil {
		return fmt.Errorf("loading images into the engine: %w", err)
	}
	return nil
}

// OpenImage saves an image to a file in the directory and opens it. Closing the image removes the file.
func (t *Transfer) OpenImage(ctx context.Context, reference, dir string) (image.Image, error) {
	f, err := os.CreateTemp(dir, "hsectl-image-*.tar")
	if err != nil {
		return image.Image{}, fmt.Errorf("making a file for image %s: %w", reference, err)
	}
	remove := func() error { return os.Remove(f.Name()) }
	err = errors.Join(t.Save(ctx, []string{reference}, f), f.Close())
	if err != nil {
		return image.Image{}, errors.Join(err, remove())
	}
	img, err := image.FromTar(f.Name())
	if err != nil {
		return image.Image{}, errors.Join(err, remove())
	}
	img.Name = reference
	return img.WithClose(remove), nil
}

// Push sends an image to the registry of its reference, with the credentials of Docker's own configuration, and
// returns the digest that it has there.
func (t *Transfer) Push(ctx context.Context, reference string) (digest string, err error) {
	auth, err := t.credentials(reference)
	if err != nil {
		return "", err
	}
	answer, err := t.engine.API.ImagePush(ctx, reference, client.ImagePushOptions{RegistryAuth: auth})
	if err != nil {
		return "", fmt.Errorf("pushing image %s: %w", reference, err)
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	if digest, err = engine.ReadProgress(answer); err != nil {
		return "", fmt.Errorf("pushing image %s: %w", reference, err)
	}
	if digest == "" {
		return t.repoDigest(ctx, reference) // engines with the store of containerd do not tell it
	}
	return digest, nil
}

// repoDigest returns the digest that the engine knows an image by in the registry of its reference.
func (t *Transfer) repoDigest(ctx context.Context, reference string) (string, error) {
	facts, err := t.ImageFacts(ctx, reference)
	if err != nil {
		return "", err
	}
	if _, digest, ok := strings.Cut(digestIn(reference, facts.RepoDigests), "@"); ok {
		return digest, nil
	}
	return "", fmt.Errorf("pushing image %s: the engine did not report its digest", reference)
}
