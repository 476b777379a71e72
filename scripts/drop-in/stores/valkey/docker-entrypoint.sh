#!/bin/sh
# Start Valkey, as user valkey when the container starts as root.
set -e

case "${1:-}" in
-* | *.conf) set -- valkey-server "$@" ;;
esac
if [ "${1:-}" = valkey-server ] && [ "$(id -u)" = 0 ]; then
	find . ! -user valkey -exec chown valkey:valkey {} +
	exec setpriv --reuid=valkey --regid=valkey --clear-groups "$0" "$@"
fi
if [ "${1:-}" = valkey-server ] && [ ! -w . ]; then
	echo "entrypoint: $(pwd) is not writable" >&2
	exit 1
fi
if [ "$(umask)" = 0022 ]; then
	umask 0077
fi
exec "$@"
