package main

import (
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/hsectl/hsectl/internal/app"
	"github.com/hsectl/hsectl/internal/app/bundle"
	"github.com/hsectl/hsectl/internal/app/supply"
	"github.com/hsectl/hsectl/internal/image/cache"
)

func newBuild(g *app.Settings, s app.Streams) *cobra.Command {
	var o supply.BuildOptions
	cmd := &cobra.Command{
		Use:   "build [SERVICE...]",
		Short: "Build the images that the profile builds",
		Long: `Build uses the engine's own BuildKit over its API; no plugin is needed. Images get OCI labels with the title, revision and
URL of their sources. The Dockerfile is checked first, with BuildKit's own rules and the image controls; a Dockerfile
that puts a secret into a layer, or disables verification, is not built.

An engine with the containerd image store, the default since Docker 29, builds for several platforms and attests how
an image was built. Older engines do not; a separate BuildKit (--builder) does, and pushes the image. With --push it
needs no engine at all.`,
		Example: `  hsectl build
  hsectl build app --no-cache --build-arg NODE_ENV=production
  hsectl build --secret id=npmrc,src=$HOME/.npmrc --source-date-epoch git
  hsectl build --builder tcp://buildkit:1234 --platform linux/amd64,linux/arm64 --push --provenance --sbom`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Services = args
			return supply.Build(cmd.Context(), g, s, o)
		},
	}
	cmd.Flags().BoolVar(&o.NoCache, "no-cache", false, "rebuild every step")
	cmd.Flags().BoolVar(&o.Pull, "pull", false, "look for newer base images")
	cmd.Flags().StringArrayVar(&o.Args, "build-arg", nil, "NAME=VALUE, overrides the profile")
	cmd.Flags().StringVar(&o.Target, "target", "", "stage to build, overrides the profile")
	cmd.Flags().StringVar(&o.Network, "network", "", "network of build steps: host (that of the engine's machine) or none")
	f := cmd.Flags()
	f.StringArrayVar(&o.CacheFrom, "cache-from", nil, "source of cached layers, such as type=registry,ref=ghcr.io/example/cache")
	f.StringArrayVar(&o.CacheTo, "cache-to", nil, "destination of cached layers, such as type=inline or type=local,dest=cache")
	f.StringArrayVar(&o.Secrets, "secret", nil, "secret of build steps: id=NAME,env=VARIABLE or id=NAME,src=FILE")
	f.StringArrayVar(&o.SSH, "ssh", nil, "SSH agent of build steps: default, or id=SOCKET")
	f.StringVar(&o.Epoch, "source-date-epoch", "", "time of the image in seconds since 1970, or git for the time of the revision (default: SOURCE_DATE_EPOCH)")
	f.BoolVar(&o.Push, "push", false, "push the image to the registry of its reference")
	signingKeyFlags(&o.Key, cmd, "sign")
	f.BoolVar(&o.NoLint, "no-lint", false, "do not check the Dockerfile")
	f.BoolVar(&o.Check, "check", false, "check the Dockerfiles and build nothing; needs no engine")
	f.IntVar(&o.Parallel, "parallel", 2, "number of images built at once")
	f.StringVar(&o.Builder, "builder", "", "address of a BuildKit (default: the engine's own)")
	f.StringSliceVar(&o.Platforms, "platform", nil, "platforms of the image; several need an engine with the containerd image store, or --builder with --push")
	f.BoolVar(&o.Provenance, "provenance", false, "attest how the image was built; same requirements as several platforms")
	f.BoolVar(&o.SBOM, "sbom", false, "attest the contents of the image, as hsectl scans them during the build; same requirements as several platforms")
	cmd.MarkFlagsMutuallyExclusive("check", "no-lint")
	return cmd
}

func newBundle(g *app.Settings, s app.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Export a stack for air-gapped hosts",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var out string
	write := &cobra.Command{
		Use:   "write",
		Short: "Write the profile, its lock, the rendered stack, bills of materials and all images to one file",
		Long: `Write exports the images on the engine, including those of the monitoring stack, and everything that deploy needs to check
them: the profile and the files it includes, the lock, the signatures, a scan when the profile requires one, and encrypted
secrets as they are. The first entry holds the checksum of every other entry. The file contains no secret values.`,
		Example: `  hsectl bundle write --out shop.bundle.tar`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return bundle.Write(cmd.Context(), g, s, out) },
	}
	write.Flags().StringVarP(&out, "out", "o", "stack.bundle.tar", "output file")
	var dir string
	load := &cobra.Command{
		Use:     "load FILE",
		Short:   "Load a bundle's images into the engine and write its files",
		Example: `  hsectl bundle load shop.bundle.tar --out shop/`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return bundle.Load(cmd.Context(), g, s, args[0], dir)
		},
	}
	load.Flags().StringVarP(&dir, "out", "o", ".", "output directory")
	cmd.AddCommand(write, load)
	return cmd
}

func newLock(g *app.Settings, s app.Streams) *cobra.Command {
	var o supply.LockOptions
	cmd := &cobra.Command{
		Use:   "lock [SERVICE...]",
		Short: "Pin every image to its digest in hsectl.lock",
		Long: `Lock resolves the image references of the profile to digests in their registries, and writes them to hsectl.lock next to
the profile. Images that the profile builds are locked by their id on the engine. Locked digests stay until --update.

Registries are queried with the credentials of Docker's own configuration and credential helpers.`,
		Example: `  hsectl lock                  # lock images that are not locked yet
  hsectl lock --check          # exit 3 when the lock does not match the profile
  hsectl lock --update db      # update the digest of db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Services = args
			return supply.Lock(cmd.Context(), g, s, o)
		},
	}
	cmd.Flags().BoolVar(&o.Update, "update", false, "update the digests of all services, or of the named ones")
	cmd.Flags().BoolVar(&o.Check, "check", false, "write nothing; exit 3 when the lock does not match the profile")
	cmd.Flags().BoolVar(&o.Engine, "engine", false, "lock the images on the engine; query no registry")
	return cmd
}

func newScan(g *app.Settings, s app.Streams) *cobra.Command {
	var o supply.ScanOptions
	cmd := &cobra.Command{
		Use:   "scan [IMAGE...]",
		Short: "Find vulnerabilities, secrets and weak settings in images",
		Long: `Scan reads images layer by layer and needs no other program. IMAGE is an image on the engine, registry:REFERENCE for
an image in its registry, or a path: a tar file of docker save or a directory in the OCI layout. Without IMAGE, scan
reads the images of the profile and stores the result for the checklist.

Advisories come from OSV's databases, which are cached on this machine. When a database is missing or too old, scan
fails instead of reporting no vulnerabilities. What cannot be seen in an image is unknown and never a pass: a missing
package database or os-release, an unknown distribution, programs that cannot be read. SPDX lists only the contents of the image, and needs no database.`,
		Example: `  hsectl scan                                  # the images of the profile
  hsectl scan registry:redis:8 --fail-on critical
  hsectl scan --format sarif > scan.sarif      # for code scanning
  hsectl scan app.tar --format cyclonedx       # a bill of materials
  hsectl scan app:new --new-since app:old      # only what this build added
  hsectl scan --from trivy.json --only-fixed   # apply the same rules to a report of Trivy or Grype`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Images = args
			return supply.Scan(cmd.Context(), g, s, cmd.Flags().Changed, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.FailOn, "fail-on", "high", "lowest severity that fails: low, medium, high or critical")
	f.BoolVar(&o.OnlyFixed, "only-fixed", false, "count only vulnerabilities with a fix")
	f.StringVar(&o.NewSince, "new-since", "", "count only vulnerabilities that this image does not have")
	f.StringVar(&o.Format, "format", "text", "text, json, sarif, cyclonedx or spdx")
	f.BoolVar(&o.All, "all", false, "list every vulnerability and every control")
	f.StringVar(&o.DB, "db", cache.DefaultURL, "address or directory of the OSV databases")
	f.BoolVar(&o.Offline, "offline", false, "use the databases on this machine only")
	f.DurationVar(&o.MaxDBAge, "max-db-age", 7*24*time.Hour, "maximum age of a database")
	f.StringArrayVar(&o.VEX, "vex", nil, "OpenVEX document")
	f.StringVar(&o.KEV, "kev", "", "CISA's catalogue of exploited vulnerabilities (JSON); its entries count whatever their severity")
	f.StringVar(&o.EPSS, "epss", "", "scores of the Exploit Prediction Scoring System (CSV, optionally gzipped)")
	f.StringVar(&o.From, "from", "", "check a report of Trivy or Grype (JSON) instead of scanning")
	f.StringVar(&o.Cache, "cache-dir", "", "directory of databases and layer records (default: the user's cache)")
	f.StringVar(&o.Platform, "platform", "linux/"+runtime.GOARCH, "platform to scan in multi-platform images")
	return cmd
}

func signingKeyFlags(k *supply.SigningKey, cmd *cobra.Command, name string) {
	cmd.Flags().StringVar(&k.Path, name, "", "private key in PEM form, as cosign, openssl or hsectl sign --new-key writes it")
	cmd.Flags().StringVar(&k.Password, "password-file", "", "file with the password of the key (default: COSIGN_PASSWORD)")
	cmd.Flags().BoolVar(&k.Tag, "signature-tag", false, "sign in cosign's older form, with a tag in the image's repository")
}

func newSign(g *app.Settings, s app.Streams) *cobra.Command {
	var o supply.SignOptions
	cmd := &cobra.Command{
		Use:   "sign [SERVICE...]",
		Short: "Sign the built images, or verify the signatures of all images",
		Long: `Sign pushes a signature to the registry of an image: a sigstore bundle for the digest in the lock, which cosign can verify
as well. Without SERVICE, it signs every image that the profile builds. An image must be in a registry to be signed:
push and lock it first.

With --check nothing is signed; instead, every image is verified against supply_chain.signatures, like deploy does.`,
		Example: `  hsectl sign --new-key release              # writes release.key and release.pub
  hsectl build --push && hsectl lock --update app && hsectl sign --key release.key
  hsectl sign --key release.key --predicate https://example.com/review/v1 --content review.json
  hsectl sign --check                        # exit 3 when an image is not signed as required`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Services = args
			return supply.Sign(cmd.Context(), g, s, o)
		},
	}
	signingKeyFlags(&o.Key, cmd, "key")
	cmd.Flags().StringVar(&o.NewKey, "new-key", "", "create a key pair: NAME.key and NAME.pub")
	cmd.Flags().BoolVar(&o.Check, "check", false, "sign nothing; verify the signatures that the profile requires")
	cmd.Flags().StringVar(&o.Predicate, "predicate", "", "attest a statement of this type instead of signing")
	cmd.Flags().StringVar(&o.Content, "content", "", "JSON file with the content of the statement")
	cmd.MarkFlagsMutuallyExclusive("key", "new-key", "check")
	cmd.MarkFlagsOneRequired("key", "new-key", "check")
	return cmd
}
