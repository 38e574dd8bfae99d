# Makes the root file system in which the peers run, from Debian bookworm:
# root.sh FOLDER. Nothing of it is started here, and nothing reaches the machine.
set -eu
root=$1
part=$root.part
rm -rf "$part"
debootstrap --variant=minbase bookworm "$part" http://deb.debian.org/debian
printf '#!/bin/sh\nexit 101\n' >"$part/usr/sbin/policy-rc.d" # start no service
chmod 755 "$part/usr/sbin/policy-rc.d"
mkdir -p "$part/etc/crowdsec"
# A file that is there says: do not register with the central API.
printf '# not registered\n' >"$part/etc/crowdsec/online_api_credentials.yaml"
unshare -m sh -eu -c '
	mount --make-rslave /
	mount -t proc proc "$0/proc"
	mount --bind /dev "$0/dev"
	DEBIAN_FRONTEND=noninteractive chroot "$0" apt-get install -y -qq --no-install-recommends \
		fail2ban python3-pyinotify crowdsec crowdsec-firewall-bouncer nftables
' "$part"
rm -rf "$part/var/cache/apt/archives"
mv "$part" "$root"
