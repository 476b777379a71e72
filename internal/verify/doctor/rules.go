package doctor

import (
	"fmt"
	"sync"
)

// The lines that are recognised.
var (
	lineReadOnly   = lazily(`(?i)(?:\bEROFS|read-only file ?system|ReadOnlyFileSystemException|errno:? 30\b)`)
	lineSecret     = lazily(`/run/secrets/([\w.-]+)`)
	lineWatches    = lazily(`(?i)file watchers reached|inotify_(?:init|add_watch).*(?:no space|too many)|fs\.inotify\.max_user`)
	lineNoSpace    = lazily(`(?i)\bENOSPC|\bEDQUOT|no space left on device|disk quota exceeded|errcode: 28\b`)
	lineNoExec     = lazily(`(?i)failed to map segment from shared object|(?:\bEACCES|permission denied).*\.so\b|UnsatisfiedLinkError: /tmp|cannot open shared object file: operation not permitted`)
	lineDenied     = lazily(`(?i)\bEACCES|permission denied|AccessDeniedException|file access denied|OS errno 13|is not writable|not writeable|insufficient permissions|Errcode: 13|access to the path '?[^']+'? is denied`)
	lineMissing    = lazily(`(?i)\bENOENT|no such file or directory|NoSuchFileException|Could not find (?:file|a part of the path)|nonexistent directory|directory nonexistent|does not exist|cannot find the (?:file|path)|Errcode: 2\b`)
	lineNoTmp      = lazily(`(?i)no usable temporary directory|mktemp: .*(?:/tmp|read-only)|cannot create temp(?:orary)? file for here-?document|Failed to create CoreCLR`)
	lineChown      = lazily(`(?i)\b(chown|chmod|change (?:ownership|permissions|mode)|changing (?:ownership|permissions)|setgid|setuid|setresuid|setresgid|setgroups|set groups|set supplementary group list|initgroups|raw socket|ping|mlock|lock memory|nice|unshare|mount)\b.*(?:\bEPERM|not permitted|read-only file ?system|cannot allocate memory|must be superuser)`)
	lineSwitched   = lazily(`(?i)failed switching to|no new privileges" flag is set|sudo: effective uid is not 0|su: must be suid|setpriv: .*failed|unable to (?:setuid|setgid|drop privileges)|(?:usermod|groupmod|useradd|adduser|addgroup|groupadd): (?:cannot lock|/etc/|can't|permission)|cannot lock /etc/(?:passwd|group)|/etc/(?:passwd|group|shadow)\S*: (?:permission denied|read-only)`)
	lineOverlay    = lazily(`(?i)s6-(?:overlay|svscan|supervise|linux-init)\S*: (?:fatal|warning)|/package/admin/s6|preinit: fatal`)
	lineFileCap    = lazily(`(?i)\bexec:? ?\S*/\S+: operation not permitted|exec: \S+: operation not permitted|fork/exec \S+: operation not permitted|^\S*(?:sh|exec)\S*: .*\S+: operation not permitted$`)
	lineFormat     = lazily(`(?i)exec format error`)
	lineNoProgram  = lazily(`(?i)exec:? "?([^":\s]+)"?: (?:executable file not found|stat .*no such file|no such file|not found)|sh: (?:\d+: |line \d+: )?([\w./-]+): (?:command )?not found`)
	lineNoUser     = lazily(`(?i)(?:user|uid|user id) ?"?[\w-]*"?:? (?:does not exist|not found|unknown)|could not look up (?:effective )?user id|getpwnam\([^)]*\) failed|getpwuid\(\): uid not found|unable to find user|cannot find name for user id|bad user name|No user exists for uid|I have no name`)
	linePortTaken  = lazily(`(?i)port is already allocated|(?:bind|listen|make_sock|start listening|socket).*(?:address already in use|address in use)|\bEADDRINUSE|address already in use`)
	linePortDenied = lazily(`(?i)\b(?:bind|listen|make_sock|socket)\b.*(?:permission denied|\bEACCES)|permission denied.*(?:bind|make_sock)|listen \bEACCES`)
	lineNoIPv6     = lazily(`(?i)(?:\bEAFNOSUPPORT|\bEADDRNOTAVAIL|address family not supported|cannot assign requested address).*(?:::|ipv6|\[)|(?:::|ipv6|\[::).*(?:address family not supported|cannot assign requested address|\bEAFNOSUPPORT|\bEADDRNOTAVAIL)`)
	lineNoName     = lazily(`(?i)(?:\bENOTFOUND|\bEAI_AGAIN|\bEAI_NONAME|no such host|could not resolve host(?:name)?:?|could not translate host name|name or service not known|temporary failure in name resolution|name does not resolve|nodename nor servname|failed to lookup address|UnknownHostException|getaddrinfo\b.*fail|host not found in (?:upstream|resolver)|nxdomain|unknown mysql server host|name resolution|lookup \S+.*(?:i/o timeout|server misbehaving))`)
	lineManyFiles  = lazily(`(?i)\bEMFILE|too many open files`)
	lineManyTasks  = lazily(`(?i)can't start new thread|failed to create new OS thread|unable to create (?:new )?native thread|pthread_create.*(?:failed|resource temporarily)|(?:fork|clone|spawn)\b.*resource temporarily unavailable|cannot fork|Failed to create thread|failed to create dirty`)
	lineNotEntered = lazily(`unable to start container process: (?:read init-p|error (?:during|executing)|can't get final child|.*procReady)|(?i:fork/exec|clone).*resource temporarily unavailable`)
	lineHeap       = lazily(`(?i)heap out of memory|OutOfMemoryError|out of memory allocating|could not reserve enough space|insufficient memory for the java runtime|^MemoryError|runtime: (?:out of|cannot allocate) memory|Allowed memory size of \d+ bytes exhausted|cannot allocate memory in static`)
	lineVariable   = lazily(`\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b.*(?i:is not set|is required|must be set|is missing|not defined|is unspecified|is not defined|is empty|cannot be empty|must be provided|not provided)`)
	lineVariables  = lazily(`(?i)(?:missing|required|undefined|set the|no value for) (?:required )?(?:environment )?(?:variables?|env(?:ironment)?(?: vars?)?)?:? ?"?'?\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b|KeyError: '([A-Z][A-Z0-9_]+)'|password option is not specified|superuser password is not specified|(?:variable|parameter) "?([A-Z][A-Z0-9_]+)"? (?:is )?(?:not set|unset|null)`)
	lineRefused    = lazily(`(?i)\bECONNREFUSED|connection (?:was )?refused|can't connect to (?:mysql|mariadb) server|actively refused|econnrefused`)
	lineNoWayOut   = lazily(`(?i)\bENETUNREACH|\bEHOSTUNREACH|network is unreachable|no route to host|\bETIMEDOUT|connect(?:ion)? timed? ?out|dial tcp \S+: i/o timeout|ConnectTimeout`)
	lineShmTooBig  = lazily(`(?i)could not resize shared memory segment|/dev/shm.*no space`)
	lineMustBeRoot = lazily(`(?i)must be (?:run|started|executed) as root|requires root|you need to be root|run this (?:script|program) as root|root privileges (?:are )?required|must run as root`)
	lineTrust      = lazily(`(?i)x509: certificate|certificate verify failed|self[- ]signed certificate|unable to get (?:local )?issuer certificate|PKIX path building failed|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_HAS_EXPIRED|tls: failed to verify`)
	lineTooMany    = lazily(`(?i)too many clients already|too many connections|max number of clients reached|remaining connection slots are reserved|connection limit exceeded`)
	lineNoDatabase = lazily(`(?i)(?:database|role|user) "[^"]+" does not exist|unknown database '|relation "[^"]+" does not exist|no such table|table '[^']+' doesn't exist|Unknown collation`)
	lineInUse      = lazily(`(?i)lock file "?postmaster\.pid"? already exists|unable to lock \./ib|DBPathInUse|unable to (?:acquire|obtain) (?:.*)lock|failed to obtain node lock|lock DB directory: resource temporarily|is another (?:postmaster|mongod|instance)|database is locked|server is already running|already in use by another|could not lock .*data dir`)
	lineOldData    = lazily(`(?i)database files are incompatible with server|data directory was initialized by PostgreSQL version|Can't handle RDB format version|invalid featureCompatibilityVersion|Wrong mongod version|cannot (?:downgrade|upgrade) from|upgrade from .* is not supported|Data Dictionary initialization failed|Invalid MySQL server (?:upgrade|downgrade)|Upgrade (?:after a crash )?is not supported|cannot upgrade a node from version|index .* was created .* version|incompatible (?:on-disk|data) (?:format|version)|Can't start this version of Nextcloud because the version of the data .*is higher`)
	linePostgres18 = lazily(`(?i)in 18\+, these Docker images are configured|there appears to be PostgreSQL data in|unused mount/volume`)
	lineWrongOwner = lazily(`(?i)has wrong ownership|has invalid permissions|could not change permissions of directory|must be accessible by owner only|are too open|bad permissions|Detected dubious ownership|permissions? \d{3,4} for '?\S+'? (?:is|are) too open`)
	lineRefusedVar = lazily(`(?i)(RABBITMQ_[A-Z_]+) is set but deprecated|error: (?:RABBITMQ_\S+)|both \S+ and \S+_FILE are set|deprecated environment variables detected`)
	lineConfig     = lazily(`(?i)nginx: \[emerg\] (.+)|AH00526|syntax error on line|FATAL CONFIG FILE ERROR|configuration file \S+ (?:test failed|contains errors)|\[ALERT\].*(?:parsing|config)|adapting config|Error loading config|error(?: in)? (?:loading|parsing|reading) (?:the )?config|unknown (?:variable|directive|option|flag|setting|command[- ]line)|unrecognized (?:configuration )?(?:parameter|option|argument)|invalid (?:configuration|config|value for parameter|option)|failed to (?:parse|load|read) (?:the )?config|yaml: (?:line|unmarshal)|command traefik error|flag provided but not defined|ERROR: .*(?:Unknown option|Invalid value for option)|could not load server configuration|failed to build the configuration|field \S+ not found in type|error: invalid argument`)
	lineFirstStart = lazily(`(?i)'--optimized' flag was used for first ever server start|The server is not (?:configured|installed)|CLUSTER_ID|Invalid cluster\.id|No readable meta\.properties`)
	lineHostKernel = lazily(`(?i)vm\.max_map_count \[?\d*\]? ?is too low|max virtual memory areas`)
	lineSocket     = lazily(`(?i)cannot connect to the docker daemon|docker\.sock|trying to connect to the docker`)
	lineAVX        = lazily(`(?i)requires a CPU with AVX|illegal instruction|CPU does not support|x86-64-v[234]`)
	lineInstall    = lazily(`(?i)unable to lock database: |could not install packages due to|E: Could not open lock file|apk add|pip install.*(?:errno|denied)|bundler::.*(?:permission|read-only)`)
)

// rules are tried in this order: what is more exact comes first. Words are what a line must hold before a pattern is tried at all.
var rules = sync.OnceValue(func() []rule {
	return []rule{
		{[]string{"18+", "postgresql data", "unused mount"}, linePostgres18, movedData, false},
		{[]string{"watch", "inotify"}, lineWatches, advise("the machine has too few file watches", "raise fs.inotify.max_user_watches or max_user_instances on the engine's machine; no profile can", ""), false},
		{[]string{"temporary directory", "mktemp", "here-", "heredocument", "coreclr"}, lineNoTmp, noTmp, false},
		{[]string{"s6-", "preinit"}, lineOverlay, advise("its init (s6-overlay) changes files of the image as root", "use a variant of the image that runs without root, or grant what it needs under an exception", "user"), false},
		{[]string{"install", "lock", "apk", "bundler"}, lineInstall, advise("it installs packages when it starts", "install them in the Dockerfile: a hardened service does not change its own image", "image"), false},
		{[]string{"own", "ch", "set", "socket", "ping", "lock", "nice", "mount", "unshare", "permissions"}, lineChown, missingCapability, false},
		{[]string{"switching", "privileges", "sudo", "su:", "setpriv", "setuid", "setgid", "/etc/passwd", "/etc/group", "/etc/shadow", "usermod", "groupmod", "add"}, lineSwitched,
			advise("its entry point changes users or accounts, which needs root", "start the program as its own user instead: set user: and entrypoint:, or a preset", "entrypoint"), false},
		{[]string{"erofs", "read-only", "readonly", "errno 30", "errno: 30"}, lineReadOnly, readOnlyPath, false},
		{[]string{"password", "access denied", "access_denied", "wrongpass", "access_refused", "noauth", "authentication", "login"}, linePassword, wrongPassword, false},
		{[]string{"/run/secrets/"}, lineSecret, secretPath, false},
		{[]string{"shared memory segment", "/dev/shm"}, lineShmTooBig, func(r reading) (Diagnosis, bool) {
			return Diagnosis{Cause: "shared memory is too small", Patch: Patch{Path: at(r.service, "shm_size"), Value: mib(max(2*r.service.ShmSize.Bytes, 128<<20))}}, true
		}, false},
		{[]string{"enospc", "edquot", "no space", "quota", "errcode: 28"}, lineNoSpace, noSpace, false},
		{[]string{"map segment", ".so", "unsatisfiedlink", "shared object"}, lineNoExec, noExec, false},
		{[]string{"cannot connect to the docker", "docker.sock", "connect to the docker"}, lineSocket, advise("it asks the engine, whose socket it does not have", "let it work without the socket, or reach it through a socket proxy that only reads", "host_paths"), false},
		{[]string{"bind", "listen", "sock"}, linePortDenied, portDenied, false},
		{[]string{"already in use", "lock", "another", "already running", "dbpathinuse"}, lineInUse, dataInUse, false},
		{[]string{"ownership", "permissions", "too open", "accessible by owner"}, lineWrongOwner, wrongOwner, false},
		{[]string{"incompatible", "initialized by", "rdb format", "featurecompat", "wrong mongod", "upgrade", "downgrade", "data dictionary", "version"}, lineOldData,
			advise("its data is of another version of the program", "use the version that the data is of, or migrate the data first; hsectl backup before that", "image"), false},
		{[]string{"eacces", "denied", "writable", "writeable", "errno 13", "errcode: 13", "insufficient permissions"}, lineDenied, denied, true},
		{[]string{"avx", "illegal instruction", "cpu does not", "x86-64-v"}, lineAVX, advise("its program needs instructions that this processor does not have", "use a version of the image for older processors, or a machine with AVX", "image"), false},
		{[]string{"exec format"}, lineFormat, func(r reading) (Diagnosis, bool) {
			return Diagnosis{Cause: "the program is for another processor", Advice: "build or pull " + r.service.Image + " for the engine's platform", Patch: Patch{Path: at(r.service, "image")}}, true
		}, false},
		{[]string{"not permitted"}, lineFileCap, fileCapability, false},
		{[]string{"exec", "not found"}, lineNoProgram, noProgram, false},
		{[]string{"user", "uid", "getpw", "no name"}, lineNoUser, advise("its user is not in the image's /etc/passwd", "set user: to the image's own user, or add the user in the Dockerfile", "user"), false},
		{[]string{"max_map_count", "virtual memory areas"}, lineHostKernel, advise("vm.max_map_count of the engine's machine is too low", "set vm.max_map_count=262144 there (sysctl); no profile can", ""), false},
		{[]string{"::", "ipv6"}, lineNoIPv6, advise("it listens on IPv6, which its network does not have", "let it listen on 0.0.0.0, or on IPv4 only", "command"), false},
		{[]string{"already in use", "address in use", "already allocated", "eaddrinuse"}, linePortTaken, portTaken, false},
		{[]string{"enotfound", "eai_", "host", "name", "getaddrinfo", "lookup", "nxdomain", "resol"}, lineNoName, noName, false},
		{[]string{"emfile", "too many open"}, lineManyFiles, func(r reading) (Diagnosis, bool) {
			return Diagnosis{Cause: "too many open files", Patch: Patch{Path: at(r.service, "open_files"), Value: fmt.Sprint(max(2*r.service.OpenFiles, 1024))}}, true
		}, false},
		{[]string{"thread", "fork", "clone", "spawn", "dirty"}, lineManyTasks, func(r reading) (Diagnosis, bool) {
			return Diagnosis{Cause: "too many processes or threads", Patch: morePIDs(r.service)}, true
		}, false},
		{[]string{"memory", "reserve enough"}, lineHeap, func(r reading) (Diagnosis, bool) {
			return Diagnosis{Cause: "the runtime's own heap is full", Patch: Patch{Path: at(r.service, "limits.memory"), Value: mib(2 * r.service.Limits.Memory.Bytes)}}, true
		}, false},
		{[]string{"deprecated", "are set", "rabbitmq_"}, lineRefusedVar, advise("the image refuses a variable", "remove the variable: hsectl presets shows how the image takes its secrets", "environment"), false},
		{[]string{"optimized", "cluster", "meta.properties", "not configured", "not installed"}, lineFirstStart, advise("the program was not set up before its first start", "see the notes of its preset: hsectl presets", "image"), false},
		{[]string{"emerg", "ah00526", "syntax", "config", "unknown", "unrecognized", "yaml:", "traefik error", "flag provided", "invalid", "not found in type"}, lineConfig, badConfiguration, false},
		{[]string{"certificate", "x509", "pkix", "cert_", "leaf_signature", "tls:"}, lineTrust, advise("it does not trust the certificate of a service", "add the authority to the image, or mount it as a file under configs:", "configs"), false},
		{[]string{"too many", "max number of clients", "connection slots", "connection limit"}, lineTooMany, advise("a service that it needs has no free connection", "make its pool smaller, or raise the limit of connections there", "environment"), false},
		{[]string{"does not exist", "unknown database", "no such table", "doesn't exist", "collation"}, lineNoDatabase,
			advise("a database, role or table that it needs does not exist", "databases and users are made at the first start only, tables by a migration: declare that under jobs:", "environment"), false},
		{[]string{"_", "option is not specified", "password is not specified", "keyerror"}, lineVariable, missingVariable, false},
		{[]string{"missing", "required", "undefined", "set the", "not specified", "keyerror", "not set", "unset", "no value"}, lineVariables, missingVariable, false},
		{[]string{"enoent", "no such file", "nosuchfile", "could not find", "nonexistent", "does not exist", "cannot find", "errcode: 2"}, lineMissing, missingPath, true},
		{[]string{"refused", "can't connect"}, lineRefused, refused, true},
		{[]string{"unreach", "no route", "timed", "timeout", "etimedout"}, lineNoWayOut, noWayOut, true},
		{[]string{"root"}, lineMustBeRoot, func(r reading) (Diagnosis, bool) {
			return Diagnosis{Cause: "the program requires root", Advice: "start it with the entry point of a non-root variant of the image, or prepare what it does as root in the Dockerfile", Patch: Patch{Path: at(r.service, "entrypoint")}}, true
		}, false},
	}
})

// advise explains a line by a cause for which a person decides, at a key of the service or nowhere.
func advise(cause, advice, key string) func(reading) (Diagnosis, bool) {
	return func(r reading) (Diagnosis, bool) {
		d := Diagnosis{Cause: cause, Advice: advice}
		if key != "" {
			d.Patch.Path = at(r.service, key)
		}
		return d, true
	}
}
