package images

import (
	"slices"
	"strings"
	"time"
)

// traits are facts about an image that decide whether it works hardened. The presets of the library give the same
// facts with their sources; this is what must be known of an image that is used without its preset.
type traits struct {
	repositories []string      // without docker.io and library
	root         []string      // capabilities with which it starts as root, also the second time
	carried      string        // file capability without which the program does not start
	staysRoot    bool          // without capabilities it keeps running as root and says nothing
	noFiles      bool          // reads no credential from a variable that ends in _FILE
	lacks        []string      // tools that are often expected, and are not there
	shellless    bool          // nothing in it but the program
	runsTmp      bool          // unpacks native libraries to /tmp and runs them
	grace        time.Duration // what it needs to stop without losing anything
	hostname     bool          // its data hangs on the host name
	variable     string        // without it data goes to a place that is lost
	store        bool          // holds data, or takes orders without a password
	missing      []string      // paths for data that the image does not have
}

// wellKnown is the table, by the name of the preset. Sources are in the presets.
func wellKnown() map[string]traits {
	switching := []string{"CHOWN", "DAC_READ_SEARCH", "SETGID", "SETUID"}
	web := []string{"curl", "wget", "nc"}
	return map[string]traits{
		"postgres":   {repositories: []string{"postgres"}, root: switching, lacks: web, grace: 2 * time.Minute, store: true},
		"redis":      {repositories: []string{"redis"}, root: switching, staysRoot: true, noFiles: true, lacks: web, grace: time.Minute, store: true},
		"valkey":     {repositories: []string{"valkey/valkey"}, root: switching, noFiles: true, lacks: web, grace: time.Minute, store: true},
		"mysql":      {repositories: []string{"mysql"}, root: switching, lacks: web, grace: 2 * time.Minute, store: true},
		"mariadb":    {repositories: []string{"mariadb"}, root: switching, grace: 2 * time.Minute, store: true},
		"mongo":      {repositories: []string{"mongo"}, root: switching, lacks: web, grace: 2 * time.Minute, store: true},
		"rabbitmq":   {repositories: []string{"rabbitmq"}, root: switching, noFiles: true, grace: time.Minute, hostname: true, store: true},
		"memcached":  {repositories: []string{"memcached"}, root: []string{"SETGID", "SETUID"}, lacks: web, grace: 10 * time.Second, store: true},
		"nginx":      {repositories: []string{"nginx"}, root: []string{"CHOWN", "SETGID", "SETUID"}, grace: 30 * time.Second},
		"haproxy":    {repositories: []string{"haproxy"}, lacks: web, grace: time.Minute},
		"httpd":      {repositories: []string{"httpd"}, root: []string{"KILL", "SETGID", "SETUID"}, lacks: web, grace: 30 * time.Second},
		"php-fpm":    {repositories: []string{"php"}, root: []string{"KILL", "SETGID", "SETUID"}, grace: 30 * time.Second},
		"php-apache": {root: []string{"KILL", "SETGID", "SETUID"}, grace: 30 * time.Second},
		"traefik":    {repositories: []string{"traefik"}, grace: 30 * time.Second, missing: []string{"/letsencrypt"}},
		"caddy":      {repositories: []string{"caddy"}, carried: "NET_BIND_SERVICE", noFiles: true, grace: 30 * time.Second},
		"vault":      {repositories: []string{"vault", "hashicorp/vault"}, carried: "IPC_LOCK", grace: time.Minute, store: true},
		"elasticsearch": {repositories: []string{"elasticsearch", "docker.elastic.co/elasticsearch/elasticsearch"},
			runsTmp: true, grace: 2 * time.Minute, store: true},
		"opensearch":      {repositories: []string{"opensearchproject/opensearch"}, noFiles: true, runsTmp: true, grace: 2 * time.Minute, store: true},
		"kafka":           {repositories: []string{"apache/kafka"}, runsTmp: true, grace: 2 * time.Minute, variable: "KAFKA_LOG_DIRS", store: true},
		"eclipse-temurin": {repositories: []string{"eclipse-temurin"}, runsTmp: true},
		"keycloak":        {repositories: []string{"quay.io/keycloak/keycloak"}, noFiles: true, lacks: web, runsTmp: true, grace: time.Minute},
		"nats":            {repositories: []string{"nats"}, noFiles: true, grace: 30 * time.Second, store: true, missing: []string{"/data"}},
		"minio":           {repositories: []string{"quay.io/minio/minio", "minio/minio"}, lacks: []string{"curl"}, grace: time.Minute, store: true},
		"golang":          {repositories: []string{"gcr.io/distroless/static-debian13", "gcr.io/distroless/static-debian12"}, shellless: true},
		"node":            {repositories: []string{"node"}},
		"python":          {repositories: []string{"python"}},
		"ruby":            {repositories: []string{"ruby"}},
		"prometheus":      {repositories: []string{"prom/prometheus"}, grace: 2 * time.Minute},
		"loki":            {repositories: []string{"grafana/loki"}, shellless: true, grace: 2 * time.Minute},
		"tempo":           {repositories: []string{"grafana/tempo"}, shellless: true, grace: 2 * time.Minute},
		"otel-collector": {repositories: []string{"otel/opentelemetry-collector-contrib", "otel/opentelemetry-collector"}, shellless: true,
			missing: []string{"/var/lib/otelcol"}},
		"promtail": {repositories: []string{"grafana/promtail"}, lacks: web},
		"alloy":    {repositories: []string{"grafana/alloy"}, lacks: web},
	}
}

// lookUp finds what is known about an image: by its repository or, when it was built, by the preset of the service.
// Of a built image the tools are not known. The name is empty when nothing is known.
func lookUp(reference, preset string) (name string, k traits) {
	repository, tag := splitReference(reference)
	all := wellKnown()
	for name, k := range all {
		if !slices.Contains(k.repositories, repository) {
			continue
		}
		for _, slim := range []string{"slim", "distroless"} { // slim variants of runtimes have no tools
			if strings.Contains(tag, slim) {
				k.lacks = []string{"curl", "wget", "nc"}
			}
		}
		if strings.Contains(tag, "alpine") || strings.Contains(tag, "busybox") {
			k.lacks, k.shellless = []string{"bash"}, false
		}
		return name, k
	}
	if k, ok := all[preset]; ok {
		k.lacks, k.shellless = nil, false
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
	for _, prefix := range []string{"index.docker.io/", "docker.io/", "library/"} {
		repository = strings.TrimPrefix(repository, prefix)
	}
	return repository, tag
}

// Recognise returns the name of the preset that knows an image by its repository, or nothing.
func Recognise(reference string) string {
	name, _ := lookUp(reference, "")
	return name
}
