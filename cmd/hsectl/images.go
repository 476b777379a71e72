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
		Long: `Build uses the engine's own BuildKit over its API; no plugin is needed. Images get the title, revision and
source of their sources as OCI labels. The Dockerfile is checked first, with BuildKit's own rules
and the image controls; one that puts a secret into a layer, or switches verification off, is not built.

An engine with the image store of containerd, the default since Docker 29, builds for several platforms and attests how
an image was built. Older ones do not; a BuildKit of its own (--builder) does, and pushes what it built. With --push it
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
	cmd.Flags().BoolVar(&o.NoCache, "no-cache", false, "build every step anew")
	cmd.Flags().BoolVar(&o.Pull, "pull", false, "look for newer base images")
	cmd.Flags().StringArrayVar(&o.Args, "build-arg", nil, "NAME=VALUE, wins over the profile's")
	cmd.Flags().StringVar(&o.Target, "target", "", "stage to build, wins over the profile's")
	cmd.Flags().StringVar(&o.Network, "network", "", "host lets build steps use the network of the engine's machine")
	f := cmd.Flags()
	f.StringArrayVar(&o.CacheFrom, "cache-from", nil, "where layers of earlier builds come from, such as type=registry,ref=ghcr.io/example/cache")
	f.StringArrayVar(&o.CacheTo, "cache-to", nil, "where they go to, such as type=inline or type=local,dest=cache")
	f.StringArrayVar(&o.Secrets, "secret", nil, "secret of build steps: id=NAME,env=VARIABLE or id=NAME,src=FILE")
	f.StringArrayVar(&o.SSH, "ssh", nil, "SSH agent of build steps: default, or id=SOCKET")
	f.StringVar(&o.Epoch, "source-date-epoch", "", "time of the image in seconds, or git for that of the revision; SOURCE_DATE_EPOCH unless written")
	f.BoolVar(&o.Push, "push", false, "push the image to the registry of its reference")
	signingKeyFlags(&o.Key, cmd, "sign")
	f.BoolVar(&o.NoLint, "no-lint", false, "do not check the Dockerfile")
	f.BoolVar(&o.Check, "check", false, "check the Dockerfiles and build nothing; needs no engine")
	f.IntVar(&o.Parallel, "parallel", 2, "number of images built at once")
	f.StringVar(&o.Builder, "builder", "", "address of a BuildKit; the engine's own unless written")
	f.StringSliceVar(&o.Platforms, "platform", nil, "platforms of the image; several need an engine with the containerd image store, or --builder with --push")
	f.BoolVar(&o.Provenance, "provenance", false, "attest how the image was built; needs the same")
	f.BoolVar(&o.SBOM, "sbom", false, "attest what is in the image, as this program sees it within the build; needs the same")
	cmd.MarkFlagsMutuallyExclusive("check", "no-lint")
	return cmd
}

func newBundle(g *app.Settings, s app.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Carry a stack to where there is no network",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var out string
	write := &cobra.Command{
		Use:   "write",
		Short: "Write the profile, its lock, the rendered stack, bills of materials and all images to one file",
		Long: `Write takes the images that the engine has, with those of the monitoring stack, and all that deploy needs to judge them:
the profile and what it is made of, the lock, the signatures, a scan when the profile requires one, and encrypted
secrets as they are. Each entry of the file has its checksum in the first one. Values of secrets are not in it.`,
		Example: `  hsectl bundle write --out shop.bundle.tar`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return bundle.Write(cmd.Context(), g, s, out) },
	}
	write.Flags().StringVarP(&out, "out", "o", "stack.bundle.tar", "file to write")
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
	load.Flags().StringVarP(&dir, "out", "o", ".", "directory for the files")
	cmd.AddCommand(write, load)
	return cmd
}

func newLock(g *app.Settings, s app.Streams) *cobra.Command {
	var o supply.LockOptions
	cmd := &cobra.Command{
		Use:   "lock [SERVICE...]",
		Short: "Pin every image to its digest in hsectl.lock",
		Long: `Lock asks registries what the profile's references stand for, and writes it beside the profile. Images that are
built are locked by the id that the engine has for them. What is locked stays so until --update.

Registries are asked with the credentials of Docker's own configuration and helpers.`,
		Example: `  hsectl lock                  # lock what is not locked yet
  hsectl lock --check          # exit 3 when the lock does not fit the profile
  hsectl lock --update db      # take what the reference of db stands for now`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Services = args
			return supply.Lock(cmd.Context(), g, s, o)
		},
	}
	cmd.Flags().BoolVar(&o.Update, "update", false, "take what the references stand for now; all, or those of the services named")
	cmd.Flags().BoolVar(&o.Check, "check", false, "write nothing; exit 3 when the lock does not fit the profile")
	cmd.Flags().BoolVar(&o.Engine, "engine", false, "lock what the engine has, and ask no registry")
	return cmd
}

func newScan(g *app.Settings, s app.Streams) *cobra.Command {
	var o supply.ScanOptions
	cmd := &cobra.Command{
		Use:   "scan [IMAGE...]",
		Short: "Find vulnerabilities, secrets and weak settings in images",
		Long: `Scan reads images layer by layer and needs no other program. An image is the engine's unless written otherwise:
registry:REFERENCE asks its registry, and a path means a tar file of docker save or a directory in the OCI layout.
Without an image, those of the profile are scanned, and the result is kept for the checklist.

Advisories come from OSV's databases, which are kept on this machine. When there is none, or it is too old, scan
fails: nothing found in nothing is no answer. SPDX says only what is in the image, and needs no database.`,
		Example: `  hsectl scan                                  # the images of the profile
  hsectl scan registry:redis:8 --fail-on critical
  hsectl scan app.tar --format cyclonedx       # a bill of materials
  hsectl scan app:new --new-since app:old      # only what this build brought
  hsectl scan --from trivy.json --only-fixed   # judge what Trivy or Grype found by the same rules`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Images = args
			return supply.Scan(cmd.Context(), g, s, cmd.Flags().Changed, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.FailOn, "fail-on", "high", "lowest severity that fails: low, medium, high or critical")
	f.BoolVar(&o.OnlyFixed, "only-fixed", false, "count only what has a fix")
	f.StringVar(&o.NewSince, "new-since", "", "count only what this image does not have")
	f.StringVar(&o.Format, "format", "text", "text, json, cyclonedx or spdx")
	f.BoolVar(&o.All, "all", false, "list every vulnerability and every control")
	f.StringVar(&o.DB, "db", cache.DefaultURL, "address or directory of the OSV databases")
	f.BoolVar(&o.Offline, "offline", false, "use the databases on this machine only")
	f.DurationVar(&o.MaxDBAge, "max-db-age", 7*24*time.Hour, "age from which a database proves nothing")
	f.StringArrayVar(&o.VEX, "vex", nil, "OpenVEX document")
	f.StringVar(&o.KEV, "kev", "", "CISA's catalogue of exploited vulnerabilities (JSON); what is in it counts whatever its severity")
	f.StringVar(&o.EPSS, "epss", "", "scores of the Exploit Prediction Scoring System (CSV, also compressed)")
	f.StringVar(&o.From, "from", "", "judge a report of Trivy or Grype (JSON) instead of scanning")
	f.StringVar(&o.Cache, "cache-dir", "", "directory of databases and layer records; the user's cache unless written")
	f.StringVar(&o.Platform, "platform", "linux/"+runtime.GOARCH, "platform of images with several")
	return cmd
}

func signingKeyFlags(k *supply.SigningKey, cmd *cobra.Command, name string) {
	cmd.Flags().StringVar(&k.Path, name, "", "private key in PEM form, as cosign, openssl or hsectl sign --new-key writes it")
	cmd.Flags().StringVar(&k.Password, "password-file", "", "file with the password of the key; COSIGN_PASSWORD unless written")
	cmd.Flags().BoolVar(&k.Tag, "signature-tag", false, "sign in cosign's older form, at a tag beside the image")
}

func newSign(g *app.Settings, s app.Streams) *cobra.Command {
	var o supply.SignOptions
	cmd := &cobra.Command{
		Use:   "sign [SERVICE...]",
		Short: "Sign the images that were built, or verify who signed all of them",
		Long: `Sign puts a signature beside an image in its registry: a sigstore bundle that refers to the digest in the lock, which
cosign verifies, too. Without services, those that the profile builds are signed. An image that is in no registry
cannot be signed: push and lock it first.

With --check nothing is signed. Instead every image is verified as supply_chain.signatures asks, as deploy does.`,
		Example: `  hsectl sign --new-key release              # writes release.key and release.pub
  hsectl build --push && hsectl lock --update app && hsectl sign --key release.key
  hsectl sign --key release.key --predicate https://example.com/review/v1 --content review.json
  hsectl sign --check                        # exit 3 when an image is not signed as the profile asks`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Services = args
			return supply.Sign(cmd.Context(), g, s, o)
		},
	}
	signingKeyFlags(&o.Key, cmd, "key")
	cmd.Flags().StringVar(&o.NewKey, "new-key", "", "make a key pair: NAME.key and NAME.pub")
	cmd.Flags().BoolVar(&o.Check, "check", false, "sign nothing; verify what the profile asks for")
	cmd.Flags().StringVar(&o.Predicate, "predicate", "", "attest a statement of this type instead of signing")
	cmd.Flags().StringVar(&o.Content, "content", "", "JSON file with what the statement says")
	cmd.MarkFlagsMutuallyExclusive("key", "new-key", "check")
	cmd.MarkFlagsOneRequired("key", "new-key", "check")
	return cmd
}
