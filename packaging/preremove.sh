#!/bin/sh
# A removal stops the daemon, removes its bans from the kernel and revokes its
# write access to Asterisk's folder. An upgrade (deb: "upgrade", rpm: 1) changes
# nothing: the new version takes over.
set -e
case "$1" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now tollwarden.service tollwarden-hook.socket || true
fi
/usr/sbin/tollwarden down || /usr/sbin/tollwarden down --table tollwarden || true
rm -f /run/tollwarden.sock
if command -v setfacl >/dev/null && [ -d /etc/asterisk ]; then
	setfacl -x user:tollwarden /etc/asterisk || true
fi
