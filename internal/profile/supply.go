package profile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
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
	Ignore     []Ignored         `yaml:"ignore" doc:"vulnerabilities that do not count for a time, each with its reason"`
	Signatures []Signature       `yaml:"signatures" doc:"keys by which images must be signed"`
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
	Images string `yaml:"images" doc:"registry or repository, such as ghcr.io/example"`
	Key    string `yaml:"key" doc:"public key in PEM form, relative to the profile"`
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
	"HSE-IMG-010", "HSE-IMG-011", "HSE-IMG-014", "HSE-IMG-015", "HSE-IMG-016", "HSE-IMG-017",
}

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
		v.bad("supply_chain.fail_on", didYouMean(s.FailOn, levels), "%q is not a severity", s.FailOn)
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
		path := fmt.Sprintf("supply_chain.signatures[%d]", i)
		v.registry(path+".images", e.Images)
		if e.Key == "" {
			v.bad(path+".key", "name the file of the public key", "the signature for %s has no key", e.Images)
		}
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
