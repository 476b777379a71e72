package profile

import "time"

// SupplyChain holds the checks that an image must pass before it is deployed.
type SupplyChain struct {
	Lock       string            `yaml:"lock" doc:"required: deploy refuses images that hsectl.lock does not pin; optional is the default"`
	Scan       string            `yaml:"scan" doc:"required: deploy refuses images that were not scanned or fail the scan; optional is the default"`
	FailOn     string            `yaml:"fail_on" doc:"lowest severity of a vulnerability that fails an image: low, medium, high or critical; default high"`
	OnlyFixed  bool              `yaml:"only_fixed" doc:"vulnerabilities without a fix do not count"`
	MaxDBAge   Duration          `yaml:"max_db_age" doc:"age from which a vulnerability database is stale; default 168h"`
	Registries []string          `yaml:"registries" doc:"registries and repositories that images may come from; all if empty"`
	Mirrors    map[string]string `yaml:"mirrors" doc:"mirrors of registries: {docker.io: mirror.example.com/hub}"`
	MaxSize    Bytes             `yaml:"max_size" doc:"greatest size of an image's files"`
	MaxLayers  int               `yaml:"max_layers" doc:"greatest number of layers"`
	MaxDays    int               `yaml:"max_days" doc:"greatest age of an image in days"`
	VEX        []string          `yaml:"vex" doc:"OpenVEX documents, relative to the profile"`
	KEV        string            `yaml:"kev" doc:"CISA's catalogue of exploited vulnerabilities as JSON, relative to the profile; its entries count at any severity"`
	EPSS       string            `yaml:"epss" doc:"scores of the Exploit Prediction Scoring System as CSV, also compressed, relative to the profile"`
	Ignore     []Ignored         `yaml:"ignore" doc:"vulnerabilities that do not count for a time, each with its reason"`
	Signatures []Signature       `yaml:"signatures" doc:"signatures that images of a registry must have; the most specific entry applies"`
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
	Identity     string   `yaml:"identity" doc:"subject of the certificate of a keyless signature: an e-mail address or a workflow"`
	Pattern      string   `yaml:"identity_pattern" doc:"regular expression for the identity instead, from ^ to $"`
	Issuer       string   `yaml:"issuer" doc:"issuer of the certificate's token, such as https://token.actions.githubusercontent.com"`
	Root         string   `yaml:"root" doc:"trusted_root.json of sigstore, relative to the profile; works offline"`
	Logged       bool     `yaml:"logged" doc:"a signature by key must be in the transparency log of the root, too"`
	Attestations []string `yaml:"attestations" doc:"types of statements that must be signed, such as https://slsa.dev/provenance/v1; a plain signature unless written"`
}

// ReleaseSigning says who may write the records of releases.
type ReleaseSigning struct {
	PublicKeys []string `yaml:"public_keys" doc:"public keys of the deployers in PEM form, relative to the profile"`
	PrivateKey string   `yaml:"private_key" doc:"private key that signs, on the machine that deploys; HSECTL_RELEASE_KEY names another one"`
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
