#!/usr/bin/env bash
# The Apptainer definition without Apptainer: its %files and %post in a clean Debian 12 (debootstrap, chroot), then its %test there.
# By hand, as root: some minutes, most of them the compiler's. Without --build only what a look can tell.
#   tests/slurm/container.sh [--build]
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
definition=$here/slurm/container/spanbench.def
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. "$here/tests/cli/cases.sh"

# section NAME: its lines
section() { awk -v want="%$1" '/^%/ {on = $1 == want; next} on' "$definition"; }

for name in files post environment runscript test; do
    case_is "%$name is there" "1" "$(grep -c "^%$name" "$definition")"
    section $name >"$work/$name"
done
for name in post environment runscript test; do
    case_ok "%$name: sh -n" sh -n "$work/$name"
    if command -v shellcheck >/dev/null; then case_ok "%$name: shellcheck" shellcheck -s dash -S warning -e SC1091 "$work/$name"; fi
done
case_is "no list of packages of its own" "0" "$(grep -cE 'apt-get|lib[a-z0-9]+-dev' "$work/post" || true)"
case_is "the header" "docker debian:bookworm" "$(sed -n 's/^Bootstrap: //p; s/^From: //p' "$definition" | xargs)"

if [ "${1:-}" = --build ]; then
    for program in debootstrap chroot git; do command -v $program >/dev/null || { echo "skipped: no $program"; exit 77; }; done
    start=$SECONDS root=$work/root
    debootstrap --variant=minbase bookworm "$root" >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
    echo "debootstrap: $((SECONDS - start)) s"
    while read -r from to; do # what %files copies, as a clone has it
        mkdir -p "$root$to"
        git -C "$here" ls-files -z "$from" | tar -C "$here" --null -T - -c | tar -C "$root$to" -x
    done < <(sed 's/^ *//; /^$/d' "$work/files")
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    for name in post test; do
        { cat "$work/environment"; cat "$work/$name"; } >"$root/$name"
        start=$SECONDS
        case_ok "%$name in a clean chroot" chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
            CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-}" /bin/sh -e "/$name"
        echo "%$name: $((SECONDS - start)) s"
        tail -n 3 "$work/case.log"
    done
    case_is "%runscript passes arguments on" "spanbench" \
        "$(chroot "$root" /usr/bin/env -i PATH=/opt/spanbench/bin:/usr/bin:/bin /bin/sh -c "$(cat "$work/runscript")" x --version | grep -o '^spanbench')"
    case_is "nothing of the source is left" "0" "$(find "$root/opt/spanbench-source" 2>/dev/null | wc -l)"
fi
cases_end
