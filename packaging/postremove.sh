#!/bin/sh
# A purge (deb) removes the configuration, which contains the manager secret. It
# keeps what may still be needed: the ledger, which is evidence, and the accounts'
# new secrets.
set -e
if [ "$1" = purge ]; then
	rm -rf /etc/tollwarden
	if [ -d /var/lib/tollwarden ]; then
		echo "Kept /var/lib/tollwarden, which holds the ledger and the accounts' new secrets."
	elif getent passwd tollwarden >/dev/null; then # its user has nothing left
		userdel tollwarden || true
	fi
fi
[ ! -d /run/systemd/system ] || systemctl daemon-reload
