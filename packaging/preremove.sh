#!/bin/sh
# A removal stops the daemon and takes its drops out of the kernel. An upgrade
# (deb: "upgrade", rpm: 1) leaves both: the new version takes over.
set -e
case "$1" in
upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now tollwarden.service || true
fi
/usr/sbin/tollwarden down || /usr/sbin/tollwarden down --table tollwarden || true
rm -f /run/tollwarden.sock
