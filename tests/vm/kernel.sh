#!/bin/bash
# Prints the folder of a Debian kernel that the VM can boot, and fetches it first if it is not in the cache.
#   kernel.sh 6.1|6.12|latest
# The folder holds `vmlinuz`, `release` (what uname -r will say), `version` (of the package), and `lib/modules/RELEASE`
# with uncompressed modules. A kernel is downloaded once, into .cache/kernels/ of this repository; delete its folder
# there to take a newer one. Standard output carries only the folder's path; progress and errors go to standard error.
# Needs: apt, dpkg, debian-archive-keyring, kmod, xz-utils.
set -euo pipefail

repo=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
# shellcheck source=tests/vm/archive.sh
. "$repo/tests/vm/archive.sh"

fetch() {
    local work=$1 suites suite='' version='' candidate packages
    case $kernel in
    6.1) suites=(bookworm) ;;
    6.12) suites=(bookworm-backports) ;;
    latest) suites=(trixie-backports sid) ;; # whichever is ahead today
    esac
    echo "$what: reading package lists" >&2
    archive_open "$work"
    for candidate in "${suites[@]}"; do
        archive_read "$candidate"
        if [ -z "$version" ] || dpkg --compare-versions "$(archive_version "$candidate" linux-image-amd64)" gt "$version"; then
            suite=$candidate version=$(archive_version "$candidate" linux-image-amd64)
        fi
    done
    case $kernel:$version in
    6.1:6.1.* | 6.12:6.12.*) ;;
    latest:[1-6].*) die "cannot get the latest kernel: ${suites[*]} offer $version at most; 7.0 or later is wanted" ;;
    latest:[0-9]*) ;;
    *) die "cannot get $what: linux-image-amd64 in $suite is version '${version:-none}', not of that series" ;;
    esac

    # Up to 6.12 everything is in one package, linux-image-*. From 7.x the image is in linux-binary-*, the modules are
    # in linux-modules-*, and the lists of what is built in are in linux-base-*.
    packages=$(archive_depends "$suite" linux-image-amd64 | grep -E '^linux-(image|binary|modules|base)-[0-9]') ||
        die "cannot get $what: linux-image-amd64 $version in $suite depends on no kernel package"
    echo "$what: downloading $version (about 100 MB) and unpacking it" >&2
    # shellcheck disable=SC2086  # package names, one word each
    archive_unpack "$suite" "$work/root" $packages
    assemble "$work/root" "$work/made" "$version"
}

# Brings the unpacked packages, whose layout differs between series, into the one layout described above.
assemble() {
    local root=$1 made=$2 version=$3 modules release image
    image=$(find "$root" -type f -name 'vmlinuz*' -print -quit)
    release=$(find "$root" -type d -path '*/lib/modules/[0-9]*/kernel' -printf '%h\n' -quit | xargs -r basename)
    if [ -z "$image" ] || [ -z "$release" ]; then
        die "cannot use $what ($version): its packages hold no image or no modules"
    fi
    mkdir -p "$made/lib/modules/$release"
    mv "$image" "$made/vmlinuz"
    for modules in "$root"/{,usr/}lib/modules/"$release"; do
        if [ -d "$modules" ]; then cp -a --link "$modules/." "$made/lib/modules/$release/"; fi
    done
    rm -rf "$root" "$made/lib/modules/$release"/{build,source,vmlinuz}
    # Decompressing thousands of modules here, once, is far cheaper than a few of them in an emulated machine each time.
    find "$made/lib/modules" -name '*.ko.xz' -print0 | xargs -0 -r -n 64 -P "$(nproc)" xz -d
    PATH=$PATH:/usr/sbin:/sbin depmod -b "$made" "$release"
    echo "$release" > "$made/release"
    echo "$version" > "$made/version"
    echo "$what: ready ($release)" >&2
}

kernel=${1:-} what="kernel ${1:-}"
case $# in
1) ;;
*) die "usage: kernel.sh 6.1|6.12|latest" ;;
esac
case $kernel in
6.1 | 6.12 | latest) ;;
*) die "unknown kernel '$kernel': choose 6.1, 6.12 or latest" ;;
esac
cached "$repo/.cache/kernels/$kernel" 1 fetch
echo "$repo/.cache/kernels/$kernel"
