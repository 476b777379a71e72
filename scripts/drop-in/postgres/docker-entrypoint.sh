#!/usr/bin/env bash
# Start PostgreSQL; on an empty data directory first create the cluster, the
# user and the database that the environment requests, then run the files in
# /docker-entrypoint-initdb.d.
set -Eeuo pipefail

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() {
	printf '%s: error: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# from_file NAME [DEFAULT]: the value comes from NAME or from NAME_FILE, never both.
from_file() {
	local name=$1 file_name=$1_FILE value=${2:-}
	if [[ ${!name:-} && ${!file_name:-} ]]; then
		die "both $name and $file_name are set (but are exclusive)"
	fi
	if [[ ${!file_name:-} ]]; then
		value=$(<"${!file_name}")
	elif [[ ${!name:-} ]]; then
		value=${!name}
	fi
	export "$name=$value"
	unset "$file_name"
}

load_environment() {
	from_file POSTGRES_PASSWORD
	from_file POSTGRES_USER postgres
	from_file POSTGRES_DB "$POSTGRES_USER"
	from_file POSTGRES_INITDB_ARGS
	: "${POSTGRES_HOST_AUTH_METHOD:=}" "${POSTGRES_INITDB_WALDIR:=}"
}

make_directories() {
	local user
	user=$(id -u)
	mkdir -p "$PGDATA"
	chmod 00700 "$PGDATA" || :
	# With --user and a tmpfs of another owner these may fail; the server then reports the reason.
	mkdir -p /var/run/postgresql || :
	chmod 03775 /var/run/postgresql || :
	if [[ $POSTGRES_INITDB_WALDIR ]]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
		if [[ $user == 0 ]]; then
			find "$POSTGRES_INITDB_WALDIR" ! -user postgres -exec chown postgres {} +
		fi
		chmod 700 "$POSTGRES_INITDB_WALDIR"
	fi
	if [[ $user == 0 ]]; then
		find "$PGDATA" ! -user postgres -exec chown postgres {} +
		find /var/run/postgresql ! -user postgres -exec chown postgres {} +
	fi
}

require_password() {
	[[ $POSTGRES_PASSWORD || $POSTGRES_HOST_AUTH_METHOD == trust ]] || die \
		"Database is uninitialized and superuser password is not specified.
       Set POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) to a non-empty value,
       or POSTGRES_HOST_AUTH_METHOD=trust to allow every login without one."
	if [[ $POSTGRES_HOST_AUTH_METHOD == trust ]]; then
		say 'warning: POSTGRES_HOST_AUTH_METHOD=trust: no login needs a password' >&2
	fi
}

# A volume on the path of images before 18 would stay unused without a warning,
# and the data would be in an anonymous volume.
reject_old_layout() {
	local dir
	for dir in /var/lib/postgresql /var/lib/postgresql/data; do
		[[ -s $dir/PG_VERSION ]] && die "found the data of PostgreSQL $(<"$dir/PG_VERSION") in $dir.
       From 18 on the data is kept in \$PGDATA=$PGDATA: mount the volume at /var/lib/postgresql."
	done
	if [[ $PGDATA != /var/lib/postgresql/data* ]] && mountpoint -q /var/lib/postgresql/data; then
		die "/var/lib/postgresql/data (unused mount/volume): mount it at /var/lib/postgresql"
	fi
}

# initdb needs a name for its uid; provide one for a --user without passwd entry.
lend_user_name() {
	getent passwd "$(id -u)" >/dev/null && return
	local library=(/usr/lib/*/libnss_wrapper.so)
	[[ -e ${library[0]} ]] || return 0
	NSS_WRAPPER_PASSWD=$(mktemp)
	NSS_WRAPPER_GROUP=$(mktemp)
	printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" >"$NSS_WRAPPER_PASSWD"
	printf 'postgres:x:%s:\n' "$(id -g)" >"$NSS_WRAPPER_GROUP"
	export LD_PRELOAD=${library[0]} NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

return_user_name() {
	[[ ${NSS_WRAPPER_PASSWD:-} ]] || return 0
	rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
	unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

create_cluster() {
	local more=()
	[[ $POSTGRES_INITDB_WALDIR ]] && more+=(--waldir "$POSTGRES_INITDB_WALDIR")
	lend_user_name
	# eval, because POSTGRES_INITDB_ARGS contains several, possibly quoted, words.
	# The password is passed through a pipe, because a file could remain.
	eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") \
		'"$POSTGRES_INITDB_ARGS"' "${more[@]}"'
	return_user_name
}

allow_network_logins() {
	local method=$POSTGRES_HOST_AUTH_METHOD
	[[ $method ]] || method=$(postgres -C password_encryption "${@:2}")
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# The server of the first start listens on the unix socket only, so that clients
# on the network cannot connect before the database is complete.
start_private_server() {
	local options
	printf -v options '%q ' "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
	NOTIFY_SOCKET='' PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -o "$options" -w start
}

stop_private_server() {
	PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -m fast -w stop
}

run_psql() {
	PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password \
		--username "$POSTGRES_USER" "$@"
}

create_database() {
	local found
	found=$(run_psql --dbname postgres --set db="$POSTGRES_DB" --tuples-only \
		<<<"SELECT 1 FROM pg_database WHERE datname = :'db';")
	[[ $found ]] || run_psql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
}

run_init_files() {
	local file
	for file; do
		case $file in
		*.sh)
			# Executable files are run, others are sourced and can use our functions.
			if [[ -x $file ]]; then
				say "running $file"
				"$file"
			else
				say "sourcing $file"
				# shellcheck disable=SC1090
				. "$file"
			fi
			;;
		*.sql) say "running $file" && run_psql --dbname "$POSTGRES_DB" -f "$file" ;;
		*.sql.gz) say "running $file" && gunzip -c "$file" | run_psql --dbname "$POSTGRES_DB" ;;
		*) say "ignoring $file" ;;
		esac
	done
}

initialise() {
	require_password
	reject_old_layout
	# An unreadable directory must be an error before, not after, initdb.
	ls /docker-entrypoint-initdb.d/ >/dev/null
	create_cluster
	allow_network_logins "$@"
	export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
	start_private_server "${@:2}"
	create_database
	local files=()
	shopt -s nullglob
	files=(/docker-entrypoint-initdb.d/*)
	shopt -u nullglob
	run_init_files "${files[@]}"
	stop_private_server
	unset PGPASSWORD
	say 'PostgreSQL init process complete; ready for start up.'
}

only_asks() {
	local argument
	for argument; do
		case $argument in
		-'?' | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

main() {
	if [[ ${1:-} == -* ]]; then
		set -- postgres "$@"
	fi
	if [[ ${1:-} == postgres ]] && ! only_asks "$@"; then
		load_environment
		make_directories
		if [[ $(id -u) == 0 ]]; then
			exec gosu postgres "${BASH_SOURCE[0]}" "$@"
		fi
		if [[ -s $PGDATA/PG_VERSION ]]; then
			say 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
		else
			initialise "$@"
		fi
	fi
	exec "$@"
}

main "$@"
