#!/usr/bin/env bash
# quickstart.sh --no-install as an ordinary user whose libraries lie in a prefix: missing ones are named all at once; shared and
# static builds work and use the prefix, not the system. Needs root (for the user), a network (for the packages) and a system with
# compiler, cmake, pkg-config and Open MPI. Takes minutes, so ctest leaves it out:  tests/no_install.sh [--keep]
set -euo pipefail
[ "$(id -u)" -eq 0 ] || { echo "no_install.sh: needs root, to create the user" >&2 && exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d) user=spantest$$
clean() {
    userdel "$user" 2>/dev/null || true
    [ "${keep:-}" = yes ] || rm -rf "$work"
}
[ "${1:-}" = --keep ] && keep=yes && echo "kept: $work"
trap clean EXIT
chmod 755 "$work"
useradd --home-dir "$work/home" --create-home --shell /bin/bash "$user"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}
# as_user COMMAND...: with nothing of this shell's environment, in the copy of the tree
as_user() {
    runuser -u "$user" -- env -i PATH="$PATH" HOME="$work/home" bash -c "cd ~/spanbench && $*"
}

# A release archive: the files, no .git.
mkdir "$work/home/spanbench"
(cd "$root" && { git -c safe.directory="$root" ls-files -co --exclude-standard 2>/dev/null || find . -type f -not -path './build*'; } |
    while IFS= read -r f; do [ -f "$f" ] && printf '%s\0' "$f"; done | tar -c --null -T -) | tar -x -C "$work/home/spanbench"

# The build is what is tested: one sample of the short length is enough of a run. The file's exclude names a longer one.
sed -i -E 's/samples: [0-9]+/samples: 1/; s/lengths: \[.*\]/lengths: [1024]/; /^exclude:/,$d' "$work/home/spanbench/configs/quickstart.yaml"

# The prefix: Debian packages unpacked, their pkg-config files pointed at it.
echo "== prefix"
start=$SECONDS
mkdir "$work/debs" && chmod 777 "$work/debs"
(cd "$work/debs" && apt-get -q download libsqlite3-dev libsqlite3-0 libyaml-dev libyaml-0-2 libjansson-dev libjansson4 libssl-dev \
    libssl3 libxxhash-dev libxxhash0 libpcre2-dev libpcre2-8-0 libutf8proc-dev libutf8proc2 libcsv-dev libcsv3) >"$work/download.log" 2>&1 || { cat "$work/download.log" && fail "apt-get download"; }
for deb in "$work"/debs/*.deb; do
    dpkg -x "$deb" "$work/home/prefix"
done
prefix=$work/home/prefix/usr
sed -i "s|=/usr|=$prefix|" "$prefix"/lib/*/pkgconfig/*.pc
cp -r "$prefix"/include/*-linux-gnu/. "$prefix/include" # Debian's compiler knows that folder, a prefix has none
chown -R "$user:" "$work/home"
echo "prefix made ($((SECONDS - start)) s)"

echo "== what is missing is named at once"
rc=0
as_user "PKG_CONFIG_LIBDIR=/nonexistent ./quickstart.sh --no-install" >"$work/missing.log" 2>&1 || rc=$?
cat "$work/missing.log"
[ $rc -eq 2 ] || fail "exit code $rc, expected 2"
for name in libsqlite3-dev libyaml-dev libjansson-dev libssl-dev libxxhash-dev libpcre2-dev libutf8proc-dev; do
    grep -q "$name" "$work/missing.log" || fail "$name is not named"
done

# libraries: where the program's shared libraries come from
libraries() {
    ldd "$work/home/spanbench/build/spanbench" | grep -E 'libsqlite3|libyaml|libjansson|libcrypto|libxxhash|libpcre2-8|libutf8proc|libcsv' || true
}

echo "== shared"
start=$SECONDS
as_user "./quickstart.sh --cpu --no-install --prefix $prefix"
echo "shared: $((SECONDS - start)) s"
libraries
[ "$(libraries | grep -c "$prefix")" -eq 8 ] || fail "not all eight libraries come from the prefix"
as_user "cmake --install build --prefix ~/installed >/dev/null && ~/installed/bin/spanbench --version" | grep -q "commit *unknown" ||
    fail "the installed program does not start, or a tree without .git has a commit"

echo "== static"
start=$SECONDS
as_user "./quickstart.sh --cpu --no-install --prefix $prefix -- -DSPAN_STATIC_DEPS=ON" >/dev/null
echo "static: $((SECONDS - start)) s (samples of the shared build are found again)"
libraries
[ -z "$(libraries)" ] || fail "a library is still shared"
as_user "mv $prefix $prefix.gone && build/spanbench --version"
echo "passed"
