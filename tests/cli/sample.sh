#!/usr/bin/env bash
# The pages of results/sample are those that this program makes of the databases beside them: every figure and text, and, by the gnuplot
# that drew them, every plot. Small enough to keep, no host or path in them, nothing for a browser's console, valid HTML.
#   tests/cli/sample.sh SPANBENCH
set -euo pipefail
spanbench=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh
gnuplot=$(gnuplot --version 2>/dev/null || echo none)
# shellcheck disable=SC2016 # the backticks are the page's own
drawn_by=$(sed -n 's/^Plots drawn by `\(.*\)`.*/\1/p' results/sample/README.md)

# Numbers may differ by rounding (of SQLite's sums between its versions; of a plot's places by a hundredth), the commit does.
cat >"$work/same.py" <<'P'
"""same.py OURS THEIRS DRAWN: prints `same`, or the first places that differ. DRAWN 0: without the plots."""
import re, sys
NUMBER = re.compile(r"(?<![\w#])(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w])")
PLOT = re.compile(r'<svg class="plot".*?</svg>', re.S)


def parts(path):
    text = open(path, encoding="utf-8").read()
    text = re.sub(r"Written by spanbench [^<]*, from the views", "Written by spanbench, from the views", text)
    plots = PLOT.findall(text)
    return [PLOT.sub("<svg/>", text)] + (plots if sys.argv[3] == "1" else [])


def near(a, b, slack):
    try:
        return abs(float(a) - float(b)) <= slack + 1e-9 * abs(float(a))
    except ValueError:
        return False


bad = []
ours, theirs = parts(sys.argv[1]), parts(sys.argv[2])
if len(ours) != len(theirs):
    bad.append(f"{len(ours) - 1} plots, stored {len(theirs) - 1}")
for i, (a, b) in enumerate(zip(ours, theirs)):
    a, b = NUMBER.split(a), NUMBER.split(b)
    if len(a) != len(b):
        bad.append(f"part {i}: {len(a)} pieces, stored {len(b)}")
    bad += [f"part {i}: {x[-60:]!r}, stored {y[-60:]!r}" for x, y in zip(a, b) if x != y and not near(x, y, 0.011 if i else 0)]
print("same" if not bad else "\n".join(bad[:5]))
P

for name in cpu h100; do
    page=results/sample/$name.html
    stored=results/sample/$name.db
    [ -e "$stored" ] || stored=results/baselines/methods_h100.db
    mkdir "$work/$name.d"
    db=$work/$name.d/$(basename "$stored") # the page has its name
    cp "$stored" "$db"
    case_ok "$name: brought up to date" "$spanbench" db migrate "$db"
    drawn=0
    [ "$gnuplot" = "$drawn_by" ] && drawn=1
    if [ "$gnuplot" != none ]; then
        case_ok "$name: the page" "$spanbench" report "$db" -o "$work/$name.html"
        case_is "$name: the stored page is that page" "same" "$(python3 "$work/same.py" "$work/$name.html" "$page" $drawn)"
    else
        echo "no gnuplot here: $name.html is not compared"
    fi
    case_ok "$name: the database is sound" "$spanbench" db check "$db"
    case_is "$name: below 500 KB" "1" "$(($(stat -c %s "$page") < 500000))"
    case_is "$name: no path of a home" "0" "$(grep -cE '(/home/|/root/|/Users/)' "$page" || true)"
    case_is "$name: no name of a host" "[]" "$("$spanbench" query "$db" "SELECT hosts_json FROM run" --format json |
        python3 -c 'import json,sys; print(sorted({h for r in json.load(sys.stdin) for h in json.loads(r["hosts_json"])} - {"host-1"}))')"
    if command -v tidy >/dev/null; then
        case_is "$name: tidy finds nothing" "" "$(tidy -qe "$page" 2>&1 | grep -v 'proprietary attribute' | head -n 5)"
    fi
    if command -v chromium >/dev/null; then
        case_ok "$name: a browser opens it" timeout 120 chromium --headless=new --no-sandbox --disable-gpu --enable-logging=stderr --v=0 \
            --user-data-dir="$work/profile" --window-size=390,2000 --screenshot="$work/$name.png" "file://$here/$page"
        case_is "$name: and its console stays empty" "0" "$(grep -c 'CONSOLE' "$work/case.log" || true)"
        case_is "$name: and it draws" "1" "$(($(stat -c %s "$work/$name.png") > 20000))"
    else
        echo "no chromium here: $name.html is not opened"
    fi
done

# The comparison finds a figure that was changed.
sed '0,/<td>1024</s//<td>1025</' results/sample/cpu.html >"$work/other.html"
case_is "a figure that was changed is found" "part 0: '1024', stored '1025'" "$(python3 "$work/same.py" results/sample/cpu.html "$work/other.html" 1)"
cases_end
