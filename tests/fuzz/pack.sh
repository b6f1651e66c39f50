#!/usr/bin/env bash
# A folder to fuzz with on another machine, by hand: all fuzzers (clang, sanitizers) with their libraries and seeds in one archive, and
# packed.sh as its run.sh. That machine needs glibc 2.35, bash, coreutils, tar and gzip.
#   tests/fuzz/pack.sh FOLDER        then there: FOLDER/run.sh SECONDS OUTDIR
# Call stacks of a finding name functions; for lines, feed its input to build-fuzz/tests/fuzz_NAME.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,5s/^# //p' "$0" >&2 && exit 2; }
mkdir -p "$1"
to=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
build="build-fuzzpack"
generator=Ninja
command -v ninja >/dev/null || generator="Unix Makefiles"
mkdir -p "$build"
# libstdc++ is libFuzzer's alone and would ask for this machine's glibc: what it wants of it is there for random_device, which nobody makes.
{ cmake --preset fuzz -B "$build" -G "$generator" -DCMAKE_EXE_LINKER_FLAGS="-nostdlib++ -Wl,-Bstatic,-lstdc++,-Bdynamic,--defsym=arc4random=0" &&
    cmake --build "$build" --target fuzzers --parallel; } >"$build/pack.log" 2>&1 || { tail -n 30 "$build/pack.log" && exit 1; }

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
mkdir "$made/bin" "$made/lib" "$made/seeds"
for seeds in "$build"/tests/fuzz_*.seeds; do
    name=$(basename "$seeds" .seeds)
    name=${name#fuzz_}
    strip -S -o "$made/bin/fuzz_$name" "$build/tests/fuzz_$name"
    ldd "$build/tests/fuzz_$name" | awk '$3 ~ /^\// && $1 !~ /^lib(c|m|dl|rt|pthread)\.so/ {print $3}' |
        while IFS= read -r lib; do cp -n "$lib" "$made/lib/"; done
    head -n 1 "$seeds" >"$made/seeds/$name.max"
    mkdir "$made/seeds/$name"
    while IFS= read -r pattern; do
        for f in $pattern; do
            if [ -f "$f" ]; then cp "$f" "$made/seeds/$name/$(sha1sum <"$f" | cut -c 1-40)"; fi
        done
    done < <(tail -n +2 "$seeds")
done
cp --parents tests/fixtures/schema/v7.db "$made" # the database that fuzz_query asks
tar -C "$made" -czf "$to/fuzzers.tar.gz" .
cp tests/fuzz/packed.sh "$to/run.sh"
chmod +x "$to/run.sh"
du -sh "$to"
