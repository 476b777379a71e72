#!/bin/sh
# Run the scripts in /docker-entrypoint.d before the server starts. A step that fails prints a message and is skipped.
set -e

if [ "$1" = nginx ]; then
	for step in /docker-entrypoint.d/*.sh; do
		[ ! -x "$step" ] || "$step"
	done
fi
exec "$@"
