#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh DIRECTORY SFSHMD SFSHM SFSHM-STAT: real steps of a real kernel's clock,
# told by its timers, in a virtual machine under software emulation. The kernel is
# Debian's; it is downloaded into DIRECTORY once, and only for ./dev test --long.
set -eu
here=$(cd "${0%/*}" && pwd)
directory=$1
sfshmd=$2
shift
qemu=qemu-system-x86_64

skip() {
        echo "skipped: $*"
        exit 77
}

[ -n "${SFSHM_LONG:-}" ] || skip "./dev test --long runs it (SFSHM_LONG=1)"
command -v $qemu >/dev/null || skip "$qemu is not installed: apt-get install qemu-system-x86"
[ "$(uname -m)" = x86_64 ] || skip "the virtual machine is an x86-64, this one is not"
if ldd "$sfshmd" | grep -q -e libasan -e libtsan; then
        skip "a sanitizer's runtime is too much for an emulated machine"
fi
mkdir -p "$directory"
cd "$directory"

# package NAME: its files are in ./files
package() {
        rm -f "$1"_*.deb
        apt-get download "$1" >/dev/null 2>&1 || skip "the package $1 cannot be had"
        dpkg-deb -x "$1"_*.deb files
        rm -f "$1"_*.deb
}

kernel() {
        find files/boot -name 'vmlinuz-*' 2>/dev/null | head -n 1
}

if [ -z "$(kernel)" ]; then
        image=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
                sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -n 1)
        [ -n "$image" ] || skip "no package of a kernel is known: apt-get update"
        package "$image"
fi
[ -x files/bin/busybox ] || package busybox-static

rm -rf root
mkdir -p root/bin
cp files/bin/busybox "$@" root/bin
cp "$here/init" root/init
# the loader lies where the programs look for it, all else in one place
mkdir -p root/lib root/lib64
for library in $(ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) (0x.*/\1/p' | sort -u); do
        cp -L "$library" root/lib
done
cp -L /lib64/ld-linux-x86-64.so.2 root/lib64
(cd root && find . | ../files/bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1 >initrd.gz

timeout -k 5 500 $qemu -M pc -accel tcg -m 256 -display none -monitor none -no-reboot \
        -kernel "$(kernel)" -initrd initrd.gz -serial file:serial.raw \
        -append "console=ttyS0 quiet panic=-1" </dev/null || true
tr -d '\r' <serial.raw >serial

grep '^T: ' serial || true
if ! grep -q '^T: DONE$' serial; then
        tail -n 40 serial
        exit 1
fi
sed -n 's/^ID: //p' serial >ids
sort -n -u ids >sorted
# seven rounds of nine, in order of time, none twice
if ! cmp -s ids sorted || [ "$(wc -l <ids)" -ne 63 ]; then
        echo "IDs are missing, twice, or out of order:"
        cat ids
        exit 1
fi
