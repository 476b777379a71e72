#!/bin/sh
# Certificates of the system are only added when they are asked for.
set -e

if [ "${USE_SYSTEM_CA_CERTS:-}" ]; then
	echo 'USE_SYSTEM_CA_CERTS is not known to this stand-in' >&2
	exit 1
fi
exec "$@"
