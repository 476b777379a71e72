#!/bin/sh
# Start Redis, as user redis when the container starts as root.
# SKIP_FIX_PERMS and SKIP_DROP_PRIVS (any value) turn the two steps off.
set -e

case "${1:-}" in
-* | *.conf) set -- redis-server "$@" ;;
esac

is_server() {
	case "$(basename "$1")" in
	redis-server | redis-sentinel) return 0 ;;
	*) return 1 ;;
	esac
}

# Succeed when capability number $1 is in the bounding set. Without setuid (7) and
# setgid (6) the official image stays root without a warning; so does this one.
may() {
	mask=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
	[ $((0x$mask >> $1 & 1)) -eq 1 ]
}

# Change the owner only of a directory that contains nothing but Redis data:
# a volume with other files keeps its owners.
fix_owner() {
	[ -z "${SKIP_FIX_PERMS:-}" ] || return 0
	foreign=$(find . -mindepth 1 -maxdepth 1 ! -name '*.rdb' ! -name appendonlydir)
	[ -z "$foreign" ] || return 0
	find . ! -user redis -exec chown redis:redis {} +
}

if is_server "${1:-}" && [ "$(id -u)" = 0 ] && [ -z "${SKIP_DROP_PRIVS:-}" ] && may 7 && may 6; then
	fix_owner
	# setpriv needs SETPCAP (8) to empty the bounding set; without it, skip that step.
	if may 8; then
		set -- --bounding-set=-all "$0" "$@"
	else
		set -- "$0" "$@"
	fi
	exec setpriv --reuid=redis --regid=redis --clear-groups --no-new-privs --inh-caps=-all "$@"
fi

# Data files are readable by their owner only, unless a umask is set.
if [ "$(umask)" = 0022 ]; then
	umask 0077
fi
exec "$@"
