#!/bin/sh
# Creates the daemon's user with access to Asterisk's files, and restarts the
# daemon if it was enabled before. The first start is up to the administrator:
# tollwarden setup.
set -e
if ! getent passwd tollwarden >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/tollwarden --no-create-home --shell /usr/sbin/nologin tollwarden
fi
if getent group asterisk >/dev/null; then
	usermod -a -G asterisk tollwarden
fi
[ -d /run/systemd/system ] || exit 0
systemd-tmpfiles --create tollwarden.conf || true
systemctl daemon-reload
if systemctl is-enabled --quiet tollwarden.service; then
	systemctl restart tollwarden.service
elif [ ! -e /etc/tollwarden/tollwarden.toml ]; then
	echo "Tollwarden is installed but not configured: run 'tollwarden setup'."
else
	echo "Tollwarden is installed but not started: run 'tollwarden setup'."
fi
