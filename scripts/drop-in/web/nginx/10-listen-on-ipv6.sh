#!/bin/sh
# Also listen on IPv6 when the file of the default server is writable, which it is not on a read-only root.
set -e

file=/etc/nginx/conf.d/default.conf
[ -f /proc/net/if_inet6 ] && [ -f "$file" ] || exit 0
touch "$file" 2>/dev/null || {
	echo "info: cannot modify $file (read-only file system?)"
	exit 0
}
grep -q '\[::\]' "$file" || sed -i 's/^\( *\)listen *\([0-9]*\);/&\n\1listen [::]:\2;/' "$file"
