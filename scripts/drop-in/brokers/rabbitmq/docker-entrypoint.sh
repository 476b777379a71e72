#!/bin/sh
# Start RabbitMQ, as user rabbitmq when the container starts as root. Variables that the image once knew stop it.
set -e

case "${1:-}" in
rabbitmq*)
	for name in $(env | sed -n 's/^\(RABBITMQ_[A-Z_]*\)=.*/\1/p'); do
		case $name in
		RABBITMQ_DEFAULT_PASS_FILE | RABBITMQ_DEFAULT_USER_FILE | RABBITMQ_VM_MEMORY_HIGH_WATERMARK | RABBITMQ_*SSL*)
			echo "entrypoint: $name is set, but no longer known" >&2
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
