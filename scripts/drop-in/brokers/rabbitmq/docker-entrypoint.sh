#!/bin/sh
# Start RabbitMQ, as user rabbitmq when the container starts as root. It exits with an error when a variable is set that the image no longer supports.
set -e

case "${1:-}" in
rabbitmq*)
	for name in $(env | sed -n 's/^\(RABBITMQ_[A-Z_]*\)=.*/\1/p'); do
		case $name in
		RABBITMQ_DEFAULT_PASS_FILE | RABBITMQ_DEFAULT_USER_FILE | RABBITMQ_VM_MEMORY_HIGH_WATERMARK | RABBITMQ_*SSL*)
			echo "entrypoint: $name is set, but no longer supported" >&2
			exit 1
			;;
		esac
	done
	if [ "$(id -u)" = 0 ]; then
		find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq {} +
		exec gosu rabbitmq "$0" "$@"
	fi
	;;
esac
exec "$@"
