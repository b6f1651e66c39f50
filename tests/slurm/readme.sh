#!/usr/bin/env bash
# The lines of slurm/README.md, as they stand there: from git clone to a merged report in a Slurm of this host's own. What is replaced:
# the compiler's work (cmake links the program that is tested) and the editor's (a site file of this cluster).
#   tests/slurm/readme.sh SPANBENCH
set -euo pipefail
spanbench=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/slurm/cluster.sh
. "$here/tests/slurm/cluster.sh"
cluster_start 2
start=$SECONDS
awk '/^```bash/ {on = 1; next} /^```/ {exit} on' "$here/slurm/README.md" >lines.sh
case_is "ten lines" "10" "$(wc -l <lines.sh)"

mkdir bin
cat >bin/cmake <<X
#!/bin/bash
case \$1 in
    --preset) grep -q "\"name\": \"\$2\"" CMakePresets.json ;;
    --build) mkdir -p "\$2" && ln -s "$spanbench" "\$2/\${4:?}" ;;
    *) exit 2 ;;
esac
X
cat >bin/editor <<X
#!/bin/bash
grep -q '^site: example' "\$1" || exit 1
cat >"\$1" <<Y
site: here
$(cluster_environment)
node_local: $work/disk
machine: none
node: {tasks: 2, cores: 2}
limits: {minutes: 9, throttle: 2}
time: {start_s: 10, signal_s: 30, sample_s: 20, element_s: 40}
Y
X
chmod +x bin/*
mkdir disk
# a repository of what is here, committed or not
mkdir url
git -C "$here" -c safe.directory='*' ls-files -z -co --exclude-standard | (cd "$here" && xargs -0 ls -d 2>/dev/null | tar -c -T -) | tar -x -C url
git -C url init -q
git -C url add -A
git -C url -c user.name=n -c user.email=e@example.org commit -q -m all
rc=0
URL=$work/url EDITOR=$work/bin/editor PATH=$work/bin:$PATH bash -euo pipefail lines.sh >out 2>err || rc=$?
case_is "the lines" "0" "$rc"
[ $rc -eq 0 ] || cat out err
case_is "every point has its sample" "8" "$(sqlite3 spanbench/results/attention.db 'SELECT count(DISTINCT point_id * 100000 + input_id) FROM sample WHERE NOT is_anchor')"
case_ok "the table" grep -q 'xattention' out
case_ok "the page" grep -q '</html>' spanbench/results/attention.html
case_ok "sound" "$spanbench" db check spanbench/results/attention.db
echo "$((SECONDS - start)) s"
cases_end
