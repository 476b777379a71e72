#!/bin/sh
# Supports --connect and --innodb_initialized. Connects over TCP, because the server of the first start has the socket only.
set -e

ask() { mariadb --defaults-file=/var/lib/mysql/.my-healthcheck.cnf --protocol=tcp --host=127.0.0.1 --skip-column-names --batch -e "$1"; }

for option; do
	case $option in
	--connect) ask 'SELECT 1' >/dev/null ;;
	--innodb_initialized) ask "SELECT 'yes' FROM information_schema.ENGINES WHERE engine='innodb' AND support IN ('YES','DEFAULT')" | grep -q yes ;;
	*) echo "healthcheck.sh: unknown option $option" >&2 && exit 2 ;;
	esac
done
