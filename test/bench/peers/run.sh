# Runs one peer in a layer over the root, in the mount namespace of this
# process, beside Asterisk's logs: run.sh ROOT LAYER LOGS PROGRAM. All of it ends
# with this process group.
set -eu
root=$1 layer=$2 logs=$3 program=$4
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
mount -t proc proc "$layer/root/proc"
mount --bind /dev "$layer/root/dev"
mkdir -p "$layer/root/var/log/asterisk"
mount --bind "$logs" "$layer/root/var/log/asterisk"
cp "$program" "$layer/root/peer.sh"
exec chroot "$layer/root" sh -eu /peer.sh
