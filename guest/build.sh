#!/bin/bash
# Builds the guest image from Debian's packages: build.sh OUTDIR
#
# OUTDIR/kilonova-guest.qcow2    the disk, for BIOS and UEFI
# OUTDIR/kilonova-guest.raw      the same, raw and sparse
# OUTDIR/kilonova-guest.vmlinuz  the kernel and
# OUTDIR/kilonova-guest.initrd   the initramfs, to boot without a disk
# OUTDIR/kilonova-guest.version  what it was built from
#
# Needs no root (but to install missing tools), no mount and no loop device. A second run with the same inputs does nothing;
# REFRESH=1 asks Debian for newer packages.
set -euo pipefail
export LC_ALL=C SOURCE_DATE_EPOCH=1735689600 TZ=UTC
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?usage: build.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
name=kilonova-guest

# The disk in sectors of 512 bytes: the boot partition (FAT) from 1 MiB, then the state partition (ext4).
boot_start=2048 boot_size=$((24 * 2048))
state_start=$((boot_start + boot_size)) state_size=$((8 * 2048))
disk_size=$((state_start + state_size + 2048))

fail() {
	echo "guest image: $*" >&2
	exit 1
}

words() { sed '/^#/d; /^$/d' "$here/$1"; }

inputs_hash() {
	(cd "$here" && find root -type f \( -perm -100 -printf 'x %p\n' -o -printf '- %p\n' \) | sort && sha256sum build.sh cmdline modules packages &&
		find root -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-12
}

up_to_date() {
	[[ -z ${REFRESH:-} && -s $out/$name.qcow2 && -s $out/$name.raw && -s $out/$name.vmlinuz && -s $out/$name.initrd ]] &&
		[[ $(sed -n 's/^inputs //p' "$out/$name.version" 2>/dev/null) == "$1" ]]
}

need_tools() {
	local missing=() pair
	for pair in cpio:cpio mcopy:mtools mke2fs:e2fsprogs qemu-img:qemu-utils sfdisk:fdisk xz:xz-utils zstd:zstd; do
		PATH=$PATH:/usr/sbin:/sbin type -P "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
	done
	((${#missing[@]})) || return 0
	((EUID == 0)) || fail "these packages are missing, and only root can install them: ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null || {
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
	}
}

# Packages

kernel_package() {
	apt-cache depends "$1" 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}

fetch_packages() {
	local meta kernel packages
	meta=$(words packages | awk '$1 == "kernel" { print $2 }')
	kernel=$(kernel_package "$meta")
	if [[ -z $kernel ]]; then
		((EUID == 0)) || fail "apt knows no package $meta: run apt-get update as root"
		apt-get update -qq
		kernel=$(kernel_package "$meta")
		[[ -n $kernel ]] || fail "apt offers no package $meta: is main of Debian among its sources?"
	fi
	packages=$(words packages | awk '$1 != "kernel" { print $2 }')
	rm -rf "$cache.new"
	mkdir -p "$cache.new"
	(cd "$cache.new" && apt_get_download "$kernel" $packages)
	rm -rf "$cache"
	sha256sum <"$here/packages" >"$cache.new/complete"
	mv "$cache.new" "$cache"
}

# have_packages is false for a cache of another list.
have_packages() { [[ -z ${REFRESH:-} && $(cat "$cache/complete" 2>/dev/null) == "$(sha256sum <"$here/packages")" ]]; }

# apt_get_download tries again after an update: the index of a machine that sleeps names packages that are gone.
apt_get_download() {
	apt-get -qq -o APT::Sandbox::User=root download "$@" && return
	((EUID == 0)) || fail "apt-get download failed: run apt-get update as root and try again"
	apt-get update -qq
	apt-get -qq -o APT::Sandbox::User=root download "$@"
}

unpack() { # role, directory
	local role=$1 dir=$2 package
	mkdir -p "$dir"
	for package in $(words packages | awk -v role="$role" '$1 == role { print $2 }'); do
		[[ $role != kernel ]] || package='linux-image-[0-9]*'
		dpkg-deb -x "$cache"/${package}_*.deb "$dir"
	done
}

# The initramfs

# install_programs takes only the programs and libraries that run in the guest.
install_programs() {
	local from=$work/guest to=$work/root applet lib loader paths program
	install -D "$(find "$from" -path '*/bin/busybox' -type f)" "$to/bin/busybox"
	for applet in $("$to/bin/busybox" --list-full); do
		mkdir -p "$to/${applet%/*}"
		[[ -e $to/$applet ]] || ln -s /bin/busybox "$to/$applet"
	done
	install -D -t "$to/usr/sbin" "$from/usr/sbin/dropbear"
	install -D -t "$to/usr/bin" "$from/usr/bin/dropbearkey"

	loader=$(find "$from" -name 'ld-linux-x86-64.so.2' | sort | head -n 1)
	paths=$(find "$from" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
	install -D "$loader" "$to/lib64/ld-linux-x86-64.so.2"
	for program in usr/sbin/dropbear usr/bin/dropbearkey; do
		for lib in $("$loader" --library-path "$paths" --list "$to/$program" | awk '$2 == "=>" { print $3 }'); do
			[[ $lib == "$from"/* ]] || fail "$program needs $lib from a package that guest/packages does not list"
			[[ $lib == */ld-linux* ]] || install -D -m 0644 -t "$to/usr/lib" "$lib"
		done
	done
}

# install_modules copies the modules of the list and what they depend on, and indexes them for modprobe.
install_modules() {
	local from=$work/kernel/lib/modules to=$work/root/lib/modules version module file busybox=$work/root/bin/busybox
	[[ -d $from ]] || from=$work/kernel/usr/lib/modules
	version=$(ls "$from")
	find "$from" -name '*.ko.xz' -exec xz -d {} +
	local -A seen=()
	local todo
	mapfile -t todo < <(words modules)
	while ((${#todo[@]})); do
		module=${todo[0]//-/_} todo=("${todo[@]:1}")
		[[ -z ${seen[$module]:-} ]] || continue
		seen[$module]=1
		file=$(find "$from" -name "${module//_/[_-]}.ko")
		if [[ -z $file ]]; then
			grep -q "/${module//_/[_-]}\.ko" "$from/$version/modules.builtin" || fail "the kernel $version has no module $module"
			continue
		fi
		install -D -m 0644 -t "$to/$version/kernel" "$file"
		todo+=($("$busybox" strings "$file" | sed -n 's/^depends=//p' | tr ',' ' '))
	done
	"$busybox" depmod -b "$work/root" "$version"
}

make_initramfs() {
	cp -R "$here/root/." "$work/root/"
	mkdir -p "$work/root"/{proc,sys,dev,run,tmp,state,var,root,home/debian,etc}
	ln -sfn /run "$work/root/var/run"
	echo "$version" >"$work/root/etc/$name.version"
	install_programs
	install_modules
	chmod 0700 "$work/root/root" "$work/root/home/debian"
	find "$work/root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	(cd "$work/root" && find . -print0 | sort -z | cpio --null --quiet --create --format=newc --owner=0:0 --reproducible) |
		zstd -q -19 --zstd=wlog=20 -o "$work/initrd"
}

# The disk

make_boot_partition() {
	local image=$work/boot.fat cmdline
	cmdline=$(words cmdline)
	truncate -s $((boot_size * 512)) "$image"
	mformat -i "$image" -T "$boot_size" -h 64 -s 32 -H "$boot_start" -N 4b494c4f -v KILONOVA ::
	cat >"$work/syslinux.cfg" <<-END
		DEFAULT kilonova
		PROMPT 0
		LABEL kilonova
		LINUX /vmlinuz
		INITRD /initrd
		APPEND $cmdline
	END
	printf 'default kilonova.conf\ntimeout 0\nauto-entries no\nauto-firmware no\n' >"$work/loader.conf"
	printf 'title Kilonova guest\nlinux /vmlinuz\ninitrd /initrd\noptions %s\n' "$cmdline" >"$work/kilonova.conf"
	install -m 0644 "$work"/kernel/boot/vmlinuz-* "$work/vmlinuz"
	cp "$work/boot/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/BOOTX64.EFI"
	(cd "$work" && touch -d "@$SOURCE_DATE_EPOCH" vmlinuz initrd syslinux.cfg loader.conf kilonova.conf BOOTX64.EFI)
	mmd -i "$image" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
	mcopy -m -i "$image" "$work/vmlinuz" "$work/initrd" "$work/syslinux.cfg" ::/
	mcopy -m -i "$image" "$work/BOOTX64.EFI" ::/EFI/BOOT/
	mcopy -m -i "$image" "$work/loader.conf" ::/loader/
	mcopy -m -i "$image" "$work/kilonova.conf" ::/loader/entries/
	"$work/boot/usr/bin/syslinux" --install "$image"
}

make_state_partition() {
	truncate -s $((state_size * 512)) "$work/state.ext4"
	E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -b 1024 -m 0 -L kilonova-state \
		-U 6b696c6f-6e6f-7661-8000-000000000001 -E hash_seed=6b696c6f-6e6f-7661-8000-000000000002,lazy_itable_init=0,root_owner=0:0 \
		-O ^resize_inode "$work/state.ext4"
}

make_disk() {
	local raw=$work/disk.raw
	truncate -s $((disk_size * 512)) "$raw"
	PATH=$PATH:/usr/sbin:/sbin sfdisk -q --no-reread --no-tell-kernel "$raw" <<-END
		label: dos
		label-id: 0x4b494c4f
		start=$boot_start, size=$boot_size, type=ef, bootable
		start=$state_start, size=$state_size, type=83
	END
	dd if="$work/boot/usr/lib/syslinux/mbr/mbr.bin" of="$raw" bs=440 count=1 conv=notrunc status=none
	dd if="$work/boot.fat" of="$raw" bs=512 seek=$boot_start conv=notrunc,sparse status=none
	dd if="$work/state.ext4" of="$raw" bs=512 seek=$state_start conv=notrunc,sparse status=none
	qemu-img convert -f raw -O qcow2 "$raw" "$work/disk.qcow2"
}

[[ $(dpkg --print-architecture 2>/dev/null) == amd64 ]] || fail "builds on Debian amd64 only"
exec 9>"$out/.lock"
flock 9
inputs=$(inputs_hash)
if up_to_date "$inputs"; then
	echo "$out/$name.qcow2 is up to date"
	exit 0
fi

need_tools
work=$(mktemp -d "$out/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cache=$out/packages
have_packages || fetch_packages
unpack kernel "$work/kernel"
unpack guest "$work/guest"
unpack boot "$work/boot"

packages=$(cd "$cache" && ls ./*.deb | sed 's/^..//; s/_[^_]*\.deb$//; s/%3a/:/; s/_/ /')
version=$(printf '%s\n' "$inputs" "$packages" | sha256sum | cut -c1-12)
make_initramfs
make_boot_partition
make_state_partition
make_disk

rm -f "$out/$name.version"
mv "$work/vmlinuz" "$out/$name.vmlinuz"
mv "$work/initrd" "$out/$name.initrd"
mv "$work/disk.raw" "$out/$name.raw"
mv "$work/disk.qcow2" "$out/$name.qcow2"
printf 'version %s\ninputs %s\n%s\n' "$version" "$inputs" "$packages" >"$work/version"
mv "$work/version" "$out/$name.version"
echo "$out/$name.qcow2: version $version, $(($(stat -c %s "$out/$name.qcow2") / 1024)) KiB"
