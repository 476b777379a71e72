#!/bin/sh
# System certificates are added only on request.
set -e

if [ "${USE_SYSTEM_CA_CERTS:-}" ]; then
	echo 'USE_SYSTEM_CA_CERTS is not supported by this replacement image' >&2
	exit 1
fi
exec "$@"
