#!/usr/bin/env bash
# `spanbench report` on a database that the program makes: a page that is well-formed, refers to nothing outside, has a table and CSV for
# every section, and a plot where there is something to draw; the text version; errors.
#   tests/cli/report.sh SPANBENCH
set -euo pipefail
spanbench=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh

cat >"$work/s.yaml" <<'Y'
sweep: report
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single], lengths: [1024, 1536], samples: 2, seed: 3, corpus: zipf}
methods:
  - dense
  - {name: a_shape, sink_tokens: 16, window_tokens: 256}
  - {name: streaming_llm, pos: cache}          # the probe cannot: something for coverage
  - linear                                     # untrained
timing: {warmup: 0, repetitions: 1}
Y
db=$work/s.db page=$work/r.html
case_ok "the sweep runs" env OMP_NUM_THREADS=1 "$spanbench" run "$work/s.yaml" --db "$db" --no-table
case_ok "it runs on two ranks" env OMP_NUM_THREADS=1 mpirun -np 2 "$spanbench" run "$work/s.yaml" --db "$db" --no-table
case_ok "the page without plots" "$spanbench" report "$db" -o "$page" --no-plots
case_is "help" "0" "$(code_of "$spanbench" report --help)"
case_is "no database" "2" "$(code_of "$spanbench" report)"
case_is "nothing to write" "2" "$(code_of "$spanbench" report "$db")"
case_is "no such file" "1" "$(code_of "$spanbench" report "$work/none.db" -o "$page")"
case_is "no such folder" "2" "$(code_of "$spanbench" report "$db" --no-plots -o "$work/none/r.html")"
case_is "an unknown option" "2" "$(code_of "$spanbench" report "$db" --colour)"
case_ok "the text" "$spanbench" report "$db" --terminal
case_is "the text has the balance of two ranks" "1" "$(($(sed -n '/^Balance over ranks/,/^Memory/p' "$work/case.log" | grep -cE '^ +1024 +dense +1(\.[0-9]+)? ') == 1))"
case_is "the text has scores with n" "2" "$(grep -cE '^ +[12] +1024 +dense +[0-9.]+ %.* 2 +1 *$' "$work/case.log")"
case_is "and the reason of what did not run" "1" "$(($(grep -cE '^ +unsupported +streaming_llm.*RoPE' "$work/case.log") > 0))"

# Without gnuplot: an error that says what to install, and the page of before stays.
before=$(sha256sum <"$page")
mkdir "$work/bin"
case_is "no gnuplot" "2" "$(PATH=$work/bin code_of "$spanbench" report "$db" -o "$page")"
case_is "what to install" "1" "$(grep -c 'gnuplot-nox' "$work/err")"
case_is "the page of before is left alone" "$before" "$(sha256sum <"$page")"
case_is "and nothing beside it" "1" "$(find "$work" -name 'r.html*' | wc -l)"

cat >"$work/look.py" <<'P'
"""look.py PAGE: one figure or word a line, for case_is."""
import csv, html.parser, io, re, sys, urllib.parse
VOID = {"meta", "link", "br", "hr", "img", "input"}
text = open(sys.argv[1], encoding="utf-8", errors="strict").read()


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.bad, self.ids, self.outside, self.plots, self.csv = [], [], [], [], {}, {}
        self.sections, self.tables, self.none, self.text = [], {}, set(), []

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "section":
            self.sections.append(a["id"])
        at = self.sections[-1] if self.sections else ""
        self.ids += [a["id"]] if "id" in a else []
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "srcset") and not re.match(r"#|data:", value or ""):
                self.outside.append(value)
            if name.startswith("on") or re.search(r"url\((?!#)", value or ""):
                self.outside.append(f"{name}={value}")
        if tag in ("script", "iframe", "object", "embed"):
            self.outside.append(tag)
        if a.get("class") == "plot":
            self.plots[at] = self.plots.get(at, 0) + 1
        if tag == "table":
            self.tables[at] = self.tables.get(at, 0) + 1
        if "download" in a:
            head, _, body = a["href"].partition(",")
            self.csv[at] = list(csv.reader(io.StringIO(urllib.parse.unquote(body), newline="")))
        if a.get("class") == "none":
            self.none.add(at)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        self.text.append(data)


p = Page()
p.feed(text)
p.close()
print("unclosed", p.open, p.bad[:3])
print("outside", p.outside, re.findall(r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9.]+", text.split("</style>")[1])[:3], "@import" in text)
print("twice", sorted({i for i in p.ids if p.ids.count(i) > 1}))
print("sections", len(p.sections), "tables and csv", all((s in p.tables and s in p.csv) != (s in p.none and s not in p.tables) for s in p.sections))
print("csv rows", all(len({len(r) for r in rows}) == 1 and len(rows) > 1 for rows in p.csv.values()))
print("plots without data", sorted(set(p.plots) - set(p.csv)))
print("plots", sum(p.plots.values()), sorted(p.plots))
print("shares in csv", p.csv["tasks"][1][p.csv["tasks"][0].index("score")])
print("untrained", "untrained" in text and "linear" in text)
P
look() { python3 "$work/look.py" "$1"; }
sound="unclosed [] []
outside [] [] False
twice []
sections 19 tables and csv True
csv rows True
plots without data []"
case_is "a sound page" "$sound
plots 0 []
shares in csv 1
untrained True" "$(look "$page")"
if command -v gnuplot >/dev/null; then
    case_ok "the page with plots" "$spanbench" report "$db" -o "$page"
    # on 1 and 2 ranks: means, tasks, losses, speed-ups of attention and prefill, density, recall, memory; clouds and phases at 2 lengths;
    # needles of 3 methods; scaling of 2 phases x 2 lengths x 2 shardings; traffic and waits of prefill and decode on 2 ranks. What dense reaches: 2, where
    # a BLAS was found
    case_is "a sound page with plots" "$sound" "$(look "$page" | sed -n 1,6p)"
    n=$(look "$page" | sed -n 's/^plots \([0-9]*\).*/\1/p')
    case_is "every plot" "1" "$((n == 42 || n == 44))"
    echo "$n plots"
    case_ok "once more" "$spanbench" report "$db" -o "$work/again.html"
    case_ok "the same page" cmp "$page" "$work/again.html"
    case_is "on standard output too" "$(sha256sum <"$page")" "$("$spanbench" report "$db" -o - | sha256sum)"
    if command -v tidy >/dev/null; then
        case_is "tidy finds nothing" "" "$(tidy -qe "$page" 2>&1 | grep -v 'proprietary attribute' | head -n 5)"
    else
        echo "no tidy here: its check is left out"
    fi
else
    echo "no gnuplot here: pages with plots are left out"
fi
cases_end
