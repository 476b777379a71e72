#!/bin/sh
# An option, an unknown command, or a script without the x bit is passed to
# node; everything else is executed directly.
set -e

is_for_node() {
	case "$1" in
	-*) return 0 ;;
	esac
	command -v "$1" >/dev/null || return 0
	[ -f "$1" ] && [ ! -x "$1" ]
}

if is_for_node "${1:-}"; then
	set -- node "$@"
fi
exec "$@"
