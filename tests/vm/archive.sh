#!/bin/bash
# Sourced by kernel.sh, emulator.sh and liburing.sh: packages of one Debian suite, downloaded and unpacked without installing
# them.
# They come from the mirror that this machine's apt uses, through apt itself, so that signatures are checked.
#   archive_open FOLDER        FOLDER is scratch space
#   archive_read SUITE         reads the suite's package list; the functions below take suites that were read
#   archive_version SUITE PACKAGE
#   archive_depends SUITE PACKAGE            everything it depends on, one name a line
#   archive_unpack SUITE FOLDER PACKAGE...   unpacks these packages, and no others, into FOLDER
#   archive_source SUITE FOLDER PACKAGE      makes FOLDER with the package's source; the suite need not have been read
# Errors go to standard error and end the script. The caller sets `what`: what all this is for, in a few words.
# Needs: apt, dpkg, debian-archive-keyring.

: "${what:=a package}"
archive_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    if [ $# -gt 1 ]; then printf '  %s\n' "${@:2}" >&2; fi
    exit 1
}

# The Debian archive of apt's own configuration: its mirror is reachable from here, others may not be.
# ORIGIN is known only after an `apt-get update`; before that the release's name and component have to do.
archive_mirror() {
    local codename
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016  # apt expands these, not the shell
    apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(SITE)' 'Created-By: Packages' |
        awk -F'|' -v codename="$codename" '
            $1 == codename && $2 == "main" && $3 == "Debian" { known = known ? known : $4 }
            $1 == codename && $2 == "main" && $3 == "" { guess = guess ? guess : $4 }
            END { print known ? known : guess }'
}

archive_open() {
    archive=$1
    mirror=$(archive_mirror)
    [ -n "$mirror" ] ||
        die "cannot get $what: apt's configuration names no Debian archive (see 'apt-get indextargets')" \
            "add this Debian release's mirror to /etc/apt/sources.list.d/ and run 'apt-get update'"
    [ -r $archive_keyring ] || die "cannot check signatures for $what: $archive_keyring is missing" \
        "install the package debian-archive-keyring"
}

# archive_apt TOOL SUITE ARGUMENT...: apt-get or apt-cache that knows one suite and believes that nothing is installed.
archive_apt() {
    local tool=$1 dir=$archive/$2
    shift 2
    "$tool" -q \
        -o Dir::State::Lists="$dir/lists" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" \
        -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$dir/none" \
        -o APT::Architecture=amd64 -o APT::Sandbox::User=root \
        -o Acquire::Languages=none -o Acquire::PDiffs=false -o Acquire::Retries=3 "$@"
}

archive_errors() {
    grep -E '^(E:|W:|Err)' "$1" | head -5
}

# archive_read SUITE [KIND]: KIND is deb, or deb-src.
archive_read() {
    local dir=$archive/$1 kind=${2:-deb}
    mkdir -p "$dir"/{lists/partial,cache/archives/partial,none}
    : > "$dir/status"
    printf '%s [arch=amd64 signed-by=%s] %s %s main\n' "$kind" $archive_keyring "$mirror" "$1" > "$dir/sources.list"
    archive_apt apt-get "$1" -o APT::Update::Error-Mode=any update > "$dir/log" 2>&1 ||
        die "cannot read the package list of Debian's suite $1 for $what" "$(archive_errors "$dir/log")" \
            "check that 'apt-get update' works on this machine, then try again"
}

archive_version() {
    archive_apt apt-cache "$1" show "$2" 2> /dev/null | awk '/^Version:/ { print $2; exit }'
}

archive_depends() {
    archive_apt apt-cache "$1" depends --recurse --important "$2" | grep -E '^[a-z0-9]' | sort -u
}

archive_unpack() {
    local suite=$1 target=$2 debs deb
    shift 2
    debs=$(mktemp -d "$archive/debs.XXXXXX")
    (cd "$debs" && archive_apt apt-get "$suite" download "$@") > "$debs/log" 2>&1 ||
        die "cannot download $what ($*)" "$(archive_errors "$debs/log")" \
            "check the network and the space on the disk, then try again"
    mkdir -p "$target"
    for deb in "$debs"/*.deb; do
        dpkg-deb -x "$deb" "$target" || die "cannot unpack $what: dpkg-deb failed on $(basename "$deb")" "is the disk full?"
    done
    rm -rf "$debs"
}

archive_source() {
    local suite=$1 target=$2 package=$3 unpacked
    archive_read "$suite" deb-src
    unpacked=$(mktemp -d "$archive/source.XXXXXX")
    (cd "$unpacked" && archive_apt apt-get "$suite" source "$package") > "$unpacked/log" 2>&1 ||
        die "cannot download $what ($package)" "$(archive_errors "$unpacked/log")" \
            "check the network and the space on the disk, then try again"
    mv "$unpacked"/*/ "$target"
    rm -rf "$unpacked"
}

# cached FOLDER FORMAT COMMAND...: makes FOLDER with COMMAND unless it is there in this FORMAT (a number that is raised
# when what belongs into the folder changes). COMMAND is given a scratch folder and leaves the result in its `made`.
# Two runs at once do not meet: one makes it, the other waits.
cached() {
    local folder=$1 format=$2
    shift 2
    [ "$(cat "$folder/format" 2> /dev/null)" != "$format" ] || return 0
    mkdir -p "$(dirname "$folder")"
    exec 9> "$folder.lock"
    if ! flock -n 9; then
        echo "$what: another run is fetching it; waiting" >&2
        flock 9
    fi
    if [ "$(cat "$folder/format" 2> /dev/null)" != "$format" ]; then
        # What an interrupted run left; nobody else can be at it, because the lock is ours.
        rm -rf "$folder".tmp.*
        scratch=$(mktemp -d "$folder.tmp.XXXXXX")
        trap 'rm -rf "$scratch"' EXIT
        "$@" "$scratch"
        echo "$format" > "$scratch/made/format"
        rm -rf "$folder"
        mv "$scratch/made" "$folder"
        rm -rf "$scratch"
        trap - EXIT
    fi
    exec 9>&-
}
