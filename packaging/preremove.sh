#!/bin/sh
# A removal stops the daemon, removes its bans from the kernel, takes back what
# `tollwarden setup` changed in Asterisk and fail2ban, and revokes its write access
# to Asterisk's folder. Its own configuration stays until a purge. An upgrade (deb:
# "upgrade", rpm: 1) changes nothing: the new version takes over.
set -e
case "$1" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now tollwarden.service tollwarden-hook.socket || true
fi
# Without systemd, nobody else stops a daemon that would restore its table.
/usr/sbin/tollwarden down --stop || /usr/sbin/tollwarden down --table tollwarden || true
rm -f /run/tollwarden.sock
if [ -e /etc/tollwarden/setup.json ]; then
	/usr/sbin/tollwarden setup --undo --keep-configuration || true
elif grep -qs '^\[tollwarden\]' /etc/asterisk/manager*.conf /etc/asterisk/manager.d/*.conf; then
	echo "Asterisk's manager still has the user [tollwarden]: remove that section, and run: asterisk -rx 'manager reload'"
fi
if command -v setfacl >/dev/null && [ -d /etc/asterisk ]; then
	setfacl -x user:tollwarden /etc/asterisk || true
fi
