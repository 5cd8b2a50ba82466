#!/usr/bin/env bash
# Fetches Debian's mail servers for tests and benchmarks. Nothing is installed, configured or started, and no user is
# created. Usage: bench/postfix-tools.sh DIR [exim]
#
# Afterwards smtp-sink and smtp-source are in DIR/bin, Postfix's daemons are in DIR/postfix, and exim4, if requested, is
# in DIR/exim. The script prints variables that name these programs; `eval "$(bench/postfix-tools.sh DIR)"` sets them.
set -euo pipefail

dir=${1:?usage: $0 DIR [exim]}
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)

fetch() { # PACKAGE FOLDER: download the package and unpack it into the folder, unless that was done before
    [ -e "$dir/$2/.done" ] && return
    local from
    from=$(mktemp -d)
    (cd "$from" && apt-get -o APT::Sandbox::User=root download -qq "$1" >&2) || { rm -rf "$from"; return 1; }
    dpkg -x "$from"/*.deb "$dir/$2"
    rm -rf "$from"
    touch "$dir/$2/.done"
}

fetch postfix postfix
for tool in smtp-sink smtp-source; do
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$dir/postfix/usr/lib/postfix" "$dir/postfix/usr/sbin/$tool" >"$dir/bin/$tool"
    chmod +x "$dir/bin/$tool"
done
case $("$dir/bin/smtp-sink" 2>&1 || true) in
    *usage*) ;;
    *) echo "smtp-sink does not run here" >&2 && exit 1 ;;
esac
echo "export SMTP_SINK=$dir/bin/smtp-sink SMTP_SOURCE=$dir/bin/smtp-source POSTFIX=$dir/postfix"

if [ "${2:-}" = exim ]; then
    fetch exim4-daemon-light exim
    # exim4 needs libraries that a minimal system lacks; they are unpacked into DIR/exim-libs.
    LD_LIBRARY_PATH="$dir/exim-libs/usr/lib/$(uname -m)-linux-gnu" ldd "$dir/exim/usr/sbin/exim4" | awk '/not found/ {print $1}' >"$dir/exim.missing"
    while read -r library; do
        case $library in
            libgnutls-dane*) fetch libgnutls-dane0 exim-libs ;;
            libunbound*) fetch libunbound8 exim-libs ;;
            libidn.so*) fetch libidn12 exim-libs ;;
            libspf2*) fetch libspf2-2 exim-libs ;;
            *) echo "exim needs $library, which is not here" >&2 ;;
        esac
        rm -f "$dir/exim-libs/.done"
    done <"$dir/exim.missing"
    rm "$dir/exim.missing"
    echo "export EXIM=$dir/exim/usr/sbin/exim4 EXIM_LIBS=$dir/exim-libs/usr/lib/$(uname -m)-linux-gnu"
fi
