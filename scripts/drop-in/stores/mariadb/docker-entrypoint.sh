#!/usr/bin/env bash
# Start MariaDB, as user mysql when the container starts as root; create the database first if there is none.
set -euo pipefail

data=/var/lib/mysql
socket=/run/mysqld/mysqld.sock

die() {
	printf 'entrypoint: %s\n' "$*" >&2
	exit 1
}

# setting NAME: print MARIADB_NAME or MYSQL_NAME, or the content of the file in the same variable with _FILE.
setting() {
	local prefix name file
	for prefix in MARIADB MYSQL; do
		name=${prefix}_$1 file=${prefix}_$1_FILE
		[[ -z ${!name:-} || -z ${!file:-} ]] || die "$name and $file are both set"
		if [[ ${!file:-} ]]; then
			cat "${!file}" && return
			exit 1
		fi
		[[ -z ${!name:-} ]] || { printf '%s' "${!name}" && return; }
	done
}

# Quote a string for SQL.
quoted() {
	local text=${1//\\/\\\\}
	printf "'%s'" "${text//\'/\\\'}"
}

ask() { mariadb --no-defaults --socket "$socket" --user root --batch "$@"; }

# The server of the first start listens on its socket only, so that clients cannot connect before the database is complete.
start_private_server() {
	"$@" --skip-networking --socket "$socket" &
	server=$!
	until ask -e 'SELECT 1' >/dev/null 2>&1; do
		kill -0 "$server" 2>/dev/null || die 'the server of the first start has exited'
		sleep 0.2
	done
}

# The user of healthcheck.sh: it can only check that the server works.
make_health_user() {
	local password host
	password=$(head -c 24 /dev/urandom | base64)
	for host in 127.0.0.1 ::1 localhost; do
		printf "CREATE USER healthcheck@'%s' IDENTIFIED BY '%s';\n" "$host" "$password"
	done
	(umask 0077 && printf '[mariadb-client]\nport=3306\nsocket=%s\nuser=healthcheck\npassword=%s\n' \
		"$socket" "$password" >"$data/.my-healthcheck.cnf")
}

make_users() {
	local root=$1 database user password
	database=$(setting DATABASE) user=$(setting USER) password=$(setting PASSWORD)
	# The accounts that mariadb-install-db creates in addition to root@localhost have no password.
	printf "DROP USER IF EXISTS root@'%s', root@'127.0.0.1', root@'::1';\n" "$(hostname)"
	make_health_user
	if [[ $database ]]; then
		printf 'CREATE DATABASE IF NOT EXISTS `%s`;\n' "${database//\`/}"
	fi
	if [[ $user && $password ]]; then
		printf "CREATE USER %s@'%%' IDENTIFIED BY %s;\n" "$(quoted "$user")" "$(quoted "$password")"
		[[ -z $database ]] || printf "GRANT ALL ON \`%s\`.* TO %s@'%%';\n" "${database//\`/}" "$(quoted "$user")"
	fi
	printf "CREATE USER root@'%%' IDENTIFIED BY %s; GRANT ALL ON *.* TO root@'%%' WITH GRANT OPTION;\n" "$(quoted "$root")"
	printf 'ALTER USER root@localhost IDENTIFIED BY %s;\n' "$(quoted "$root")"
}

initialise() {
	local root
	root=$(setting ROOT_PASSWORD)
	[[ $root || ${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-} ]] ||
		die 'the database is not initialised: set MARIADB_ROOT_PASSWORD(_FILE) or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD'
	mariadb-install-db --datadir="$data" --rpm --auth-root-authentication-method=normal --skip-test-db \
		--skip-log-bin >/dev/null
	start_private_server "$@"
	make_users "$root" | ask
	kill "$server"
	wait "$server" || die 'the server of the first start exited with an error'
}

if [[ ${1:-} == -* ]]; then
	set -- mariadbd "$@"
fi
if [[ ${1:-} == mariadbd || ${1:-} == mysqld ]]; then
	if [[ $(id -u) == 0 ]]; then
		find "$data" /run/mysqld \! -user mysql -exec chown mysql: {} +
		exec gosu mysql "${BASH_SOURCE[0]}" "$@"
	fi
	[[ -d $data/mysql ]] || initialise "$@"
fi
exec "$@"
