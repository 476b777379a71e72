package validation

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/profile"
	"github.com/hsectl/hsectl/internal/yamldoc"
)

// imageControls are those that exceptions may name besides the controls of containers.
var imageControls = []string{
	"HSE-IMG-001", "HSE-IMG-003", "HSE-IMG-004", "HSE-IMG-005", "HSE-IMG-006", "HSE-IMG-007", "HSE-IMG-008", "HSE-IMG-009",
	"HSE-IMG-010", "HSE-IMG-011", "HSE-IMG-013", "HSE-IMG-014", "HSE-IMG-015", "HSE-IMG-016", "HSE-IMG-017",
}

// watchControls are about how services are watched; of these exceptions are one for a service each.
var watchControls = []string{"HSE-MON-001", "HSE-MON-002"}

var registryPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[a-z0-9._/-]+)?$`)

// supplyValidator checks the supply chain of the images.
type supplyValidator struct{ *validator }

func (v supplyValidator) supplyChain() {
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
func (v supplyValidator) releaseSigning() {
	s := v.p.ReleaseSigning
	if s == nil {
		return
	}
	if len(s.PublicKeys) == 0 {
		v.bad("release_signing", "make a pair of keys: hsectl sign --new-key release", "release_signing names no public key")
	}
	for i, key := range s.PublicKeys {
		if !filepath.IsLocal(key) {
			v.bad(fmt.Sprintf("release_signing.public_keys[%d]", i), "write its path relative to the profile", "%q is not a file below the profile's directory", key)
		}
	}
}

func (v supplyValidator) signature(path string, e profile.Signature) {
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
		v.bad(path+".issuer", "write the address of the token's issuer, such as https://token.actions.githubusercontent.com",
			"the signature for %s has no issuer: anyone can get a certificate for any name from some issuer", e.Images)
	}
	if (keyless || e.Logged) && e.Root == "" {
		v.bad(path+".root", "write the file with: cosign trusted-root create, or take that of https://github.com/sigstore/root-signing",
			"the signature for %s has no root to verify it with", e.Images)
	}
	if _, err := regexp.Compile(e.Pattern); err != nil || e.Pattern != "" && (!strings.HasPrefix(e.Pattern, "^") || !strings.HasSuffix(e.Pattern, "$")) {
		v.bad(path+".identity_pattern", "begin with ^ and end with $, such as ^https://github\\.com/example/.*$", "%q matches within other names, or is no regular expression", e.Pattern)
	}
}

func (v supplyValidator) registry(path, name string) {
	if !registryPattern.MatchString(name) {
		v.bad(path, "write a registry or repository such as docker.io/library or ghcr.io/example", "%q is not a registry", name)
	}
}

func (v supplyValidator) ignored(path string, e profile.Ignored) {
	if strings.TrimSpace(e.ID) == "" {
		v.bad(path+".id", "write a name such as CVE-2026-1234", "an ignored vulnerability has no id")
	}
	if strings.TrimSpace(e.Reason) == "" {
		v.bad(path+".reason", "say why it does no harm here", "ignoring %s has no reason", e.ID)
	}
	if e.Expires.T.IsZero() {
		v.bad(path+".expires", "write the last day on which it holds, such as 2027-06-30", "ignoring %s has no expiry", e.ID)
	}
}
