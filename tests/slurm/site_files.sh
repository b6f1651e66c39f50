#!/usr/bin/env bash
# What a site installs: program, manual page, module file, example site, as `cmake --install` puts them; and the Spack recipes.
#   tests/slurm/site_files.sh SPANBENCH BUILD
set -euo pipefail
spanbench=$(realpath "$1")
build=$(realpath "$2")
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. "$here/tests/cli/cases.sh"
prefix=$work/pre\ fix
case_ok "install" cmake --install "$build" --prefix "$prefix"
case_ok "the installed program starts" "$prefix/bin/spanbench" --version
case_ok "the example site is a site" "$prefix/bin/spanbench" sbatch "$here/tests/cli/sbatch/sweep.yaml" --site "$prefix/share/spanbench/sites/example.yaml" --results "$work/r"

# ---- the manual page: every verb, every line of every --help ----
page="$prefix/share/man/man1/spanbench.1"
if command -v groff >/dev/null; then
    case_is "man: no warnings" "" "$(groff -man -ww -z "$page" 2>&1)"
    # nothing wraps at this width; the indentation is man's, dashes are ASCII's
    groff -man -Tascii -rLL=400n -P-c -P-b -P-o -P-u "$page" >"$work/man" 2>/dev/null
    missing=0 verbs=0
    while read -r verb; do
        verbs=$((verbs + 1))
        case_is "man: section of $verb" "1" "$(grep -cx "${verb^^}" "$work/man")"
        "$spanbench" "$verb" --help >"$work/help"
        while IFS= read -r line; do
            line=$(echo "$line" | iconv -f UTF-8 -t ASCII//TRANSLIT | sed 's/^ *//; s/ *$//')
            [ -z "$line" ] || grep -qF -- "$line" "$work/man" || { missing=$((missing + 1)) && echo "not in the page: $line"; }
        done <"$work/help"
    done < <("$spanbench" --help | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p' | grep -vx spanbench)
    case_is "man: no line is lost" "0" "$missing"
    case_ok "man: the verbs" test "$verbs" -ge 10
else
    echo "groff is not installed: the manual page is not rendered"
fi

# ---- the module file, by an interpreter with the commands of Environment Modules ----
module=$(find "$prefix/share/spanbench/modulefiles/spanbench" -type f)
case_is "module: named by the version" "$(cat "$here/VERSION")" "$(basename "$module")"
case_is "module: the magic line" "#%Module1.0" "$(head -n 1 "$module")"
if command -v tclsh >/dev/null; then
    cat >"$work/module.tcl" <<'T'
foreach name {conflict module-whatis} { proc $name args {} }
proc prepend-path {name value} { puts "$name $value" }
proc setenv {name value} { puts "$name $value" }
set ModulesCurrentModulefile [lindex $argv 0]
source $ModulesCurrentModulefile
ModulesHelp
T
    case_is "module: what it sets" "PATH $prefix/bin MANPATH $prefix/share/man SPANBENCH_CONFIGS $prefix/share/spanbench/configs SPANBENCH_SITES $prefix/share/spanbench/sites" \
        "$(tclsh "$work/module.tcl" "$module" 2>/dev/null | xargs -d '\n')"
    while read -r _ path; do case_ok "module: $path" test -d "$path"; done < <(tclsh "$work/module.tcl" "$module" 2>/dev/null)
else
    echo "tclsh is not installed: the module file is not run"
fi

case_ok "spack recipes" python3 "$here/tests/slurm/spack_lint.py" "$here"
case_ok "container definition" "$here/tests/slurm/container.sh"
cases_end
