package doctor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/stack"
)

// hardened is a service as an import hardens it by guess: a read-only root, a user that is not root, no capability.
func hardened() stack.Stack {
	return stack.Stack{Name: "shop", Networks: []stack.Network{{Name: "inner", Internal: true}, {Name: "back", Internal: true}}, Services: []stack.Service{
		{Name: "app", Image: "app:1", User: stack.User{UID: 1000, GID: 1000}, Networks: []string{"inner"}, OpenFiles: 1024, Command: []string{"node", "/app/server.js"},
			Limits: stack.Resources{Memory: stack.Size{Bytes: 512 << 20}, PIDs: 100}, Shutdown: stack.Shutdown{Signal: "SIGTERM"},
			Writable: []stack.Writable{{Path: "/data", Volume: "data", Owner: stack.User{UID: 1000, GID: 1000}}}},
		{Name: "db", Networks: []string{"inner"}}, {Name: "queue", Networks: []string{"back"}}}}
}

// writable is what is added for a directory that loses nothing when it is empty at each start.
func writable(dir string) string { return "{path: " + dir + ", tmpfs: 16M}" }

// How programs end in hardened containers, by what they print: the cause, and the entry that is added to the profile, if any is
// certain. Everything else is left to a person, or unknown.
func TestEndings(t *testing.T) {
	for _, c := range []struct {
		program string
		lines   string
		cause   string
		patch   string // value or item
	}{
		{"nginx, cache", `2026/11/30 10:00:00 [emerg] 1#1: mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)
nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)`, "it writes to /var/cache/nginx/client_temp", writable("/var/cache/nginx/client_temp")},
		{"nginx, pid", `nginx: [emerg] open() "/run/nginx.pid" failed (30: Read-only file system)`, "it writes to /run/nginx.pid", writable("/run")},
		{"nginx, pid at the old path", `nginx: [emerg] open() "/var/run/nginx.pid" failed (30: Read-only file system)`, "it writes to /var/run/nginx.pid", writable("/run")},
		{"nginx, a harmless line and a name", `/docker-entrypoint.sh: Launching /docker-entrypoint.d/10-listen-on-ipv6-by-default.sh
10-listen-on-ipv6-by-default.sh: info: can not modify /etc/nginx/conf.d/default.conf (read-only file system?)
/docker-entrypoint.sh: Configuration complete; ready for start up
2026/11/30 10:00:00 [emerg] 1#1: host not found in upstream "backend-that-is-elsewhere" in /etc/nginx/conf.d/default.conf:3
nginx: [emerg] host not found in upstream "backend-that-is-elsewhere" in /etc/nginx/conf.d/default.conf:3`, "a name cannot be found: backend-that-is-elsewhere", ""},
		{"nginx, upstream of the stack", `nginx: [emerg] host not found in upstream "queue" in /etc/nginx/conf.d/default.conf:3`, "it shares no network with queue", "back"},
		{"nginx, syntax", `nginx: [emerg] unknown directive "proxy_passs" in /etc/nginx/conf.d/default.conf:4`, "its configuration is refused", ""},
		{"nginx, certificate", `nginx: [emerg] cannot load certificate "/etc/nginx/tls/site.crt": BIO_new_file() failed (SSL: error:80000002:system library::No such file or directory:calling fopen(/etc/nginx/tls/site.crt, r))`, "it looks for /etc/nginx/tls/site.crt", ""},
		{"nginx, templates", `20-envsubst-on-templates.sh: ERROR: /etc/nginx/templates exists, but /etc/nginx/conf.d is not writable`, "its user may not use /etc/nginx/conf.d", ""},
		{"nginx as root", `2026/11/30 10:00:00 [emerg] 1#1: chown("/var/cache/nginx/client_temp", 101) failed (1: Operation not permitted)`, "CHOWN", ""},
		{"nginx, workers", `2026/11/30 10:00:00 [emerg] 29#29: setgid(101) failed (1: Operation not permitted)
2026/11/30 10:00:00 [alert] 1#1: worker process 29 exited with fatal code 2 and cannot be respawned`, "SETGID", ""},
		{"nginx, port", `nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)`, "port below 1024", ""},
		{"nginx, IPv6", `nginx: [emerg] socket() [::]:80 failed (97: Address family not supported by protocol)`, "it listens on IPv6", ""},
		{"httpd, pid", `[Mon Nov 30 10:00:00.000000 2026] [core:error] [pid 1:tid 1] (30)Read-only file system: AH00099: could not create /usr/local/apache2/logs/httpd.pid.Vmq1xZ`, "it writes to /usr/local/apache2/logs/httpd.pid", writable("/usr/local/apache2/logs")},
		{"httpd, port", `(13)Permission denied: AH00072: make_sock: could not bind to address [::]:80
no listening sockets available, shutting down
AH00015: Unable to open logs`, "port below 1024", ""},
		{"httpd, syntax", `AH00526: Syntax error on line 12 of /usr/local/apache2/conf/httpd.conf:
Invalid command 'RewriteEngin', perhaps misspelled`, "its configuration is refused", ""},
		{"httpd, name only", `AH00558: httpd: Could not reliably determine the server's fully qualified domain name, using 172.18.0.2. Set the 'ServerName' directive globally to suppress this message
(30)Read-only file system: AH00023: Couldn't create the mpm-accept mutex (file /var/run/apache2/mpm-accept.1)`, "it writes to /var/run/apache2/mpm-accept.1", writable("/run/apache2")},
		{"PHP-FPM, group", `[30-Nov-2026 10:00:00] ERROR: [pool www] failed to setgid(82): Operation not permitted (1)
[30-Nov-2026 10:00:00] ERROR: FPM initialization failed`, "SETGID", ""},
		{"PHP-FPM, log", `[30-Nov-2026 10:00:00] ERROR: failed to open error_log (/proc/self/fd/2): Permission denied (13)`, "/proc/self/fd/2", ""},
		{"PHP, Laravel", `PHP Fatal error:  Uncaught UnexpectedValueException: The stream or file "/var/www/html/storage/logs/laravel.log" could not be opened in append mode: Failed to open stream: Read-only file system`, "/var/www/html/storage/logs/laravel.log", writable("/var/www/html/storage/logs")},
		{"PHP, memory", `PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 4096 bytes) in /var/www/html/index.php on line 7`, "heap is full", "1024M"},
		{"Node.js, object", `node:fs:1391
  binding.mkdir(

Error
    at Object.mkdirSync (node:fs:1391:3)
    at /app/node_modules/next/dist/server.js:12:3 {
  errno: -30,
  code: 'EROFS',
  syscall: 'mkdir',
  path: '/app/.next/cache'
}

Node.js v24.1.0`, "it writes to /app/.next/cache", writable("/app/.next/cache")},
		{"Node.js, next to the program", `Error: EROFS: read-only file system, open '/app/uploads/x.png'`, "it writes to /app/uploads/x.png", ""},
		{"Node.js, hides the program", `Error: EROFS: read-only file system, open '/app/state.json'`, "it writes to /app/state.json", ""},
		{"Node.js, directory not made", `Error: ENOENT: no such file or directory, mkdir '/var/cache/app/a/b'`, "it cannot make /var/cache/app/a/b: the root is read-only", writable("/var/cache/app/a/b")},
		{"Node.js, module", `Error: Cannot find module '/app/dist/main.js'
    at Function._resolveFilename (node:internal/modules/cjs/loader:1225:15) {
  code: 'MODULE_NOT_FOUND',
  requireStack: []
}`, "not recognised", ""},
		{"Node.js, port", `Error: listen EACCES: permission denied 0.0.0.0:80`, "port below 1024", ""},
		{"Node.js, port twice", `Error: listen EADDRINUSE: address already in use :::3000`, "a port is taken within the container", ""},
		{"Node.js, heap", `<--- Last few GCs --->
FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed - JavaScript heap out of memory`, "heap is full", "1024M"},
		{"npm", `npm error code EROFS
npm error syscall mkdir
npm error path /home/node/.npm/_cacache
npm error errno EROFS
npm error rofs EROFS: read-only file system, mkdir '/home/node/.npm/_cacache'
npm error Log files were not written due to an error writing to the directory: /home/node/.npm/_logs`, "it writes to /home/node/.npm/_cacache", ""},
		{"Python, long traceback", `Traceback (most recent call last):
  File "/usr/local/lib/python3.13/pathlib.py", line 1311, in mkdir
    os.mkdir(self, mode)
FileNotFoundError: [Errno 2] No such file or directory: '/home/app/.cache/model'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    cache.mkdir(parents=True)
  File "/usr/local/lib/python3.13/pathlib.py", line 1315, in mkdir
    self.parent.mkdir(parents=True, exist_ok=True)
OSError: [Errno 30] Read-only file system: '/home/app/.cache'`, "it writes to /home/app/.cache", writable("/home/app/.cache")},
		{"Python, no temporary directory", `FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/usr/tmp', '/srv']`, "it writes to /tmp, which is not declared", writable("/tmp")},
		{"Python, variable", `  File "/usr/local/lib/python3.13/os.py", line 715, in __getitem__
    raise KeyError(key) from None
KeyError: 'SECRET_KEY'`, "the variable SECRET_KEY is missing", ""},
		{"Python, user", `KeyError: 'getpwuid(): uid not found: 1000'`, "its user is not in the image's /etc/passwd", ""},
		{"Python, memory", `MemoryError`, "heap is full", "1024M"},
		{"gunicorn", `[2026-11-30 10:00:00 +0000] [1] [ERROR] Worker failed to boot
OSError: [Errno 30] Read-only file system: '/tmp/wgunicorn-x1'`, "/tmp/wgunicorn-x1", writable("/tmp")},
		{"Django, database", `django.db.utils.OperationalError: could not translate host name "db" to address: Name or service not known`, "db is not up yet", "db"},
		{"Ruby, pid", `Errno::EROFS: Read-only file system @ rb_sysopen - /srv/shop/tmp/pids/server.pid`, "/srv/shop/tmp/pids/server.pid", writable("/srv/shop/tmp/pids")},
		{"Ruby, left over", `A server is already running. Check /srv/shop/tmp/pids/server.pid.`, "lock file of an earlier start", ""},
		{"Java, heap", `Exception in thread "main" java.lang.OutOfMemoryError: Java heap space`, "heap is full", "1024M"},
		{"Java, threads", `java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached`, "too many processes or threads", "200"},
		{"Java, library", `java.lang.UnsatisfiedLinkError: /tmp/libnetty_transport_native_epoll_x86_64.so: /tmp/libnetty_transport_native_epoll_x86_64.so: failed to map segment from shared object`, "runs no programs", ""},
		{"Java, trust", `javax.net.ssl.SSLHandshakeException: PKIX path building failed: unable to find valid certification path to requested target`, "does not trust", ""},
		{"Tomcat", `30-Nov-2026 10:00:00.000 SEVERE [main] org.apache.catalina.startup.Catalina.start java.nio.file.FileSystemException: /usr/local/tomcat/work/Catalina: Read-only file system`, "/usr/local/tomcat/work/Catalina", ""},
		{"Tomcat, work", `java.nio.file.FileSystemException: /usr/local/tomcat/logs/catalina.2026-11-30.log: Read-only file system`, "/usr/local/tomcat/logs/catalina.2026-11-30.log", writable("/usr/local/tomcat/logs")},
		{".NET", `Failed to create CoreCLR, HRESULT: 0x80004005`, "it writes to /tmp", writable("/tmp")},
		{".NET, data", `Unhandled exception. System.IO.IOException: Read-only file system : '/app/keys'`, "it writes to /app/keys", ""},
		{"Go, own directory", `2026/11/30 10:00:00 open /var/log/app/app.log: read-only file system`, "/var/log/app/app.log", writable("/var/log/app")},
		{"Go, memory", `fatal error: runtime: out of memory`, "heap is full", "1024M"},
		{"Go, route", `Get "https://api.example.org/": dial tcp 203.0.113.7:443: connect: network is unreachable`, "where none of its networks leads", ""},
		{"PostgreSQL, lock file", `2026-11-30 10:00:00.000 UTC [1] FATAL:  could not create lock file "/var/run/postgresql/.s.PGSQL.5432.lock": Read-only file system`, "/var/run/postgresql/.s.PGSQL.5432.lock", writable("/run/postgresql")},
		{"PostgreSQL, first start", `Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".`, "the password for its first start is missing", ""},
		{"PostgreSQL 18, old path", `Error: in 18+, these Docker images are configured to store database data in a
       format which is compatible with "pg_ctlcluster" (specifically, using
       major-version-specific directory names).

       Counter to that, there appears to be PostgreSQL data in:
         /var/lib/postgresql/data (unused mount/volume)`, "PostgreSQL 18 keeps its data elsewhere", ""},
		{"PostgreSQL, old data", `2026-11-30 10:00:00.000 UTC [1] FATAL:  database files are incompatible with server
2026-11-30 10:00:00.000 UTC [1] DETAIL:  The data directory was initialized by PostgreSQL version 16, which is not compatible with this version 17.5.`, "its data is of another version", ""},
		{"PostgreSQL, root", `chmod: changing permissions of '/var/lib/postgresql/data': Operation not permitted
find: ‘/var/lib/postgresql/data’: Permission denied`, "CHOWN", ""},
		{"PostgreSQL, mode", `FATAL:  data directory "/data" has invalid permissions
DETAIL:  Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).`, "the files in volume data are not those of 1000:1000", ""},
		{"PostgreSQL, user", `initdb: error: could not look up effective user ID 1000: user does not exist`, "its user is not in the image's /etc/passwd", ""},
		{"PostgreSQL, shared memory", `ERROR:  could not resize shared memory segment "/PostgreSQL.2016" to 67145056 bytes: No space left on device`, "shared memory is too small", "128M"},
		{"PostgreSQL, twice", `FATAL:  lock file "postmaster.pid" already exists
HINT:  Is another postmaster (PID 1) running in data directory "/data"?`, "its data is in use", ""},
		{"PostgreSQL, client", `FATAL:  password authentication failed for user "shop"`, "refuses its password", ""},
		{"PostgreSQL, no database", `FATAL:  database "shop" does not exist`, "does not exist", ""},
		{"MySQL, pid", `mysqld: Can't create/write to file '/var/run/mysqld/mysqld.pid' (OS errno 30 - Read-only file system)`, "/var/run/mysqld/mysqld.pid", writable("/run/mysqld")},
		{"MySQL, data", `mysqld: Can't create/write to file '/data/is_writable' (OS errno 13 - Permission denied)
2026-11-30T10:00:00.000000Z 0 [ERROR] [MY-010457] [Server] --initialize specified but the data directory has files in it. Aborting.`, "the files in volume data are not those of 1000:1000", ""},
		{"MySQL, first start", `2026-11-30 10:00:00+00:00 [ERROR] [Entrypoint]: Database is uninitialized and password option is not specified
    You need to specify one of the following as an environment variable:
    - MYSQL_ROOT_PASSWORD`, "the password for its first start is missing", ""},
		{"MySQL, in use", `2026-11-30T10:00:00.000000Z 1 [ERROR] [MY-012574] [InnoDB] Unable to lock ./ibdata1 error: 11`, "its data is in use", ""},
		{"MySQL, downgrade", `2026-11-30T10:00:00.000000Z 1 [ERROR] [MY-013171] [InnoDB] Cannot boot server version 80036 on data directory built by version 80400. Downgrade is not supported
2026-11-30T10:00:00.000000Z 0 [ERROR] [MY-010334] [Server] Failed to initialize DD Storage Engine
2026-11-30T10:00:00.000000Z 0 [ERROR] [MY-010020] [Server] Data Dictionary initialization failed.`, "its data is of another version", ""},
		{"MySQL, option", `2026-11-30T10:00:00.000000Z 0 [ERROR] [MY-000067] [Server] unknown variable 'query_cache_size=16M'.`, "its configuration is refused", ""},
		{"MariaDB, root", `2026-11-30 10:00:00+00:00 [Note] [Entrypoint]: Switching to dedicated user 'mysql'
error: failed switching to "mysql": operation not permitted`, "changes users", ""},
		{"MariaDB, temporary files", `2026-11-30 10:00:00 0 [ERROR] mariadbd: Can't create/write to file '/tmp/ibXXXXXX' (Errcode: 30 "Read-only file system")`, "/tmp/ibXXXXXX", writable("/tmp")},
		{"Redis, dump", `1:M 30 Nov 2026 10:00:00.000 # Failed opening the temp RDB file temp-1.rdb (in server root dir /srv/redis) for saving: Read-only file system`, "/srv/redis", ""},
		{"Redis, append-only file", `1:M 30 Nov 2026 10:00:00.000 # Can't open or create append-only dir appendonlydir: Permission denied`, "its user may not use a path", ""},
		{"Redis, other version", `1:M 30 Nov 2026 10:00:00.000 # WARNING Memory overcommit must be enabled! Without it, a background save or replication may fail under low memory condition.
1:M 30 Nov 2026 10:00:00.000 # Can't handle RDB format version 12
1:M 30 Nov 2026 10:00:00.000 # Fatal error loading the DB, check server logs. Exiting.`, "its data is of another version", ""},
		{"Redis, configuration", `*** FATAL CONFIG FILE ERROR (Redis 8.0.0) ***
Reading the configuration file, at line 2
>>> 'maxmemmory 100mb'
Bad directive or wrong number of arguments`, "its configuration is refused", ""},
		{"Redis, client", `redis.exceptions.AuthenticationError: NOAUTH Authentication required.`, "refuses its password", ""},
		{"RabbitMQ, variable", `error: RABBITMQ_DEFAULT_PASS_FILE is set but deprecated`, "the image refuses a variable", ""},
		{"RabbitMQ, cookie", `2026-11-30 10:00:00.000000+00:00 [error] <0.9.0> Failed to create cookie file '/srv/rabbitmq/.erlang.cookie': erofs`, "/srv/rabbitmq/.erlang.cookie", ""},
		{"RabbitMQ, mode", `[error] Cookie file /data/.erlang.cookie must be accessible by owner only`, "the files in volume data", ""},
		{"RabbitMQ, threads", `Failed to create dirty io scheduler thread 7, error = 11`, "too many processes or threads", "200"},
		{"RabbitMQ, client", `amqp.connection: PLAIN login refused: user 'shop' - invalid credentials`, "refuses its password", ""},
		{"MongoDB, processor", `WARNING: MongoDB 5.0+ requires a CPU with AVX support, and your current system does not appear to have that!`, "instructions that this processor does not have", ""},
		{"MongoDB, data", `{"t":{"$date":"2026-11-30T10:00:00.000+00:00"},"s":"E","c":"CONTROL","id":20557,"ctx":"initandlisten","msg":"DBException in initAndListen, terminating","attr":{"error":"Location28596: Unable to determine status of lock file in the data directory /data: boost::filesystem::status: Permission denied [system:13]: \"/data/mongod.lock\""}}`, "the files in volume data", ""},
		{"MongoDB, in use", `{"s":"E","c":"CONTROL","msg":"DBException in initAndListen, terminating","attr":{"error":"DBPathInUse: Unable to lock the lock file: /data/mongod.lock (Resource temporarily unavailable). Another mongod instance is already running on the /data directory"}}`, "its data is in use", ""},
		{"MongoDB, old data", `{"s":"F","c":"CONTROL","id":20573,"msg":"Wrong mongod version","attr":{"error":"UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion document"}}`, "its data is of another version", ""},
		{"Elasticsearch, host", `bootstrap check failure [1] of [1]: max virtual memory areas vm.max_map_count [65530] is too low, increase to at least [262144]`, "vm.max_map_count", ""},
		{"Elasticsearch, lock", `java.lang.IllegalStateException: failed to obtain node locks, tried [/data]; maybe these locations are not writable or multiple nodes were started on the same data path?`, "its data is in use", ""},
		{"Elasticsearch, key store", `Exception in thread "main" java.nio.file.FileSystemException: /usr/share/elasticsearch/config/elasticsearch.keystore.tmp: Read-only file system`, "/usr/share/elasticsearch/config/elasticsearch.keystore.tmp", ""},
		{"Elasticsearch, log", `java.io.FileNotFoundException: /usr/share/elasticsearch/logs/gc.log (Read-only file system)`, "/usr/share/elasticsearch/logs/gc.log", writable("/usr/share/elasticsearch/logs")},
		{"OpenSearch, heap", `OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x0000, 1073741824, 0) failed; error='Not enough space' (errno=12)
# There is insufficient memory for the Java Runtime Environment to continue.`, "heap is full", "1024M"},
		{"MinIO", `ERROR Unable to initialize backend: unable to create (/data/.minio.sys/tmp) file access denied, drive may be faulty please investigate`, "the files in volume data", ""},
		{"Traefik, mode", `2026-11-30T10:00:00Z ERR The ACME resolve is skipped from the resolvers list error="unable to get ACME account: permissions 755 for /data/acme.json are too open, please use 600"`, "the files in volume data", ""},
		{"Traefik, socket", `2026-11-30T10:00:00Z ERR Failed to retrieve information of the docker client and server host error="permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"`, "the engine, whose socket it does not have", ""},
		{"Traefik, option", `command traefik error: failed to decode configuration from flags: field not found, node: entrypoint`, "its configuration is refused", ""},
		{"Caddy, capability", `exec /usr/bin/caddy: operation not permitted`, "file capability", ""},
		{"Caddy, configuration", `Error: adapting config using caddyfile: /etc/caddy/Caddyfile:3: unrecognized directive: reverse_prox`, "its configuration is refused", ""},
		{"Caddy, data", `{"level":"error","ts":1764496800,"logger":"tls","msg":"unable to clean storage","error":"mkdir /srv/caddy/locks: read-only file system"}`, "/srv/caddy/locks", ""},
		{"HAProxy", `[ALERT]    (1) : config : parsing [/usr/local/etc/haproxy/haproxy.cfg:12] : unknown keyword 'balanse' in 'backend' section`, "its configuration is refused", ""},
		{"Grafana", `GF_PATHS_DATA='/var/lib/grafana' is not writable.
You may have issues with file permissions, more information here: http://docs.grafana.org/installation/docker/
mkdir: can't create directory '/var/lib/grafana/plugins': Read-only file system`, "it writes to /var/lib/grafana/plugins", ""},
		{"Prometheus", `ts=2026-11-30T10:00:00.000Z caller=query_logger.go:114 level=error component=activeQueryTracker msg="Error opening query log file" file=/data/queries.active err="open /data/queries.active: permission denied"
panic: Unable to create mmap-ed active query log`, "the files in volume data", ""},
		{"Prometheus, configuration", `ts=2026-11-30T10:00:00.000Z level=error msg="Error loading config (--config.file=/etc/prometheus/prometheus.yml)" err="parsing YAML file /etc/prometheus/prometheus.yml: yaml: line 3: did not find expected key"`, "its configuration is refused", ""},
		{"Loki, relative path", `level=error ts=2026-11-30T10:00:00Z caller=log.go:216 msg="error running loki" err="mkdir wal: read-only file system"`, "it writes to a path that is not declared", ""},
		{"Keycloak, build", `java.nio.file.ReadOnlyFileSystemException
ERROR: Unexpected error when starting the server in (production) mode
ERROR: Failed to write /opt/keycloak/lib/quarkus/generated-bytecode.jar: Read-only file system`, "/opt/keycloak/lib/quarkus/generated-bytecode.jar", ""},
		{"Keycloak, not built", `The '--optimized' flag was used for first ever server start. Please don't use this flag for the first startup`, "not set up before its first start", ""},
		{"Kafka", `org.apache.kafka.common.KafkaException: Failed to acquire lock on file .lock in /data. A Kafka instance in another process or thread is using this directory.
java.nio.file.AccessDeniedException: /data/meta.properties`, "the files in volume data", ""},
		{"Vault", `Error initializing core: Failed to lock memory: cannot allocate memory`, "IPC_LOCK", ""},
		{"Gitea", `mkdir: can't create directory '/srv/git/.ssh': Read-only file system`, "/srv/git/.ssh", ""},
		{"linuxserver, init", `s6-svscan: fatal: unable to mkdir .s6-svscan: Read-only file system`, "s6-overlay", ""},
		{"linuxserver, accounts", `usermod: cannot lock /etc/passwd; try again later.`, "changes users or accounts", ""},
		{"Nextcloud", `rsync: [receiver] mkstemp "/var/www/html/.htaccess.x1" failed: Read-only file system (30)`, "/var/www/html/.htaccess.x1", ""},
		{"Nextcloud, version", `Can't start this version of Nextcloud because the version of the data (31.0.0.1) is higher than the docker image version (30.0.1.2) and downgrading is not supported.`, "its data is of another version", ""},
		{"WordPress", `Warning: mysqli::__construct(): php_network_getaddresses: getaddrinfo for mysql failed: Name or service not known
Error establishing a database connection`, "", ""},
		{"Celery", `[2026-11-30 10:00:00,000: ERROR/MainProcess] consumer: Cannot connect to amqp://shop:**@queue:5672//: [Errno -2] Name or service not known.`, "it shares no network with queue", "back"},
		{"Erlang", `** (DBConnection.ConnectionError) tcp connect (db:5432): non-existing domain - :nxdomain`, "db is not up yet", "db"},
		{"apk", `ERROR: Unable to lock database: Read-only file system
ERROR: Failed to open apk database: Read-only file system`, "it installs packages when it starts", ""},
		{"pip", `ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: '/usr/local/lib/python3.13/site-packages/x'`, "it installs packages when it starts", ""},
		{"entry point, script", `/docker-entrypoint.sh: line 12: /etc/app/app.conf: Read-only file system`, "it writes to /etc/app/app.conf", ""},
		{"entry point, sed", `sed: couldn't open temporary file /etc/app/sedXy12: Read-only file system`, "/etc/app/sedXy12", ""},
		{"entry point, gosu", `error: failed switching to "app": operation not permitted`, "changes users", ""},
		{"entry point, su-exec", `su-exec: setgroups: Operation not permitted`, "SETGID", ""},
		{"entry point, sudo", `sudo: The "no new privileges" flag is set, which prevents sudo from running as root.`, "changes users", ""},
		{"entry point, not there", `exec /docker-entrypoint.sh: no such file or directory`, "not in the image: /docker-entrypoint.sh", ""},
		{"shell, program", `sh: 1: concurrently: not found`, "not in the image: concurrently", ""},
		{"inotify", `Error: ENOSPC: System limit for number of file watchers reached, watch '/app'`, "too few file watches", ""},
		{"connections", `FATAL: sorry, too many clients already`, "no free connection", ""},
		{"crash", `Segmentation fault (core dumped)`, "not recognised", ""},
		{"nothing special", `INFO: starting
INFO: stopping`, "not recognised", ""},
		{"a remark only", `time="2026-11-30T10:00:00Z" level=info msg="cache disabled: open /var/cache/app/x: read-only file system"
time="2026-11-30T10:00:01Z" level=fatal msg="license expired"`, "not recognised", ""},
		{"a warning only", `WARN  could not write /etc/app/state.json: Read-only file system, going on
ERROR bad license`, "not recognised", ""},
	} {
		t.Run(c.program, func(t *testing.T) {
			symptom := Symptom{Service: "app", State: "exited", ExitCode: 1, Logs: strings.Split(c.lines, "\n")}
			got := Diagnose(hardened(), []Symptom{symptom})
			if len(got) == 0 || !strings.Contains(got[0].Cause, c.cause) {
				t.Fatalf("%+v, want %q", got, c.cause)
			}
			if p := got[0].Patch; p.Value+p.Item != c.patch {
				t.Errorf("%s: patch %+v, want %q; %s", got[0].Cause, p, c.patch, got[0].Advice)
			}
			for _, d := range got {
				if !d.Patch.Certain() && d.Advice == "" {
					t.Errorf("neither patch nor advice: %+v", d)
				}
				if d.Patch.Certain() && !d.Recognised() {
					t.Errorf("a guess changes the profile: %+v", d)
				}
			}
			if last := got[0]; strings.Contains(last.Cause, "recognised") && c.cause != "" && !strings.Contains(c.lines, last.Evidence) && last.Evidence != "exited" {
				t.Errorf("evidence %q", last.Evidence)
			}
			noisy := Symptom{Service: "app", State: "exited", ExitCode: 1, Logs: surrounded(symptom.Logs, 200)}
			if again := Diagnose(hardened(), []Symptom{noisy}); again[0].Recognised() && again[0].Cause != got[0].Cause {
				t.Errorf("in a long log it is %q, alone %q", again[0].Cause, got[0].Cause)
			}
		})
	}
}

// surrounded is a log in which much comes before and after what matters.
func surrounded(lines []string, by int) []string {
	var out []string
	for i := range by {
		out = append(out, fmt.Sprintf("10.0.0.%d - - \"GET /%d HTTP/1.1\" 200 12", i%250, i))
	}
	out = append(out, lines...)
	for i := range by {
		out = append(out, fmt.Sprintf("    at frame%d (/app/lib/file.js:%d:1)", i, i))
	}
	return out
}

// What earlier starts died of counts only where the last one says nothing.
func TestTheLastStartCounts(t *testing.T) {
	lines := []string{"getaddrinfo ENOTFOUND queue", "exit", "EROFS: read-only file system, open '/var/cache/app/x'", "exit"}
	s := Symptom{Service: "app", State: "exited", ExitCode: 1, Restarts: 1, Logs: lines, Earlier: 2}
	if got := Diagnose(hardened(), []Symptom{s}); len(got) != 1 || !strings.Contains(got[0].Cause, "/var/cache/app/x") {
		t.Errorf("%+v", got)
	}
	s.Logs[2] = "starting"
	if got := Diagnose(hardened(), []Symptom{s}); len(got) != 1 || !strings.Contains(got[0].Cause, "queue") {
		t.Errorf("%+v", got)
	}
}

// What the image has at a path decides: a tmpfs hides nothing where nothing is, and is never put over files.
func TestPlaces(t *testing.T) {
	line := "mkdir /state: read-only file system"
	for place, certain := range map[Place]bool{Unseen: false, Absent: true, Empty: true, Full: false} {
		s := Symptom{Service: "app", State: "exited", ExitCode: 1, Logs: []string{line}, Places: Places{"/state": place}}
		if got := Diagnose(hardened(), []Symptom{s}); got[0].Patch.Certain() != certain {
			t.Errorf("place %d: %+v", place, got[0])
		}
	}
	lost := Symptom{Service: "app", State: "exited", ExitCode: 1, Logs: []string{"FileNotFoundError: [Errno 2] No such file or directory: '/var/cache/app/db.idx'"}}
	if got := Diagnose(hardened(), []Symptom{lost}); !strings.Contains(got[0].Cause, "which is not there") || got[0].Patch.Certain() {
		t.Errorf("%+v", got)
	}
	if paths := Mentioned(lost.Logs); len(paths) != 1 || paths[0] != "/var/cache/app" {
		t.Errorf("%v", paths)
	}
	lost.Places = Places{"/var/cache/app": Absent}
	if got := Diagnose(hardened(), []Symptom{lost}); !strings.Contains(got[0].Cause, "it cannot make /var/cache/app: the root is read-only") || got[0].Patch.Item != writable("/var/cache/app") {
		t.Errorf("%+v", got)
	}
}

// A change that a note of the preset warns of is never made: the note is the advice.
func TestNotes(t *testing.T) {
	for _, c := range []struct{ line, note string }{
		{"sed: couldn't open temporary file /etc/nginx/conf.d/sedX: Read-only file system", "templates are rendered to /etc/nginx/conf.d: a tmpfs there hides the image's own files, and without one the server starts with its default configuration."},
		{"open /var/log/apache2/other.log: read-only file system", "do not add a tmpfs at /var/log/apache2: it would hide the links to the console."},
		{"accept: too many open files", "an engine that cannot raise its own limit of open files (rootless, or in a container) refuses to start it: set open_files to a value that the engine allows."},
	} {
		s := Symptom{Service: "app", State: "exited", ExitCode: 1, Logs: []string{c.line}, Notes: []string{"something else.", c.note}, Places: Places{"/etc/nginx/conf.d": Empty, "/var/log/apache2": Empty}}
		if got := Diagnose(hardened(), []Symptom{s}); got[0].Patch.Certain() || got[0].Advice != "the preset says: "+c.note {
			t.Errorf("%+v", got[0])
		}
	}
}

// Programs within a service that died are named while the service goes on; recycled workers are not.
func TestChildren(t *testing.T) {
	for line, dead := range map[string]bool{
		"2026/11/30 10:00:00 [alert] 1#1: worker process 29 exited on signal 11 (core dumped)":                                  true,
		"[30-Nov-2026 10:00:00] WARNING: [pool www] child 12 exited on signal 9 (SIGKILL) after 3.01 seconds from start":        true,
		"[30-Nov-2026 10:00:00] NOTICE: [pool www] child 12 exited with code 0 after 300.01 seconds from start":                 false,
		"[core:notice] [pid 1:tid 1] AH00051: child pid 27 exit signal Segmentation fault (11), possible coredump in /tmp":      true,
		"[2026-11-30 10:00:00 +0000] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?":                       true,
		"[2026-11-30 10:00:00 +0000] [7] [INFO] Worker exiting (pid: 7)":                                                        false,
		"2026-11-30 10:00:00,000 INFO exited: worker (exit status 1; not expected)":                                             true,
		"2026-11-30 10:00:00,000 INFO exited: setup (exit status 0; expected)":                                                  false,
		"2026-11-30 10:00:00,000 INFO gave up: worker entered FATAL state, too many start retries too quickly":                  true,
		"2026-11-30 10:00:00 UTC [1] LOG:  server process (PID 77) was terminated by signal 9: Killed":                          true,
		"2026-11-30 10:00:00 UTC [1] LOG:  background worker \"logical replication launcher\" (PID 31) exited with exit code 1": true,
		"billiard.exceptions.WorkerLostError: Worker exited prematurely: signal 9 (SIGKILL) Job: 3.":                            true,
		"INFO:     Child process [12] died":                                       true,
		"PM2      | App [api:0] exited with code [1] via signal [SIGINT]":         true,
		"PM2      | App [api:0] exited with code [0] via signal [SIGINT]":         false,
		"[worker] node worker.js exited with code 1":                              true,
		"DAMN ! worker 1 (pid: 8) died, killed by signal 9 :( trying respawn ...": true,
		"GET /process/12 exited normally":                                         false,
	} {
		for _, state := range []string{"healthy", "running"} {
			got := Diagnose(hardened(), []Symptom{{Service: "app", State: state, Logs: []string{"started", line, "GET / 200"}}})
			if dead != (len(got) == 1) {
				t.Errorf("%s, %s: %+v", state, line, got)
			}
		}
	}
}

// What is kept of a log has the cause, however long before the end it is, and a bound.
func TestExcerpt(t *testing.T) {
	lines := surrounded([]string{"OSError: [Errno 30] Read-only file system: '/home/app/.cache'"}, 1500)
	got := Excerpt(hardened(), Symptom{Service: "app", Logs: lines})
	if len(got) > excerptLines || !strings.Contains(strings.Join(got, "\n"), "Errno 30") || got[len(got)-1] != lines[len(lines)-1] {
		t.Errorf("%d lines: %q", len(got), got)
	}
	if d := Diagnose(hardened(), []Symptom{{Service: "app", State: "exited", ExitCode: 1, Logs: got, Attempt: 8}}); d[0].Attempt != 8 || !strings.Contains(d[0].Cause, "/home/app/.cache") {
		t.Errorf("%+v", d)
	}
}
