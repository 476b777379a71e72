package needs

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hsectl/hsectl/internal/policy/images"
)

func itoa(n int) string { return strconv.Itoa(n) }

// test says which health test fits: the preset's, another one, or none that is known.
func (n *Needs) test(s Service, known images.Known) {
	if n.Preset == "" || known.Runtime || len(s.Entrypoint) > 0 || !server(s.Command, known.Program) {
		return
	}
	words := strings.Join(s.Command, " ")
	switch n.Preset {
	case "redis", "valkey":
		n.Test = keyValueTest(n.Preset, s.Command)
	case "mongo":
		n.Health = known.Major == 0 || known.Major >= 5
		if !n.Health {
			n.Test = []string{"CMD-SHELL", `mongo --quiet --host "$(hostname)" --eval 'db.adminCommand({ping:1}).ok' | grep -q 1`}
		}
	case "mariadb":
		// healthcheck.sh needs a user of its own, which data of older images does not have.
		n.Test = []string{"CMD-SHELL", "mariadb-admin ping -h 127.0.0.1 --silent || mysqladmin ping -h 127.0.0.1 --silent"}
	case "memcached":
		n.Health = !slices.ContainsFunc(s.Command, func(w string) bool {
			return strings.HasPrefix(w, "-p") || strings.HasPrefix(w, "-s") || strings.HasPrefix(w, "--port")
		})
		if n.Health && strings.Contains(known.Tag, "alpine") {
			n.Health, n.Test = false, []string{"CMD-SHELL", "printf 'version\\r\\nquit\\r\\n' | nc 127.0.0.1 11211 | grep -q VERSION"}
		}
	case "nginx", "nginx-unprivileged", "php-apache":
		n.Test = webTest(s, known)
	case "grafana":
		own := slices.ContainsFunc([]string{"GF_SERVER_HTTP_PORT", "GF_SERVER_PROTOCOL", "GF_SERVER_SERVE_FROM_SUB_PATH"}, func(v string) bool { return s.Environment[v] != "" })
		if !own && !mountsAny(s, "/etc/grafana") {
			n.Test = []string{"CMD-SHELL", "curl -fsS -o /dev/null http://127.0.0.1:3000/api/health || wget -q -O /dev/null http://127.0.0.1:3000/api/health"}
		}
	case "prometheus", "alertmanager", "blackbox-exporter", "node-exporter":
		moved := strings.Contains(words, "--web.") && !strings.Contains(words, "--web.enable-lifecycle") || strings.Contains(words, "route-prefix") || strings.Contains(words, "listen-address") || strings.Contains(words, "web.config")
		n.Health = !moved && !strings.Contains(known.Tag, "distroless") && (n.Preset != "prometheus" || known.Major < 3 || strings.Contains(known.Tag, "busybox"))
	case "postgres":
		n.Health = !strings.Contains(words, "port=") && !strings.Contains(words, "-p ") && s.Environment["PGPORT"] == "" && !strings.Contains(words, "listen_addresses")
	case "mysql":
		n.Health = !strings.Contains(words, "--port") && !strings.Contains(words, "--bind-address") && !strings.Contains(words, "skip-networking")
	case "rabbitmq", "cadvisor", "redis-exporter", "postgres-exporter", "otel-collector", "tempo", "loki":
		n.Health = n.Preset != "redis-exporter" || strings.Contains(known.Tag, "alpine")
		n.Health = n.Health && (n.Preset != "cadvisor" || !strings.Contains(words, "--port") && !strings.Contains(words, "-port") || strings.Contains(words, "port=8080"))
	case "php-fpm":
		n.Health = !mountsAny(s, "/usr/local/etc/php-fpm.d")
	case "traefik":
		n.Health = slices.ContainsFunc(s.Command, func(w string) bool { return w == "--ping" || w == "--ping=true" })
	case "keycloak":
		n.Health = s.Environment["KC_HEALTH_ENABLED"] == "true" && known.Major >= 25
	case "elasticsearch", "opensearch":
		n.Health = true
	}
}

func mountsAny(s Service, dir string) bool {
	for _, m := range s.Mounts {
		if p := path.Clean(m.Path); p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

// keyValueTest asks whether the server answers. One with a password refuses the question, and answers by that.
func keyValueTest(preset string, command []string) []string {
	for i, word := range command {
		if strings.HasSuffix(word, ".conf") || word == "--port" || word == "--tls-port" || word == "--bind" || i == 0 && strings.HasPrefix(word, "/") && strings.Contains(word, "conf") {
			return nil
		}
	}
	client := map[string]string{"redis": "redis-cli", "valkey": "valkey-cli"}[preset]
	return []string{"CMD-SHELL", client + " -h 127.0.0.1 ping | grep -qE 'PONG|NOAUTH'"}
}

// webTest wants an answer, whatever it is: what a site says at / is not known.
func webTest(s Service, known images.Known) []string {
	if strings.Contains(known.Tag, "slim") || len(s.Ports) == 0 && mountsSettings(s, known) {
		return nil
	}
	port := map[string]int{"nginx": 80, "nginx-unprivileged": 8080, "php-apache": 80}[known.Preset]
	if len(s.Ports) > 0 && !slices.Contains(s.Ports, port) {
		port = s.Ports[0]
	}
	return []string{"CMD", "curl", "-sS", "-o", "/dev/null", fmt.Sprintf("http://127.0.0.1:%d/", port)}
}

func mountsSettings(s Service, known images.Known) bool {
	return slices.ContainsFunc(known.Settings, func(dir string) bool { return mountsAny(s, dir) }) || mountsAny(s, "/etc/nginx")
}
