#!/bin/sh
# A purge (deb) takes the configuration, which holds Asterisk's secret. What a
# person may still need stays: the ledger, which is evidence, and the secrets of
# accounts that were changed.
set -e
if [ "$1" = purge ]; then
	rm -rf /etc/tollwarden
	if [ -d /var/lib/tollwarden ]; then
		echo "Kept, for the ledger and for secrets that were changed: /var/lib/tollwarden"
	fi
fi
[ ! -d /run/systemd/system ] || systemctl daemon-reload
