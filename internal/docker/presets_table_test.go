//go:build engine

package docker

import "fmt"

// granted is what an engine that may not raise its own limit of open files can still give: some presets ask for more.
const granted = "    open_files: 16384\n"

// often makes the engine ask soon whether a service is well; the tests wait for that.
const often = "    health: {interval: 5s}\n"

func stores() []presetAtWork {
	mariadb := `MYSQL_PWD="$(cat /run/secrets/root)" mariadb -h 127.0.0.1 -u root -N shop -e `
	psql := `psql -qtA -U postgres -c `
	return []presetAtWork{
		{
			preset: "postgres",
			more:   often + "    secrets: [{name: owner, env: POSTGRES_PASSWORD_FILE}]\nsecrets: {owner: {env: OWNER}}\n",
			write:  inside("", psql+`"CREATE TABLE words (word text); INSERT INTO words VALUES ('kept')"`),
			read:   inside("kept", psql+`"SELECT word FROM words"`),
		},
		{
			preset: "mariadb",
			more: often + "    environment: {MARIADB_DATABASE: shop}\n" +
				"    secrets: [{name: root, env: MARIADB_ROOT_PASSWORD_FILE}]\nsecrets: {root: {env: ROOT}}\n",
			write: inside("", mariadb+`"CREATE TABLE words (word TEXT); INSERT INTO words VALUES ('kept')"`),
			read:  inside("kept", mariadb+`"SELECT word FROM words"`),
		},
		{
			preset: "redis", more: often,
			write: talk("+OK", "6379", "SET word kept\r\n"),
			read:  talk("kept", "6379", "GET word\r\n"),
		},
		{
			preset: "valkey", more: often,
			write: talk("+OK", "6379", "SET word kept\r\n"),
			read:  talk("kept", "6379", "GET word\r\n"),
		},
		{
			preset: "memcached", more: often,
			write: all(talk("STORED", "11211", "set word 0 0 4\r\nkept\r\n"), talk("kept", "11211", "get word\r\n")),
			read:  talk("END", "11211", "get word\r\n"), // it forgets
		},
	}
}

func brokers() []presetAtWork {
	jetstream := func(subject, body string) string {
		return "CONNECT {\"verbose\":false}\r\nSUB answer 1\r\n" + fmt.Sprintf("PUB %s answer %d\r\n%s\r\n", subject, len(body), body)
	}
	return []presetAtWork{
		{
			preset: "rabbitmq", more: granted + "    health: {interval: 15s}\n", // a test starts an Erlang machine
			write: all(
				request("201", "PUT", "guest@15672", "/api/queues/%2F/words", `{"durable":true}`),
				request(`"routed":true`, "POST", "guest@15672", "/api/exchanges/%2F/amq.default/publish",
					`{"properties":{"delivery_mode":2},"routing_key":"words","payload":"kept","payload_encoding":"string"}`)),
			read: request(`"payload":"kept"`, "POST", "guest@15672", "/api/queues/%2F/words/get", `{"count":1,"ackmode":"ack_requeue_false","encoding":"auto"}`),
		},
		{
			preset: "nats", more: often,
			write: all(
				talk(`"storage":"file"`, "4222", jetstream("$JS.API.STREAM.CREATE.WORDS", `{"name":"WORDS","subjects":["words"],"storage":"file","retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"num_replicas":1}`)),
				talk(`"stream":"WORDS"`, "4222", jetstream("words", "kept"))),
			read: talk("a2VwdA==", "4222", jetstream("$JS.API.STREAM.MSG.GET.WORDS", `{"seq":1}`)), // kept, in base64
		},
	}
}

func webServers() []presetAtWork {
	site := func(preset, directory, port string) presetAtWork {
		return presetAtWork{
			preset: preset,
			more:   often + "    writable: [{path: " + directory + ", volume: site, why: pages}]\n",
			write:  all(inside("", "echo kept > "+directory+"/word.txt"), page("kept", port, "/word.txt")),
			read:   page("kept", port, "/word.txt"),
		}
	}
	return []presetAtWork{
		site("nginx", "/usr/share/nginx/html", "80"),
		site("nginx-unprivileged", "/usr/share/nginx/html", "8080"),
		site("httpd", "/usr/local/apache2/htdocs", "80"),
		{
			preset: "caddy", more: often,
			files: map[string]string{
				"Dockerfile": "FROM caddy:2.11\nCOPY Caddyfile /etc/caddy/Caddyfile\n",
				"Caddyfile":  ":80 {\n\troot * /data/site\n\tfile_server\n}\n",
			},
			write: all(inside("", "mkdir /data/site && echo kept > /data/site/word.txt"), page("kept", "80", "/word.txt")),
			read:  page("kept", "80", "/word.txt"),

			keepsFileCapability: true,
		},
		{
			preset: "haproxy", more: often + granted + "    depends_on: [web]\n  web: {preset: nginx-unprivileged, health: {interval: 5s}}\n",
			files: map[string]string{
				"Dockerfile": "FROM haproxy:3.4\nCOPY haproxy.cfg /usr/local/etc/haproxy/haproxy.cfg\n",
				"haproxy.cfg": `global
  log stdout format raw local0
  maxconn 1000
  nbthread 1
  hard-stop-after 30s
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend health
  bind :8404
  monitor-uri /healthz
frontend site
  bind :80
  default_backend pages
backend pages
  server web web:8080
`,
			},
			write: page("Welcome to nginx", "80", "/"),
			read:  page("Welcome to nginx", "80", "/"),
		},
	}
}

// phpPage keeps a word that it is given, and says the one it has.
const phpPage = `<?php
if (isset($_GET['keep'])) { file_put_contents('/data/word', $_GET['keep']); }
echo 'PHP ', PHP_MAJOR_VERSION, ' ', @file_get_contents('/data/word');
`

func runtimes() []presetAtWork {
	data := "    writable: [{path: /data, volume: data, why: the word}]\n"
	// A test that starts an interpreter takes its time while other tests run.
	health := "    health: {http: {port: 8000, path: /}, interval: 10s, timeout: 10s}\n"
	program := func(preset, command, name, text string) presetAtWork {
		return presetAtWork{
			preset: preset, more: "    command: [" + command + "]\n" + health + data,
			files: map[string]string{"Dockerfile": "FROM " + map[string]string{"python": "python:3.14-slim", "ruby": "ruby:4.0-slim", "node": "node:24-slim"}[preset] +
				"\nCOPY " + name + " /app/" + name + "\n", name: text},
			write: request("200", "POST", "8000", "/", "kept"),
			read:  page("kept", "8000", "/"),
		}
	}
	return []presetAtWork{
		program("node", "node, /app/app.js", "app.js", `const fs = require('fs'), http = require('http')
http.createServer((q, a) => {
  let body = ''
  q.on('data', part => { body += part })
  q.on('end', () => {
    if (q.method === 'POST') fs.writeFileSync('/data/word', body)
    a.end(fs.existsSync('/data/word') ? fs.readFileSync('/data/word') : '')
  })
}).listen(8000)
process.on('SIGTERM', () => process.exit(0))
`),
		program("python", "python, /app/app.py", "app.py", `import http.server, pathlib, signal, sys
word = pathlib.Path('/data/word')
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        word.write_bytes(self.rfile.read(int(self.headers['Content-Length'])))
        self.do_GET()
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(word.read_bytes() if word.exists() else b'')
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(('', 8000), Handler).serve_forever()
`),
		program("ruby", "ruby, /app/app.rb", "app.rb", `require 'socket'
trap('TERM') { exit!(0) }
server = TCPServer.new(8000)
loop do
  client = server.accept
  method, length = client.gets.split.first, 0
  while (line = client.gets.chomp) != ''
    length = line.split(':').last.to_i if line.downcase.start_with?('content-length')
  end
  File.write('/data/word', client.read(length)) if method == 'POST'
  body = File.exist?('/data/word') ? File.read('/data/word') : ''
  client.write("HTTP/1.1 200 OK\r\nContent-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n#{body}")
  client.close
end
`),
		{
			// The web server of the JDK is in the JRE as well.
			preset: "eclipse-temurin", more: "    command: [java, -m, jdk.httpserver, -b, 0.0.0.0, -p, \"8000\", -d, /data]\n" + health + data,
			write: all(inside("", "echo kept > /data/word"), page("kept", "8000", "/word")),
			read:  page("kept", "8000", "/word"),
		},
		{
			preset: "php-fpm", more: often + data,
			files: map[string]string{"Dockerfile": "FROM php:8.5-fpm\nCOPY index.php /var/www/html/\n", "index.php": phpPage},
			write: fastCGI("PHP 8 kept", "9000", "/var/www/html/index.php", "keep=kept"),
			read:  fastCGI("PHP 8 kept", "9000", "/var/www/html/index.php", ""),
		},
		{
			preset: "php-apache", more: often + data,
			files: map[string]string{"Dockerfile": "FROM php:8.5-apache\nCOPY index.php /var/www/html/\n", "index.php": phpPage},
			write: page("PHP 8 kept", "80", "/?keep=kept"),
			read:  page("PHP 8 kept", "80", "/"),
		},
		{
			// Without a health test, as the preset says.
			preset: "golang", more: "    image: IMAGE\n    command: [serve]\n",
			write: page("ok", "8080", "/"),
			read:  page("ok", "8080", "/"),
		},
	}
}

func watchers() []presetAtWork {
	both := func(c presetAtWork, s step) presetAtWork {
		c.write, c.read = s, s
		return c
	}
	return []presetAtWork{
		{
			preset: "prometheus", more: often,
			files: map[string]string{
				"Dockerfile":     "FROM prom/prometheus:v3.13.3-busybox\nCOPY prometheus.yml /etc/prometheus/prometheus.yml\n",
				"prometheus.yml": "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: prometheus\n    static_configs: [{targets: [\"localhost:9090\"]}]\n",
			},
			write: eventually(`"1"]`, "9090", "/api/v1/query?query=up"),
			// Two starts are known only to whom kept the first.
			read: eventually(`"1"]`, "9090", "/api/v1/query?query=changes(process_start_time_seconds[1h])"),
		},
		{
			preset: "alertmanager", more: often,
			write: request("silenceID", "POST", "9093", "/api/v2/silences", `{"matchers":[{"name":"alertname","value":"Test","isRegex":false}],`+
				`"startsAt":"2026-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"tests","comment":"kept"}`),
			read: page("kept", "9093", "/api/v2/silences"),
		},
		both(presetAtWork{preset: "node-exporter", noHandler: true, more: often}, page("node_memory_MemTotal_bytes", "9100", "/metrics")),
		both(presetAtWork{preset: "blackbox-exporter", more: often}, page("probe_success 1", "9115", "/probe?module=http_2xx&target=http://127.0.0.1:9115/")),
		both(presetAtWork{preset: "redis-exporter", more: often + `    environment: {REDIS_ADDR: "redis://store:6379"}
    depends_on: [store]
  store: {preset: redis, health: {interval: 5s}}
`}, page("redis_up 1", "9121", "/metrics")),
		both(presetAtWork{preset: "postgres-exporter", noHandler: true, more: often + `    environment: {DATA_SOURCE_URI: "store:5432/postgres?sslmode=disable", DATA_SOURCE_USER: postgres}
    secrets: [{name: owner, env: DATA_SOURCE_PASS_FILE}]
    depends_on: [store]
  store:
    preset: postgres
    health: {interval: 5s}
    secrets: [{name: owner, env: POSTGRES_PASSWORD_FILE}]
secrets: {owner: {env: OWNER}}
`}, page("pg_up 1", "9187", "/metrics")),
	}
}
