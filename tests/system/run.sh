#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh BUILD CACHE LOAD STOP: boots a Debian with the build installed in it, as
# `meson install` does it, in a container; guest.sh is the test. Needs root. Every
# run starts from the same root file system, which is made once.
set -euo pipefail
export LC_ALL=C.UTF-8

build=$1 cache=$2 load=$3 stop=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
        printf 'skipped: %s\n' "$*"
        exit 77
}

if [[ $(id -u) != 0 ]]; then
        skip "a container that boots needs root"
fi
for tool in systemd-nspawn mmdebstrap unshare etcd; do
        command -v "$tool" >/dev/null || skip "$tool is not installed (./dev deps does)"
done
# all mounts below end with this script, however it ends
if [[ -z ${SFSHM_OWN_MOUNTS:-} ]]; then
        unshare --mount true 2>/dev/null || skip "this machine allows no mount namespaces"
        SFSHM_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi

# ---- the root file system

# what the programs are linked with, by the names of this system
libraries() {
        ldd "$SFSHMD" "$SFSHM_STAT_TOOL" ${SFSHM_EXPORTER:+"$SFSHM_EXPORTER"} | sed -n 's|.*=> */[^ ]*/\([^ ]*\) .*|*/\1|p' | sort -u |
                xargs dpkg-query -S | sed 's/:.*//' | sort -u
}

make_rootfs() {
        local packages=$1 sources=() file

        for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
                [[ -s $file ]] && sources+=("$file")
        done
        rm -rf "$cache/new"
        mkdir -p "$cache"
        # shellcheck source=/dev/null
        mmdebstrap --variant=essential --mode=root --include="$packages" \
                --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
                --dpkgopt='path-exclude=/usr/share/locale/*' \
                "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$cache/new" "${sources[@]}" \
                </dev/null >"$cache/log" 2>&1
}

rootfs=$cache/rootfs
packages=$(libraries | tr '\n' ',')systemd,util-linux
if [[ $(cat "$rootfs/packages" 2>/dev/null) != "$packages" ]]; then
        echo "making the root file system in $rootfs"
        if ! make_rootfs "$packages" && ! make_rootfs "$packages"; then
                cat "$cache/log"
                # a machine without a network is none of the project's faults; CI has one
                [[ -n ${CI:-} ]] || skip "mmdebstrap could not make a root file system"
                exit 1
        fi
        echo "$packages" >"$cache/new/packages"
        rm -rf "$rootfs"
        mv "$cache/new" "$rootfs"
fi

# ---- a copy of it, as an overlay in memory, with the build in it

memory=$(mktemp -d)
trap 'umount -R "$memory" 2>/dev/null || :; rmdir "$memory"' EXIT
mount -t tmpfs -o mode=0755 sfshm-test "$memory"
export root=$memory/root
mkdir "$root" "$memory/upper" "$memory/work"
mount -t overlay -o "lowerdir=$rootfs,upperdir=$memory/upper,workdir=$memory/work" sfshm-test "$root" ||
        skip "this machine allows no overlay mounts"

container() {
        # without a systemd on this machine there is nobody to register with
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit \
                --private-network --link-journal=no --machine="sfshm-test-$$" \
                --directory="$root" "$@" </dev/null
}

if ! container --console=pipe /bin/true >"$memory/probe" 2>&1; then
        cat "$memory/probe"
        skip "systemd-nspawn does not work on this machine, see above"
fi

meson install -C "$build" --no-rebuild --quiet --destdir "$root" >"$memory/install" 2>&1 ||
        { cat "$memory/install"; exit 1; }
mkdir -p "$root/test" "$root/etc/sfshm"
install "$load" "$root/test/load"
install "$stop" "$root/test/stop"
install "$(command -v etcd)" "$root/test/etcd"
install "$here/guest.sh" "$root/test/guest.sh"
# as the README does it
chroot "$root" sh -ec "$(grep -E '^    (install|sed) .* /etc/sfshm/' "$here/../../README.md")"
cat >"$root/etc/systemd/system/sfshm-test.service" <<'END'
[Unit]
Description=Test of sfshm
After=multi-user.target
SuccessAction=exit-force
FailureAction=exit-force

[Service]
ExecStart=/test/guest.sh
StandardOutput=append:/test/log
StandardError=inherit
END
ln -s ../sfshm-test.service "$root/etc/systemd/system/multi-user.target.wants/"

# ---- the test

status=0
timeout --kill-after=10 200 bash -c "$(declare -f container); container --console=pipe --boot" \
        >"$memory/console" 2>&1 || status=$?
cat "$root/test/log" || :
if ((status != 0)); then
        echo "---- the container's console (exit status $status):"
        cat "$memory/console"
fi
exit "$status"
