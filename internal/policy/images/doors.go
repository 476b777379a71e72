package images

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/policy"
)

// door is a setting by which a well-known program lets anyone in, or runs without what protects it.
type door struct {
	name  string   // of a variable
	open  []string // values that open it, in small letters; none is any value that is not one of shut
	shut  []string
	means string
}

// doors are such variables of well-known images, from the documentation of each.
func doors() []door {
	yes := []string{"1", "true", "yes", "on", "enable", "enabled"}
	no := []string{"0", "false", "no", "off", "disable", "disabled"}
	never := append([]string{""}, no...)
	return []door{
		{name: "POSTGRES_HOST_AUTH_METHOD", open: []string{"trust"}, means: "PostgreSQL takes every connection without a password"},
		{name: "POSTGRESQL_ALLOW_EMPTY_PASSWORD", shut: never, means: "PostgreSQL has no password"},
		{name: "MYSQL_ALLOW_EMPTY_PASSWORD", shut: never, means: "the root of MySQL has no password"},
		{name: "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD", shut: never, means: "the root of MariaDB has no password"},
		{name: "MARIADB_ALLOW_EMPTY_PASSWORD", shut: never, means: "the root of MariaDB has no password"},
		{name: "ALLOW_EMPTY_PASSWORD", open: yes, means: "the store has no password"},
		{name: "ALLOW_ANONYMOUS_LOGIN", open: yes, means: "ZooKeeper lets everyone in"},
		{name: "ALLOW_PLAINTEXT_LISTENER", open: yes, means: "Kafka takes connections without encryption and login"},
		{name: "xpack.security.enabled", open: no, means: "Elasticsearch needs no login"},
		{name: "XPACK_SECURITY_ENABLED", open: no, means: "Elasticsearch needs no login"},
		{name: "ELASTICSEARCH_ENABLE_SECURITY", open: no, means: "Elasticsearch needs no login"},
		{name: "plugins.security.disabled", open: yes, means: "OpenSearch needs no login"},
		{name: "DISABLE_SECURITY_PLUGIN", open: yes, means: "OpenSearch needs no login"},
		{name: "DISABLE_SECURITY_DASHBOARDS_PLUGIN", open: yes, means: "OpenSearch Dashboards needs no login"},
		{name: "TRAEFIK_API_INSECURE", open: yes, means: "the API and dashboard of Traefik are open on port 8080"},
		{name: "NEO4J_AUTH", open: []string{"none"}, means: "Neo4j needs no login"},
		{name: "NEO4J_dbms_security_auth__enabled", open: no, means: "Neo4j needs no login"},
		{name: "DOCKER_INFLUXDB_HTTP_AUTH_ENABLED", open: no, means: "InfluxDB needs no login"},
		{name: "INFLUXDB_HTTP_AUTH_ENABLED", open: no, means: "InfluxDB needs no login"},
		{name: "CLICKHOUSE_SKIP_USER_SETUP", open: yes, means: "ClickHouse lets its default user in without a password"},
		{name: "ME_CONFIG_BASICAUTH", open: no, means: "Mongo Express needs no login"},
		{name: "ME_CONFIG_BASICAUTH_ENABLED", open: no, means: "Mongo Express needs no login"},
		{name: "PMA_ARBITRARY", open: yes, means: "phpMyAdmin connects to any server that a visitor names"},
		{name: "JUPYTER_TOKEN", open: []string{""}, means: "Jupyter runs the code of everyone"},
		{name: "AIRFLOW__WEBSERVER__AUTH_BACKEND", open: []string{"airflow.api.auth.backend.default"}, means: "the API of Airflow needs no login"},
		{name: "VAULT_DEV_ROOT_TOKEN_ID", shut: []string{""}, means: "Vault runs in development mode: unsealed, in memory, with a known token"},
		{name: "ETCD_ALLOW_NONE_AUTHENTICATION", open: yes, means: "etcd lets everyone in"},
		{name: "N8N_USER_MANAGEMENT_DISABLED", open: yes, means: "n8n needs no login"},
	}
}

// option is an argument by which a program lets anyone in.
type option struct {
	pattern *regexp.Regexp
	means   string
}

var options = []option{
	{regexp.MustCompile(`(?i)^--?api\.insecure(?:=true)?$`), "the API and dashboard of Traefik are open on port 8080"},
	{regexp.MustCompile(`(?i)^-?-?E?xpack\.security\.enabled=false$`), "Elasticsearch needs no login"},
	{regexp.MustCompile(`(?i)^-?-?E?plugins\.security\.disabled=true$`), "OpenSearch needs no login"},
	{regexp.MustCompile(`^--skip-grant-tables$`), "MySQL needs no password"},
	{regexp.MustCompile(`^--noauth$`), "MongoDB needs no login"},
	{regexp.MustCompile(`(?i)^--(?:NotebookApp|ServerApp|IdentityProvider)\.token=(?:''|"")?$`), "Jupyter runs the code of everyone"},
	{regexp.MustCompile(`^--insecure-ui-no-auth$|^--auth-mode=server-insecure$|^--disable-auth$|^--no-auth$|^--without-auth$`), "the program needs no login"},
}

// doorsOf says by which settings of a service anyone is let in.
func doorsOf(variables []policy.Variable, arguments []string) []string {
	var out []string
	add := func(where, means string) { out = append(out, where+": "+means) }
	value := func(name string) string {
		i := slices.IndexFunc(variables, func(v policy.Variable) bool { return strings.EqualFold(v.Name, name) })
		if i < 0 {
			return ""
		}
		return strings.ToLower(strings.TrimSpace(variables[i].Value))
	}
	for _, v := range variables {
		given := strings.ToLower(strings.TrimSpace(v.Value))
		for _, d := range doors() {
			if d.name == v.Name && (slices.Contains(d.open, given) || d.shut != nil && !slices.Contains(d.shut, given)) {
				add(v.Name, d.means)
			}
		}
	}
	if slices.Contains([]string{"true", "1"}, value("GF_AUTH_ANONYMOUS_ENABLED")) && slices.Contains([]string{"admin", "editor"}, value("GF_AUTH_ANONYMOUS_ORG_ROLE")) {
		add("GF_AUTH_ANONYMOUS_ORG_ROLE", fmt.Sprintf("everyone is %s of Grafana without a login", value("GF_AUTH_ANONYMOUS_ORG_ROLE")))
	}
	for i, word := range arguments {
		for _, o := range options {
			if o.pattern.MatchString(word) {
				add(strings.TrimLeft(word, "-"), o.means)
			}
		}
		if word == "--protected-mode" && i+1 < len(arguments) && arguments[i+1] == "no" && !slices.Contains(arguments, "--requirepass") {
			add("protected-mode no", "Redis lets everyone in without a password")
		}
	}
	return out
}

// openDoors finds settings that switch a login off.
func openDoors(f policy.Facts, _ policy.Intent) policy.Verdict {
	if !f.Environment.Known() || !f.Arguments.Known() {
		return policy.Unknown(f.Environment, "the environment and the command")
	}
	if found := doorsOf(f.Environment.Value, f.Arguments.Value); len(found) > 0 {
		return policy.Fail(f.Environment.Tier, "%s", strings.Join(found, "; "))
	}
	return policy.Pass(f.Environment.Tier, "no known setting lets anyone in without a login")
}

// consoles are images whose web pages command what is behind them: of databases, engines, brokers and dashboards.
func consoles() []string {
	return []string{"adminer", "phpmyadmin", "phpmyadmin/phpmyadmin", "dpage/pgadmin4", "mongo-express", "rediscommander/redis-commander", "redis/redisinsight", "redislabs/redisinsight",
		"portainer/portainer-ce", "portainer/portainer", "portainer/portainer-ee", "kibana", "docker.elastic.co/kibana/kibana", "opensearchproject/opensearch-dashboards",
		"provectuslabs/kafka-ui", "kafbat/kafka-ui", "obsidiandynamics/kafdrop", "mher/flower", "jupyter/base-notebook", "jupyter/scipy-notebook", "quay.io/jupyter/base-notebook",
		"cloudbeaver", "dbeaver/cloudbeaver", "sosedoff/pgweb", "lscr.io/linuxserver/code-server", "linuxserver/code-server", "codercom/code-server", "amir20/dozzle", "louislam/dockge",
		"prom/prometheus", "prom/alertmanager", "ghcr.io/google/cadvisor", "gcr.io/cadvisor/cadvisor", "google/cadvisor", "jaegertracing/jaeger", "jaegertracing/all-in-one", "openzipkin/zipkin",
		"registry", "tecnativa/docker-socket-proxy", "jc21/nginx-proxy-manager", "apache/airflow", "minio/console", "hashicorp/consul", "consul", "mailhog/mailhog", "axllent/mailpit", "browserless/chrome"}
}

// PasswordInTest returns what in a health test looks like a password, as a name that is no secret; empty when nothing does.
func PasswordInTest(test []string) string {
	if len(test) < 2 {
		return ""
	}
	words := test[1:]
	if test[0] == "CMD-SHELL" {
		words = strings.Fields(strings.NewReplacer(";", " ", "|", " ", "&", " ").Replace(strings.Join(words, " ")))
	}
	for i, word := range words {
		literal := func(value string) bool {
			value = strings.Trim(value, `'"`)
			return value != "" && !strings.ContainsAny(value, "$`") && !strings.HasPrefix(value, "-") && !strings.HasPrefix(value, "/run/secrets/")
		}
		program := func(names ...string) bool {
			return slices.ContainsFunc(words[:i], func(w string) bool { return slices.Contains(names, path.Base(strings.Trim(w, `'"`))) })
		}
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch name, value, has := strings.Cut(word, "="); {
		case has && literal(value) && policy.LooksSecret(policy.Variable{Name: name, Value: strings.Trim(value, `'"`)}):
			return strings.TrimLeft(name, "-")
		case (word == "-a" || word == "--pass") && program("redis-cli", "valkey-cli") && literal(next):
			return word
		case len(word) > 2 && strings.HasPrefix(word, "-p") && !strings.HasPrefix(word, "--") && program("mysqladmin", "mysql", "mariadb", "mariadb-admin", "mysqlshow") && literal(word[2:]):
			return "-p"
		case (word == "-p" || word == "--password") && program("mongosh", "mongo", "mysqladmin", "mysql", "mariadb", "mariadb-admin") && literal(next):
			return word
		case (word == "-u" || word == "--user") && program("curl") && strings.Contains(next, ":") && literal(next[strings.Index(next, ":")+1:]):
			return word
		case strings.Contains(word, "://") && policy.LooksSecret(policy.Variable{Name: "URL", Value: strings.Trim(word, `'"`)}) && !strings.Contains(word, "$"):
			return "a URL"
		}
	}
	return ""
}

// rebuilt says why nothing is known of an image that is named after a well-known one and made by others, or nothing.
func rebuilt(f policy.Facts, in policy.Intent) string {
	repository, _ := splitReference(f.Image.Value.Reference)
	if name, _ := lookUp(f.Image.Value.Reference, in.Preset); name != "" {
		return ""
	}
	if program := namesake(repository); program != "" {
		return repository + " is not the image of " + program + " that is known: its user, paths and variables differ"
	}
	return ""
}
