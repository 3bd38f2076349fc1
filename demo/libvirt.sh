#!/bin/bash
# A libvirt of its own, whose guests run as root: libvirt.sh DIR. Runs until it is killed; its guests end with it.
#
# libvirtd keeps its state under fixed paths. So it lives in namespaces of mounts and processes of its own, where folders
# of DIR lie over those paths, and nothing of the machine's own libvirt is seen or changed. The socket for clients is
# DIR/run/libvirt-sock. Started again on the same DIR it knows its guests again, switched off.
set -euo pipefail

if [[ $$ != 1 ]]; then
	mkdir -p "$1"/{run,lib,log,cache,etc,dev}
	exec unshare --mount --pid --ipc --fork --kill-child=SIGKILL "${BASH_SOURCE[0]}" "$(realpath "$1")"
fi

dir=$1
mount --make-rprivate /
mount -t proc proc /proc
find "$dir/run" -mindepth 1 -delete
for pair in run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt etc:/etc/libvirt; do
	mkdir -p "${pair#*:}"
	mount --bind "$dir/${pair%%:*}" "${pair#*:}"
done
mkdir -p /var/log/libvirt/qemu /etc/libvirt/qemu

# libvirtd looks for the user of guests before it reads that root shall be it. Where the package that adds him is not
# installed, only this libvirt sees him.
if ! getent passwd libvirt-qemu >/dev/null || ! getent group libvirt-qemu >/dev/null; then
	for file in passwd group; do
		cp "/etc/$file" "$dir/$file"
		mount --bind "$dir/$file" "/etc/$file"
	done
	echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>"$dir/passwd"
	echo 'libvirt-qemu:x:64055:' >>"$dir/group"
fi

# Neither systemd nor control groups are told of these guests: both would outlive them.
[[ ! -d /run/dbus ]] || mount -t tmpfs tmpfs /run/dbus
umount -R -l /sys/fs/cgroup 2>/dev/null || true

# Where no udev gave /dev/kvm to its group, libvirtd finds its knowledge of QEMU outdated before each start, and asks
# anew for 15 seconds.
if [[ -c /dev/kvm ]] && getent group kvm >/dev/null; then
	mount -t tmpfs -o mode=0755 tmpfs "$dir/dev"
	mknod -m 660 "$dir/dev/kvm" c 10 232
	chgrp kvm "$dir/dev/kvm"
	mount --bind "$dir/dev/kvm" /dev/kvm
fi

cat >/etc/libvirt/qemu.conf <<-END
	user = "root"
	group = "root"
	dynamic_ownership = 0
	security_driver = "none"
	cgroup_controllers = []
	namespaces = []
END
cat >/etc/libvirt/libvirtd.conf <<-END
	auth_unix_ro = "none"
	auth_unix_rw = "none"
END

virtlogd --pid-file /run/libvirt/virtlogd.pid &
until [[ -S /run/libvirt/virtlogd-sock ]]; do
	kill -0 $! || exit
	sleep 0.02
done
libvirtd --pid-file /run/libvirt/libvirtd.pid &
wait $!
