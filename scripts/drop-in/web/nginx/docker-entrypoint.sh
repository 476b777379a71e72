#!/bin/sh
# Run what is in /docker-entrypoint.d before the server starts; a step that cannot do its work says so and is passed over.
set -e

if [ "$1" = nginx ]; then
	for step in /docker-entrypoint.d/*.sh; do
		[ ! -x "$step" ] || "$step"
	done
fi
exec "$@"
