package profile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hsectl/hsectl/internal/yamldoc"
)

// SupplyChain says what an image must prove before it is deployed.
type SupplyChain struct {
	Lock       string            `yaml:"lock" doc:"required: deploy refuses images that hsectl.lock does not pin; optional is the default"`
	Scan       string            `yaml:"scan" doc:"required: deploy refuses images that were not scanned or fail the scan; optional is the default"`
	FailOn     string            `yaml:"fail_on" doc:"lowest severity of a vulnerability that fails an image: low, medium, high or critical; high unless written"`
	OnlyFixed  bool              `yaml:"only_fixed" doc:"vulnerabilities that nothing mends yet do not count"`
	MaxDBAge   Duration          `yaml:"max_db_age" doc:"age from which a vulnerability database proves nothing; 168h unless written"`
	Registries []string          `yaml:"registries" doc:"registries and repositories that images may come from; none allows all"`
	Mirrors    map[string]string `yaml:"mirrors" doc:"registry that stands in for another: {docker.io: mirror.example.com/hub}"`
	MaxSize    Bytes             `yaml:"max_size" doc:"greatest size of an image's files"`
	MaxLayers  int               `yaml:"max_layers" doc:"greatest number of layers"`
	MaxDays    int               `yaml:"max_days" doc:"greatest age of an image in days"`
	VEX        []string          `yaml:"vex" doc:"OpenVEX documents, relative to the profile"`
	KEV        string            `yaml:"kev" doc:"CISA's catalogue of exploited vulnerabilities as JSON, relative to the profile; what is in it counts whatever its severity"`
	EPSS       string            `yaml:"epss" doc:"scores of the Exploit Prediction Scoring System as CSV, also compressed, relative to the profile"`
	Ignore     []Ignored         `yaml:"ignore" doc:"vulnerabilities that do not count for a time, each with its reason"`
	Signatures []Signature       `yaml:"signatures" doc:"who must have signed the images of which registry; the closest entry counts"`
}

// Ignored is a vulnerability that does not count until a day.
type Ignored struct {
	ID      string `yaml:"id" doc:"any name of the vulnerability, such as CVE-2026-1234"`
	Package string `yaml:"package" doc:"only in this package; every package unless written"`
	Reason  string `yaml:"reason" doc:"why it does no harm here"`
	Expires Day    `yaml:"expires" doc:"last day on which it holds"`
}

// Signature says who signs the images of a repository.
type Signature struct {
	Images       string   `yaml:"images" doc:"registry or repository, such as ghcr.io/example or ghcr.io/*/app; * is every image"`
	Key          string   `yaml:"key" doc:"public key in PEM form, relative to the profile"`
	Identity     string   `yaml:"identity" doc:"who the certificate of a keyless signature is for: an e-mail address or a workflow"`
	Pattern      string   `yaml:"identity_pattern" doc:"regular expression for it instead, from ^ to $"`
	Issuer       string   `yaml:"issuer" doc:"whose word the certificate takes, such as https://token.actions.githubusercontent.com"`
	Root         string   `yaml:"root" doc:"trusted_root.json of sigstore, relative to the profile; no network is asked"`
	Logged       bool     `yaml:"logged" doc:"a signature by key must be in the transparency log of the root, too"`
	Attestations []string `yaml:"attestations" doc:"types of statements that must be signed, such as https://slsa.dev/provenance/v1; a plain signature unless written"`
}

// defaultDBAge is a week: distributions publish daily.
const defaultDBAge = 7 * 24 * time.Hour

// Threshold returns the severity that fails an image, in words.
func (s *SupplyChain) Threshold() string {
	if s == nil || s.FailOn == "" {
		return "high"
	}
	return s.FailOn
}

// DatabaseAge returns the age from which a database proves nothing.
func (s *SupplyChain) DatabaseAge() time.Duration {
	if s == nil || s.MaxDBAge.D == 0 {
		return defaultDBAge
	}
	return s.MaxDBAge.D
}

// imageControls are those that exceptions may name besides the controls of containers.
var imageControls = []string{
	"HSE-IMG-001", "HSE-IMG-003", "HSE-IMG-004", "HSE-IMG-005", "HSE-IMG-006", "HSE-IMG-007", "HSE-IMG-008", "HSE-IMG-009",
	"HSE-IMG-010", "HSE-IMG-011", "HSE-IMG-013", "HSE-IMG-014", "HSE-IMG-015", "HSE-IMG-016", "HSE-IMG-017",
}

// watchControls are about how services are watched; of these exceptions are one for a service each.
var watchControls = []string{"HSE-MON-001", "HSE-MON-002"}

var registryPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[a-z0-9._/-]+)?$`)

func (v *validator) supplyChain() {
	s := v.p.SupplyChain
	if s == nil {
		return
	}
	for key, value := range map[string]string{"lock": s.Lock, "scan": s.Scan} {
		if !slices.Contains([]string{"", "required", "optional"}, value) {
			v.bad("supply_chain."+key, "write required or optional", "supply_chain.%s is %q", key, value)
		}
	}
	if levels := []string{"low", "medium", "high", "critical"}; s.FailOn != "" && !slices.Contains(levels, s.FailOn) {
		v.bad("supply_chain.fail_on", yamldoc.DidYouMean(s.FailOn, levels), "%q is not a severity", s.FailOn)
	}
	for i, r := range s.Registries {
		v.registry(fmt.Sprintf("supply_chain.registries[%d]", i), r)
	}
	for _, from := range slices.Sorted(maps.Keys(s.Mirrors)) {
		v.registry("supply_chain.mirrors."+from+"#key", from)
		v.registry("supply_chain.mirrors."+from, s.Mirrors[from])
	}
	for key, n := range map[string]int{"max_layers": s.MaxLayers, "max_days": s.MaxDays} {
		if n < 0 {
			v.bad("supply_chain."+key, "", "supply_chain.%s is below zero", key)
		}
	}
	for i, e := range s.Ignore {
		v.ignored(fmt.Sprintf("supply_chain.ignore[%d]", i), e)
	}
	for i, e := range s.Signatures {
		v.signature(fmt.Sprintf("supply_chain.signatures[%d]", i), e)
	}
}

// signature refuses a rule that anybody's signature would satisfy.
func (v *validator) signature(path string, e Signature) {
	if e.Images != "*" {
		v.registry(path+".images", strings.ReplaceAll(e.Images, "*", "0"))
	}
	keyless := e.Identity != "" || e.Pattern != "" || e.Issuer != ""
	switch {
	case e.Key == "" && !keyless:
		v.bad(path+".key", "name the file of the public key, or identity, issuer and root", "the signature for %s has no key", e.Images)
	case e.Key != "" && keyless:
		v.bad(path+".key", "write two entries with different images", "the signature for %s has a key and an identity", e.Images)
	case keyless && (e.Identity == "") == (e.Pattern == ""):
		v.bad(path+".identity", "write identity, or identity_pattern", "the signature for %s needs one identity", e.Images)
	case keyless && e.Issuer == "":
		v.bad(path+".issuer", "write the address of who issued the token, such as https://token.actions.githubusercontent.com",
			"the signature for %s has no issuer: anybody can have a certificate for any name from some issuer", e.Images)
	}
	if (keyless || e.Logged) && e.Root == "" {
		v.bad(path+".root", "write the file with: cosign trusted-root create, or take that of https://github.com/sigstore/root-signing",
			"the signature for %s has no root to verify it with", e.Images)
	}
	if _, err := regexp.Compile(e.Pattern); err != nil || e.Pattern != "" && (!strings.HasPrefix(e.Pattern, "^") || !strings.HasSuffix(e.Pattern, "$")) {
		v.bad(path+".identity_pattern", "begin with ^ and end with $, such as ^https://github\\.com/example/.*$", "%q matches within other names, or is no regular expression", e.Pattern)
	}
}

func (v *validator) registry(path, name string) {
	if !registryPattern.MatchString(name) {
		v.bad(path, "write a registry or repository such as docker.io/library or ghcr.io/example", "%q is not a registry", name)
	}
}

func (v *validator) ignored(path string, e Ignored) {
	if strings.TrimSpace(e.ID) == "" {
		v.bad(path+".id", "write a name such as CVE-2026-1234", "an ignored vulnerability has no id")
	}
	if strings.TrimSpace(e.Reason) == "" {
		v.bad(path+".reason", "say why it does no harm here", "ignoring %s has no reason", e.ID)
	}
	switch {
	case e.Expires.T.IsZero():
		v.bad(path+".expires", "write the last day on which it holds, such as 2027-06-30", "ignoring %s has no expiry", e.ID)
	case e.Expires.T.Before(v.o.Today.Truncate(24 * time.Hour)):
		v.bad(path+".expires", "mend it, or have the entry reviewed again", "ignoring %s expired on %s", e.ID, e.Expires)
	}
}
