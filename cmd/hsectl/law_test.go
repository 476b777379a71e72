package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hsectl/hsectl/"

// room is one package: what it is for, and which of our own packages it may import. Values flow one way, from the top
// of this table to its end; only the last three touch the world.
type room struct {
	path string
	why  string
	may  []string
}

// everywhere is what every room may import.
const everywhere = "internal/display"

// anything stands for every room above.
const anything = "*"

func rooms() []room {
	return []room{
		{"internal/startup", "the pace of the garbage collector, set before anything else is initialised", nil},
		{"internal/display", "values to what a person reads on a terminal; every room may", nil},
		{"internal/yamldoc", "YAML documents with places; knows no kind of document", nil},
		{"profiles", "embedded data", nil},
		{"internal/lifecycle", "what is known of the life of versions, as of a day", []string{"internal/yamldoc"}},
		{"internal/finding", "one observation, which everybody talks about", nil},
		{"internal/policy/firewall", "the rules of iptables and nftables to what is open to whom", nil},
		{"internal/policy", "the vocabulary of controls: facts, intent, verdicts; what looks like a secret", []string{"internal/lifecycle", "internal/finding", "internal/yamldoc", "profiles"}},
		{"internal/policy/images", "the controls of the image of a service, and what is known of images", []string{"internal/finding", "internal/policy", "internal/yamldoc", "profiles"}},
		{"internal/policy/platform", "the controls of the engine, its machine and the monitoring", []string{"internal/lifecycle", "internal/finding", "internal/policy", "internal/policy/firewall"}},
		{"internal/policy/intrusion", "the controls of what appears in a running container that nothing rendered puts there", []string{"internal/finding", "internal/policy"}},
		{"internal/policy/healthtest", "whether a health test can fail at all", nil},
		{"internal/policy/signals", "how a stop signal travels to the programs of a container", []string{"internal/policy"}},
		{"internal/policy/controls", "one table of controls over facts, whoever has seen them", []string{"internal/policy/signals", "internal/policy/healthtest", "internal/policy/intrusion", "internal/finding", "internal/lifecycle", "internal/policy", "internal/policy/images", "internal/policy/platform"}},
		{"templates", "embedded text that is not YAML or JSON", nil},
		{"internal/profile", "what a profile says: types, values, and what follows from them; judges what it passes through by the controls", []string{"internal/yamldoc", "internal/policy", "internal/policy/controls", "internal/finding"}},
		{"internal/profile/validation", "what a profile may hold, as checks and as a schema; knows the names of controls", []string{"internal/yamldoc", "internal/profile", "internal/policy", "internal/policy/controls"}},
		{"internal/profile/parser", "bytes to a valid profile: documents, layers, presets, defaults", []string{"internal/yamldoc", "internal/profile", "internal/profile/validation"}},
		{"internal/edge", "what the proxy before the services reads, and how traffic moves", []string{"internal/profile"}},
		{"internal/stack", "the hardened model and its facts", []string{"internal/lifecycle", "internal/profile", "internal/edge", "internal/policy", "internal/policy/controls", "internal/finding"}},
		{"internal/size", "what containers used to limits and reservations, each with its reason", []string{"internal/stack"}},
		{"generate", "a stack to files", []string{"internal/stack"}},
		{"internal/composefile/specification", "the keys of Compose: judged, neutral with a reason, or open", nil},
		{"internal/composefile/variable", "the variables of Compose files: found, put in, kept", nil},
		{"internal/composefile/resources", "how much of the machine a service of a Compose file may take", []string{"internal/policy", "internal/finding"}},
		{"internal/composefile", "any Compose file: loaded, located, judged, fixed; knows no profile and no stack", []string{"internal/composefile/resources", "internal/composefile/variable", "internal/composefile/specification", "internal/lifecycle", "internal/policy", "internal/policy/controls", "internal/finding"}},
		{"internal/witness", "what a stack declares: its rendered file, read back and judged", []string{"internal/composefile", "internal/stack", "internal/policy", "internal/policy/controls", "internal/finding", "generate"}},
		{"internal/sources", "what a stack takes from next to its profile: variables, files; reads by functions that it is given", []string{"internal/composefile/variable", "internal/composefile", "internal/profile/parser", "internal/stack", "generate"}},
		{"internal/monitoring", "what watches a stack, as a stack of its own, and what is declared of that", []string{"internal/profile", "internal/stack", "internal/size", "internal/policy", "internal/finding", "generate", "templates"}},
		{"internal/image", "names and contents of images; knows no stack", nil},
		{"internal/image/signature", "who signed an image; signs with a key", []string{"internal/image"}},
		{"internal/image/vuln", "advisories and versions; no file, no clock", []string{"internal/finding"}},
		{"internal/image/scan", "what is in a layer, and in all of them together", []string{"internal/policy"}},
		{"internal/image/lock", "which content a reference stood for", nil},
		{"internal/image/audit", "judges an image: advisories and the image controls", []string{"internal/lifecycle", "internal/finding", "internal/image", "internal/image/lock", "internal/image/scan", "internal/image/vuln", "internal/policy"}},
		{"internal/image/sbom", "a report as a bill of materials", []string{"internal/image/audit"}},
		{"internal/image/scanners", "what other scanners found", []string{"internal/image/audit", "internal/image/scan", "internal/image/vuln"}},
		{"internal/image/bundle", "a stack as one file, for machines without a network", []string{"internal/image"}},
		{"internal/atomicfile", "writes files so that each is whole, or as it was", nil},
		{"internal/image/cache", "the door to what is kept between scans, and to OSV's databases", []string{"internal/image/vuln", "internal/atomicfile"}},
		{"internal/backup", "what lies in a directory of backups: archives, records, proofs; knows no file", nil},
		{"internal/secret", "values of secrets, made, encrypted and decrypted; knows no stack", nil},
		{"internal/redact", "takes the values of secrets out of text", nil},
		{"internal/sanitize", "takes out of text what a reader does not see and a machine obeys", nil},
		{"internal/record", "what is kept of a stack on its engine, in types of its own", []string{"internal/stack"}},
		{"internal/drift", "what an engine has, told apart from what it was asked for, field by field", []string{"internal/policy"}},
		{"internal/deploy/lock", "who holds the lock of a stack, and when its holder is taken for dead", nil},
		{"internal/deploy/datadir", "whether a server reads the data in its volume", []string{"internal/stack"}},
		{"internal/deploy", "the difference between desired and observed, as steps", []string{"internal/deploy/datadir", "internal/deploy/lock", "internal/drift", "internal/stack", "internal/record", "generate"}},
		{"internal/deploy/planfile", "a plan as a file that is reviewed before it is applied", []string{"internal/deploy", "internal/record", "internal/stack", "generate"}},
		{"internal/verify/kernel", "what a kernel says of the place of a container, and what no engine makes there", nil},
		{"internal/verify", "evidence; never deploy, whose word it must not take", []string{"internal/verify/kernel", "internal/stack", "internal/policy", "internal/policy/controls", "internal/finding", "internal/witness"}},
		{"internal/verify/checklist", "the questions that are asked before production, answered from evidence", []string{"internal/verify", "internal/stack", "internal/policy", "internal/finding"}},
		{"internal/verify/doctor", "why a service is not well, recognised by what it printed and how it ended", []string{"internal/stack", "internal/policy"}},
		{"internal/verify/drills", "what came of a drill, judged", []string{"internal/policy", "internal/policy/signals", "internal/verify", "internal/size", "internal/stack", "internal/finding"}},
		{"internal/review/demand", "what two versions of a profile demand of images and releases, compared", []string{"internal/finding", "internal/profile"}},
		{"internal/review", "two stacks to what became weaker", []string{"internal/review/demand", "internal/stack", "internal/profile", "internal/policy", "internal/policy/controls", "internal/finding"}},
		{"internal/report", "findings and reviews to text, JSON and the other formats; judges nothing", []string{"internal/sanitize", "internal/finding", "internal/review"}},
		{"internal/image/facts", "what an image shows of what a service needs, read and never run", nil},
		{"internal/importer/needs", "what a service of a Compose file is known to need", []string{"internal/image/facts", "internal/policy", "internal/policy/images"}},
		{"internal/importer", "Compose files and running containers to profiles, and to stacks that a review compares", []string{"internal/composefile/resources", "internal/composefile/variable", "internal/image/facts", "internal/importer/needs", "internal/composefile/specification", "internal/profile/parser", "internal/yamldoc", "internal/composefile", "internal/review", "internal/stack", "internal/profile", "internal/policy", "internal/policy/images", "internal/witness"}},
		{"internal/importer/side", "a Compose project as one side of a review", []string{"internal/composefile/resources", "internal/composefile", "internal/importer", "internal/policy", "internal/review", "internal/stack"}},
		{"internal/importer/difference", "in what the file rendered from an imported profile differs from its source, and why", []string{"internal/composefile", "internal/importer"}},
		{"internal/engine", "the connection to an engine, and the questions that every room below it asks", []string{"internal/image"}},
		{"internal/image/imagetest", "layers that no image tool makes, for tests of what reads images", nil},
		{"internal/engine/enginetest", "an engine's API within a test, for faults that a real one does not produce on demand", nil},
		{"internal/engine/volumes", "what is in volumes, read and written without running anything", []string{"internal/deploy/datadir", "internal/engine", "internal/deploy", "internal/stack"}},
		{"internal/engine/records", "what is written down of a stack on its engine: lock, journal, releases", []string{"internal/deploy/datadir", "internal/deploy/lock", "internal/engine", "internal/engine/volumes", "internal/record", "internal/deploy", "internal/stack"}},
		{"internal/engine/images", "images of an engine, found, read and moved", []string{"internal/engine", "internal/image", "internal/image/facts"}},
		{"internal/engine/tasks", "programs that run once, with the settings of a service", []string{"internal/engine", "internal/engine/volumes", "internal/redact", "internal/deploy", "internal/stack"}},
		{"internal/engine/usage", "what containers use, read again and again", []string{"internal/engine", "internal/size", "internal/verify"}},
		{"internal/engine/expectation", "what Compose asks an engine for, written down", []string{"internal/engine", "internal/drift", "generate"}},
		{"internal/engine/converge", "makes the steps of a plan happen", []string{"internal/engine", "internal/engine/expectation", "internal/engine/volumes", "internal/engine/records", "internal/engine/images", "internal/edge", "internal/deploy", "internal/redact", "internal/verify", "internal/stack", "generate"}},
		{"internal/engine/observe", "what an engine and probes say of containers", []string{"internal/verify/kernel", "internal/policy/signals", "internal/record", "internal/drift", "internal/engine/expectation", "internal/verify/doctor", "internal/verify/drills", "internal/engine", "internal/engine/records", "internal/engine/images", "internal/edge", "internal/image", "internal/deploy", "internal/verify", "internal/stack", "internal/policy", "internal/finding"}},
		{"internal/engine/symptoms", "what shows why a service is not well", []string{"internal/engine", "internal/engine/images", "internal/stack", "internal/verify/doctor"}},
		{"internal/engine/trials", "disturbs the services of a stack, and sees what that does", []string{"internal/engine", "internal/engine/observe", "internal/policy", "internal/policy/signals", "internal/verify", "internal/verify/drills"}},
		{"internal/engine/buildkit", "images built, and Dockerfiles read", []string{"internal/engine", "internal/engine/images", "internal/image"}},
		{"internal/docker", "the rooms of an engine, wired together", []string{"internal/engine", "internal/engine/buildkit", "internal/engine/converge", "internal/engine/images", "internal/engine/observe", "internal/engine/records", "internal/engine/symptoms", "internal/engine/tasks", "internal/engine/trials", "internal/engine/usage", "internal/engine/volumes"}},
		{"internal/host", "the only door to the machine: files, processes and git", []string{"generate", "internal/backup", "internal/atomicfile"}},
		{"internal/ask", "puts questions to services over the network: HTTP, TLS, gRPC, databases, load", []string{"internal/verify/drills", "internal/host", "internal/verify"}},
		{"internal/probe/place", "what a thread sees of the place that it is in: network, files, devices", []string{"internal/host", "internal/verify", "internal/verify/kernel"}},
		{"internal/probe", "runs in or next to a container, and on the engine's machine: what the kernel really enforces", []string{"internal/probe/place", "internal/verify/kernel", "internal/policy/signals", "internal/verify/drills", "internal/host", "internal/verify", "internal/ask"}},
		{"internal/app", "what the use cases share: the profile at hand, the engine that is meant, streams, errors; knows no flags", []string{
			"internal/verify/doctor",
			"internal/lifecycle",
			"internal/yamldoc",
			"generate",
			"profiles",
			"internal/finding",
			"internal/policy",
			"internal/policy/controls",
			"internal/profile",
			"internal/profile/parser",
			"internal/stack",
			"internal/secret",
			"internal/record",
			"internal/redact",
			"internal/sanitize",
			"internal/image",
			"internal/image/bundle",
			"internal/image/lock",
			"internal/deploy",
			"internal/verify",
			"internal/verify/checklist",
			"internal/report",
			"internal/composefile",
			"internal/docker",
			"internal/engine",
			"internal/engine/tasks",
			"internal/host",
			"internal/probe",
			"internal/ask",
			"internal/monitoring",
			"internal/sources",
			"internal/witness",
		}},
		{"internal/app/drill", "proves behaviour by trying it on copies, and makes the backups that are tried", []string{
			"internal/verify/drills",
			"internal/app",
			"internal/backup",
			"internal/deploy",
			"internal/docker",
			"internal/engine/tasks",
			"internal/finding",
			"internal/host",
			"internal/ask",
			"internal/redact",
			"internal/report",
			"internal/secret",
			"internal/stack",
			"internal/verify",
		}},
		{"internal/app/sizing", "limits and reservations proposed from what a stack used, and written into its profile", []string{
			"internal/app",
			"internal/app/drill",
			"internal/ask",
			"internal/docker",
			"internal/engine/usage",
			"internal/host",
			"internal/monitoring",
			"internal/profile",
			"internal/review",
			"internal/size",
			"internal/stack",
			"internal/verify",
			"internal/yamldoc",
		}},
		{"internal/app/supply", "images built, locked, scanned, signed, and judged before a deploy", []string{
			"generate",
			"internal/app",
			"internal/docker",
			"internal/engine/buildkit",
			"internal/engine/images",
			"internal/finding",
			"internal/host",
			"internal/image",
			"internal/image/audit",
			"internal/image/bundle",
			"internal/image/cache",
			"internal/image/lock",
			"internal/image/sbom",
			"internal/image/scan",
			"internal/image/scanners",
			"internal/image/signature",
			"internal/image/vuln",
			"internal/profile",
			"internal/record",
			"internal/redact",
			"internal/report",
			"internal/secret",
			"internal/stack",
			"internal/verify",
			"internal/verify/checklist",
		}},
		{"internal/app/bundle", "a stack with its images in one file, written, opened and loaded", []string{
			"internal/sanitize",
			"generate",
			"internal/app",
			"internal/app/supply",
			"internal/docker",
			"internal/engine/images",
			"internal/host",
			"internal/image",
			"internal/image/audit",
			"internal/image/bundle",
			"internal/image/cache",
			"internal/image/lock",
			"internal/image/sbom",
			"internal/image/scan",
			"internal/image/signature",
		}},
		{"internal/app/release", "a stack from one release to another: plan, deploy, rollback, status, hooks, secrets", []string{
			"internal/deploy/lock",
			"internal/deploy/planfile",
			"internal/sanitize",
			"generate",
			"internal/app",
			"internal/ask",
			"internal/app/bundle",
			"internal/app/supply",
			"internal/deploy",
			"internal/docker",
			"internal/engine",
			"internal/engine/records",
			"internal/finding",
			"internal/host",
			"internal/profile",
			"internal/record",
			"internal/redact",
			"internal/secret",
			"internal/stack",
			"internal/verify",
			"internal/witness",
		}},
		{"internal/app/evidence", "what is written and what runs, judged: lint, review, verify, probe, doctor, checklist", []string{
			"internal/verify/doctor",
			"internal/verify/drills",
			"internal/probe",
			"internal/ask",
			"generate",
			"internal/app",
			"internal/app/supply",
			"internal/composefile",
			"internal/deploy",
			"internal/docker",
			"internal/engine/images",
			"internal/finding",
			"internal/host",
			"internal/image",
			"internal/image/lock",
			"internal/importer/side",
			"internal/monitoring",
			"internal/policy",
			"internal/policy/controls",
			"internal/policy/platform",
			"internal/profile",
			"internal/profile/parser",
			"internal/record",
			"internal/report",
			"internal/review",
			"internal/review/demand",
			"internal/stack",
			"internal/verify",
			"internal/verify/checklist",
			"internal/yamldoc",
			"profiles",
		}},
		{"internal/app/author", "profiles written, from presets and from Compose files; explained, formatted, generated", []string{
			"internal/sanitize",
			"generate",
			"internal/app",
			"internal/app/evidence",
			"internal/composefile",
			"internal/finding",
			"internal/host",
			"internal/image",
			"internal/docker",
			"internal/engine/buildkit",
			"internal/engine/images",
			"internal/image/cache",
			"internal/image/facts",
			"internal/importer",
			"internal/policy",
			"internal/policy/controls",
			"internal/profile",
			"internal/profile/parser",
			"internal/profile/validation",
			"internal/stack",
			"internal/verify",
			"internal/yamldoc",
			"profiles",
			"internal/witness",
			"internal/importer/difference",
		}},
		{"cmd/hsectl", "flags, streams, hints and exit codes; one verb is options, flags and one call", []string{
			"internal/deploy/datadir",
			"internal/deploy/lock",
			"internal/deploy/planfile",
			"internal/startup",
			"internal/probe",
			"internal/app",
			"internal/app/author",
			"internal/app/bundle",
			"internal/app/drill",
			"internal/app/evidence",
			"internal/app/release",
			"internal/app/sizing",
			"internal/app/supply",
			"internal/deploy",
			"internal/docker",
			"internal/engine",
			"internal/engine/buildkit",
			"internal/engine/converge",
			"internal/engine/images",
			"internal/host",
			"internal/image",
			"internal/image/cache",
			"internal/profile/validation",
			"internal/record",
			"internal/report",
			"internal/size",
			"internal/yamldoc",
		}},
	}
}

// owner says which packages may import a dependency, and why no other. A path stands for all packages below it.
type owner struct {
	path string
	may  []string
	why  string
}

func owners() []owner {
	engines := []string{"internal/engine", "internal/engine/buildkit", "internal/engine/converge", "internal/engine/expectation", "internal/engine/images", "internal/engine/observe", "internal/engine/records", "internal/engine/symptoms", "internal/engine/tasks", "internal/engine/trials", "internal/engine/usage", "internal/engine/volumes"}
	return []owner{
		{"github.com/spf13/cobra", []string{"cmd/hsectl"}, "flags and help belong to the command line"},
		{"github.com/spf13/pflag", []string{"cmd/hsectl"}, "flags belong to the command line"},
		{"github.com/spf13/viper", []string{"cmd/hsectl"}, "configuration is read in one place"},
		{"filippo.io/age", []string{"internal/secret"}, "encryption is in one place"},
		{"charm.land/huh/v2", []string{"internal/app/author"}, "only the edge asks questions"},
		{"go.opentelemetry.io/otel", []string{"internal/app"}, "spans are told where progress is"},
		{"github.com/charmbracelet/x/ansi", []string{"internal/display", "internal/sanitize", "internal/report", "internal/app"}, "escape sequences are written and removed where text meets a terminal"},
		{"golang.org/x/term", []string{"internal/app/author", "internal/app"}, "only what writes to a person knows terminals"},
		{"go.yaml.in/yaml/v3", []string{"internal/yamldoc", "generate", "internal/composefile", "internal/composefile/specification", "internal/importer", "internal/importer/difference"}, "YAML comes in through yamldoc and goes out through generate; composefile keeps the places and comments of any file; importer writes a draft with comments"},
		{"github.com/compose-spec/compose-go/v2", []string{"generate", "internal/deploy", "internal/engine/converge", "internal/engine/expectation", "internal/composefile", "internal/composefile/specification", "internal/composefile/resources", "internal/composefile/variable", "internal/importer", "internal/importer/side"}, "generate loads what it rendered, and the plan compares that; the Compose SDK takes its types; composefile loads what others wrote, and importer moves it key by key"},
		{"github.com/google/go-containerregistry", []string{"internal/image", "internal/image/scanners", "internal/image/signature"}, "images are its subject"},
		{"github.com/hashicorp/go-multierror", []string{"internal/yamldoc"}, "all problems of a profile come at once"},
		{"github.com/agext/levenshtein", []string{"internal/yamldoc"}, "did you mean"},
		{"github.com/docker/go-units", []string{"internal/profile", "internal/engine/observe", "internal/importer/side", "internal/policy/controls", "internal/verify", "internal/verify/doctor", "internal/verify/drills"}, "amounts are read and shown as Compose does"},
		{"github.com/docker/compose/v5", []string{"internal/engine/converge", "internal/engine/expectation"}, "the Compose SDK changes an engine, and says what it would change"},
		{"github.com/docker/cli", []string{"internal/engine", "internal/engine/images"}, "contexts and credentials are about an engine"},
		{"github.com/docker/go-connections", []string{"internal/engine"}, "certificates are about an engine"},
		{"github.com/moby/moby", engines, "the client speaks to an engine"},
		{"github.com/moby/buildkit", []string{"internal/engine/buildkit"}, "builds happen on an engine"},
		{"github.com/tonistiigi/fsutil", []string{"internal/engine/buildkit"}, "BuildKit's view of a directory"},
		{"github.com/containerd/errdefs", engines, "errors of an engine"},
		{"github.com/sirupsen/logrus", []string{"internal/engine", "internal/composefile"}, "silenced there: the libraries of the engine and of Compose log to it"},
		{"golang.org/x/sync", []string{"internal/app/author", "internal/app/supply", "internal/engine", "internal/engine/buildkit", "internal/engine/converge", "internal/engine/observe", "internal/image/scan"}, "builds, waiting for an engine and reading layers are worth doing at once"},
		{"github.com/google/osv-scalibr/semantic", []string{"internal/image/vuln"}, "versions are compared as their ecosystem does"},
		{"github.com/google/osv-scalibr", []string{"internal/image/scan"}, "packages are read from layers"},
		{"github.com/sigstore", []string{"internal/image/signature"}, "signatures of images"},
		{"google.golang.org/protobuf", []string{"internal/image/signature"}, "sigstore's bundles are written with it"},
		{"github.com/pandatix/go-cvss", []string{"internal/image/vuln"}, "scores of advisories"},
		{"github.com/cenkalti/backoff/v5", []string{"internal/image/cache"}, "a busy server is asked again"},
		{"github.com/CycloneDX/cyclonedx-go", []string{"internal/image/sbom"}, "a form of bills of materials"},
		{"github.com/spdx/tools-golang", []string{"internal/image/sbom"}, "a form of bills of materials"},
		{"github.com/google/uuid", []string{"internal/image/sbom"}, "serial numbers that come from the image"},
		{"github.com/opencontainers/go-digest", []string{"internal/engine/buildkit"}, "BuildKit's linter asks for one"},
		{"github.com/opencontainers/image-spec", []string{"internal/engine/buildkit"}, "BuildKit's linter asks for a configuration"},
		{"github.com/klauspost/compress/zstd", []string{"internal/image/bundle"}, "layers are packed with it"},
		{"github.com/google/renameio/v2", []string{"internal/atomicfile"}, "a file is replaced in one step"},
		{"mvdan.cc/sh/v3", []string{"internal/policy/healthtest"}, "what a health test does is written for a shell"},
		{"golang.org/x/sys", []string{"internal/probe", "internal/probe/place"}, "names of the kernel's errors"},
		{"os/exec", []string{"internal/host", "internal/probe", "internal/ask"}, "processes are started at the edge"},
		{"os", []string{"internal/host", "internal/atomicfile", "internal/probe", "internal/probe/place", "internal/ask", "internal/app", "internal/app/evidence", "internal/app/author", "internal/app/release", "internal/app/supply", "internal/app/bundle", "cmd/hsectl", "internal/engine", "internal/engine/buildkit", "internal/engine/enginetest", "internal/engine/images", "internal/image/cache", "internal/startup"}, "files and environment are effects"},
		{"net/http", []string{"internal/engine", "internal/engine/expectation", "internal/engine/enginetest", "internal/ask", "internal/image", "internal/image/cache", "internal/image/signature"}, "an engine, registries and OSV are called, and ask puts questions to services"},
		{"google.golang.org/grpc", []string{"internal/ask"}, "the health service of gRPC is asked there"},
		{"github.com/tsenart/vegeta/v12", []string{"internal/ask"}, "load is an effect"},
		{"github.com/owenrumney/go-sarif/v3", []string{"internal/report"}, "reports know their formats"},
		{"github.com/rogpeppe/go-internal", []string{"internal/review"}, "the diff behind a review"},
		{"math/rand", nil, "what must be random must be secure, and the rest must not be random"},
		{"unsafe", nil, "never"},
	}
}

// source is one Go file that is no test.
type source struct {
	room, path string
	file       *ast.File
}

// sources parses all of them. The files are opened by the test itself, so a cached result never hides a change.
func sources(t *testing.T) ([]source, *token.FileSet) {
	t.Helper()
	set := token.NewFileSet()
	var out []source
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && d.IsDir() && path != "../.." {
			return fs.SkipDir // another module, which only tests run
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("../..", path)
		out = append(out, source{filepath.ToSlash(filepath.Dir(rel)), filepath.ToSlash(rel), file})
		return err
	})
	if err != nil || len(out) < 20 {
		t.Fatalf("%d files, %v", len(out), err)
	}
	return out, set
}

func TestImportLaw(t *testing.T) {
	seen := map[string]bool{}
	all, _ := sources(t)
	for _, s := range all {
		seen[s.room] = true
		i := slices.IndexFunc(rooms(), func(r room) bool { return r.path == s.room })
		if i < 0 {
			t.Errorf("%s: the package %s has no row in the table of rooms", s.path, s.room)
			continue
		}
		for _, spec := range s.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if own, ok := strings.CutPrefix(path, module); ok {
				if own != everywhere && !slices.Contains(rooms()[i].may, own) && !slices.Contains(rooms()[i].may, anything) {
					t.Errorf("%s imports %s; %s is: %s", s.path, own, s.room, rooms()[i].why)
				}
				continue
			}
			judgeForeign(t, s, path)
		}
	}
	for _, r := range rooms() {
		if !seen[r.path] {
			t.Errorf("the table has a row for %s, which has no file", r.path)
		}
	}
}

func judgeForeign(t *testing.T, s source, path string) {
	t.Helper()
	for _, o := range owners() {
		if path == o.path || strings.HasPrefix(path, o.path+"/") && o.path != "os" {
			if !slices.Contains(o.may, s.room) {
				t.Errorf("%s imports %s, which belongs to %v: %s", s.path, path, o.may, o.why)
			}
			return
		}
	}
	if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
		t.Errorf("%s imports %s, which has no row in the table of owners", s.path, path)
	}
}

// The tables themselves keep the direction: a room imports only what stands above it.
func TestRoomsFlowOneWay(t *testing.T) {
	above := map[string]bool{}
	for _, r := range rooms() {
		for _, m := range r.may {
			if !above[m] && m != anything {
				t.Errorf("%s may import %s, which does not stand above it", r.path, m)
			}
		}
		if r.path == "internal/verify" && slices.Contains(r.may, "internal/deploy") {
			t.Error("verify may import deploy")
		}
		above[r.path] = true
	}
}

func TestEverythingIsDocumented(t *testing.T) {
	all, set := sources(t)
	documented := map[string]bool{}
	for _, s := range all {
		if s.file.Doc != nil {
			documented[s.room] = true
		}
		for _, d := range s.file.Decls {
			for _, undocumented := range exported(d) {
				t.Errorf("%s: %s has no comment", set.Position(undocumented.Pos()), undocumented.Name)
			}
		}
	}
	for _, r := range rooms() {
		if !documented[r.path] {
			t.Errorf("package %s has no comment", r.path)
		}
	}
}

// exported returns the names that a declaration exports without a comment on them, or on the group they are in.
func exported(d ast.Decl) []*ast.Ident {
	var out []*ast.Ident
	add := func(doc, line *ast.CommentGroup, names ...*ast.Ident) {
		for _, n := range names {
			if n.IsExported() && doc == nil && line == nil {
				out = append(out, n)
			}
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil || receiverIsExported(d.Recv) {
			add(d.Doc, nil, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if d.Lparen.IsValid() {
					add(s.Doc, s.Comment, s.Name)
				} else {
					add(d.Doc, nil, s.Name)
				}
			case *ast.ValueSpec:
				if d.Doc == nil {
					add(s.Doc, s.Comment, s.Names...)
				}
			}
		}
	}
	return out
}

func receiverIsExported(fields *ast.FieldList) bool { return token.IsExported(receiver(fields)) }

// The program ends in one place, nothing happens before main, and the core does not know what time it is.
func TestOneExitAndNoInit(t *testing.T) {
	all, set := sources(t)
	var exits []string
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init runs before main", set.Position(f.Pos()))
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, ok := call.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch of.Name + "." + call.Sel.Name {
			case "os.Exit":
				exits = append(exits, s.path)
			case "time.Now", "time.Since":
				if !slices.Contains([]string{"internal/app", "internal/app/evidence", "internal/app/author", "internal/app/release", "internal/app/supply", "internal/app/bundle", "internal/app/drill", "internal/app/sizing", "internal/engine/converge", "internal/engine/observe", "internal/engine/records", "internal/engine/symptoms", "internal/engine/tasks", "internal/engine/trials", "internal/engine/usage", "internal/host", "internal/probe", "internal/probe/place", "internal/ask", "internal/image/cache"}, s.room) {
					t.Errorf("%s: the pure core has no clock", set.Position(n.Pos()))
				}
			case "client.New", "client.NewClientWithOpts", "command.NewAPIClientFromFlags":
				if s.path != "internal/engine/connection.go" {
					t.Errorf("%s: a client of its own keeps no bounds; engine.Connect makes the only one", set.Position(n.Pos()))
				}
			case "exec.Command", "exec.CommandContext", "os.StartProcess", "syscall.ForkExec", "syscall.Exec":
				if s.path != "internal/host/command.go" && s.path != "internal/probe/attempt_linux.go" { // which tries whether it may
					t.Errorf("%s: %s.%s starts a program with bounds of its own; host.Program has them", set.Position(n.Pos()), of.Name, call.Sel.Name)
				}
			case "os.Rename", "os.WriteFile":
				if s.room != "internal/atomicfile" && s.path != "internal/host/revision.go" { // which fills a directory of its own
					t.Errorf("%s: %s.%s may leave half a file; internal/atomicfile does not", set.Position(n.Pos()), of.Name, call.Sel.Name)
				}
			case "log.Fatal", "log.Fatalf", "log.Fatalln", "runtime.Goexit", "syscall.Exit":
				t.Errorf("%s: %s.%s ends the program", set.Position(n.Pos()), of.Name, call.Sel.Name)
			}
			return true
		})
	}
	if !slices.Equal(exits, []string{"cmd/hsectl/main.go"}) {
		t.Errorf("os.Exit is called in %v", exits)
	}
}

// Packages, types and files have a size that one reader can hold.
const (
	packageLines, packageFiles = 2500, 20
	typeMethods                = 25
	longestFile, shortestFile  = 500, 25
)

// large names the packages and types that do not have that size yet. It only gets shorter: an entry that is not needed any
// more is an error.
func large() map[string]string {
	return map[string]string{}
}

// No package is named after nothing in particular, and no file is too long to read, or a fragment of another.
func TestNamesAndSizes(t *testing.T) {
	all, set := sources(t)
	files := map[string]int{}
	for _, s := range all {
		files[s.room]++
	}
	for _, s := range all {
		for _, word := range []string{"util", "common", "helper", "manager", "misc", "shared"} {
			if strings.Contains(s.path, word) {
				t.Errorf("%s is named %s", s.path, word)
			}
		}
		lines := set.File(s.file.Pos()).LineCount()
		if lines > longestFile {
			t.Errorf("%s has %d lines", s.path, lines)
		}
		if lines < shortestFile && files[s.room] > 1 && large()[s.room] == "" && !variant(s) {
			t.Errorf("%s has only %d lines: they belong into another file of the package", s.path, lines)
		}
	}
}

// variant tells whether a file is for some platforms only.
func variant(s source) bool {
	name := strings.TrimSuffix(filepath.Base(s.path), ".go")
	for _, system := range []string{"linux", "windows", "darwin", "unix"} {
		if strings.HasSuffix(name, "_"+system) {
			return true
		}
	}
	for _, group := range s.file.Comments {
		if group.Pos() < s.file.Package && strings.HasPrefix(group.List[0].Text, "//go:build") {
			return true
		}
	}
	return false
}

// No package and no type is so large that a reader cannot hold it.
func TestRoomsAndTypesHaveASize(t *testing.T) {
	all, set := sources(t)
	lines, files, methods := map[string]int{}, map[string]int{}, map[string]int{}
	for _, s := range all {
		lines[s.room] += set.File(s.file.Pos()).LineCount()
		files[s.room]++
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				methods[s.room+"."+receiver(f.Recv)]++
			}
		}
	}
	found := map[string]bool{}
	for room := range files {
		if lines[room] > packageLines || files[room] > packageFiles {
			found[room] = true
			if large()[room] == "" {
				t.Errorf("%s has %d lines in %d files", room, lines[room], files[room])
			}
		}
	}
	for name, n := range methods {
		if n > typeMethods {
			found[name] = true
			if large()[name] == "" {
				t.Errorf("%s has %d methods", name, n)
			}
		}
	}
	for name := range large() {
		if !found[name] {
			t.Errorf("%s has its size now: take it off the list", name)
		}
	}
}

// receiver is the name of the type that a method belongs to.
func receiver(fields *ast.FieldList) string {
	typ := fields.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	switch generic := typ.(type) {
	case *ast.IndexExpr:
		typ = generic.X
	case *ast.IndexListExpr:
		typ = generic.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

// The command line has flags, streams and exit codes, and no business: that can be imported, and tested without it.
func TestMainHasNoBusiness(t *testing.T) {
	all, _ := sources(t)
	for _, s := range all {
		if s.room != "cmd/hsectl" {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv != nil {
				t.Errorf("%s: %s.%s: a type with methods is business, which belongs into internal/app", s.path, receiver(f.Recv), f.Name.Name)
			}
		}
	}
}
