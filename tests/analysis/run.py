#!/usr/bin/env python3
"""Static analysis of the program's C (harness, kernels, results, workloads), by hand:

    tests/analysis/run.py [cppcheck] [gcc] [clang-tidy] [clang-analyzer] [--build BUILD] [--jobs N] [--files TEXT]

No tool named: the first three. gcc is `gcc -fanalyzer`; .clang-tidy says which checks clang-tidy makes, those that follow paths as
clang-analyzer. All but cppcheck take flags from BUILD/compile_commands.json (build-ci: `cmake --preset ci -G Ninja`, and built once: some
sources are generated). CPU time for all sources: cppcheck 30 s, gcc 7 min, clang-tidy 2 min, clang-analyzer half an hour.
--files: only sources whose path holds TEXT.

A finding is a failure unless known.txt has its tool, check and file with the reason why it stays; so is a line there that nothing matches
any more. What a tool said of a source is kept in build-analysis/ under a hash of all that it read, so a second run asks only about
what changed. Prints findings, then a line that tests/run.sh adds up.
"""
import argparse, collections, concurrent.futures, hashlib, json, os, pathlib, re, resource, shlex, shutil, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build-analysis"
FOLDERS = ("harness/", "kernels/", "results/", "workloads/")
TOOLS = {"cppcheck": "cppcheck", "gcc": "gcc", "clang-tidy": "clang-tidy-14", "clang-analyzer": "clang-tidy-14"}
CLANG_TIDY = {"clang-tidy": "--checks=-clang-analyzer-*",
              "clang-analyzer": "--checks=-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,"
                                "-clang-analyzer-deadcode.DeadStores,-clang-analyzer-optin.performance.Padding"}
FINDING = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):\d+: (?:warning|error|style|performance|portability|fatal error): "
                     r"(?P<text>.*?)(?: \[CWE-\d+\])?(?: \[(?P<check>[\w.,+-]+)\])?$", re.M)
# gcc -fanalyzer at -O0: with inlining paths get longer, findings no better. Other warnings are the ci preset's business (-Werror). Left
# out: leaks, because a block that is handed out through a struct or a second pointer is one to GCC 12 (tests/fault/every_k.py counts
# blocks after every fault, and the leak sanitizer runs in CI); values without initialiser, because what memcpy reads is one to it.
GCC_DROP = re.compile(r"^-(O.*|g\d?|Werror.*|M[DFTQ]?|o|c|fsanitize.*)$")
CPU_S = 120  # a source that takes a tool longer is a finding: too-long
GCC = ["gcc", "-fanalyzer", "-O0", "-fdiagnostics-plain-output", "-fanalyzer-verbosity=0", "-Wno-analyzer-malloc-leak",
       "-Wno-analyzer-use-of-uninitialized-value", "-c", "-o", "/dev/null"]
ASSUME = ROOT / "tests/analysis/assume.h"  # before each source, for those that follow paths
ASSUMING = ("gcc", "clang-analyzer")
CPPCHECK = ["cppcheck", "--quiet", "--std=c11", "--enable=warning,performance,portability", "--inline-suppr", "--library=posix", "-I.",
            "-D_GNU_SOURCE", "-D__x86_64__", "-D__GNUC__=12", "-D__linux__", "-U__CUDACC__", "-U__cplusplus",
            # readdir is safe between threads that read other folders; two variables that begin with one value are no mistake here.
            "--suppress=readdirCalled", "--suppress=duplicateAssignExpression", "--suppress=missingIncludeSystem",
            "--template={file}:{line}:{column}: {severity}: {message} [{id}]"]

Finding = collections.namedtuple("Finding", "tool check file line text")


def inside(path):
    """A path of the tree, relative to its root; None: not one of the program's own."""
    p = os.path.relpath(os.path.join(ROOT, path), ROOT)
    return p if p.startswith(FOLDERS) else None


def findings(tool, output):
    for m in FINDING.finditer(output):
        file = inside(m["file"])
        if file and (tool != "gcc" or (m["check"] or "").startswith("-Wanalyzer")):
            yield Finding(tool, (m["check"] or "error").removeprefix("-Wanalyzer-"), file, int(m["line"]), m["text"])


def compile_commands(build, wanted):
    path = ROOT / build / "compile_commands.json"
    if not path.exists():
        sys.exit(f"{path}: found nothing, wanted a configured build (cmake --preset ci -G Ninja)")
    out = {}
    for e in json.loads(path.read_text()):
        file = inside(e["file"])
        if file and file.endswith(".c") and wanted in file:
            out[file] = (e["directory"], [a for a in shlex.split(e["command"]) if a != "ccache" and not a.endswith("/ccache")])
    return out


def output_of(command, cwd, cpu_s=0):
    limit = (lambda: resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))) if cpu_s else None
    r = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace", preexec_fn=limit)
    return r.returncode, r.stdout + r.stderr


def flags_of(command):
    """Without what makes an output; the source file stays last."""
    flags, skip = [], False
    for a in command[1:]:
        if skip or GCC_DROP.match(a):
            skip = not skip and a in ("-o", "-MF", "-MT", "-MQ")
            continue
        flags.append(a)
    return flags


def ask(tool, file, entry, version, config):
    """What tool says about one source, from the cache where it read the same before."""
    directory, command = entry
    flags = flags_of(command)
    code, text = output_of(["gcc", "-E", *flags], directory)
    if code != 0:
        return f"{file}:1:1: error: the preprocessor fails: {text[-300:]} [error]\n"
    options = GCC if tool == "gcc" else [TOOLS[tool], "--quiet", CLANG_TIDY[tool], str(ROOT / file), "--"]
    if tool in ASSUMING and file not in ("kernels/base/comm.c", "kernels/base/status.c"):
        options = [*options, "-include", str(ASSUME)]
    key = hashlib.sha256("\0".join([version, config, *options, *flags, text]).encode()).hexdigest()
    kept = CACHE / tool / key
    if kept.exists():
        return kept.read_text()
    code, out = output_of([*options, *flags], directory, CPU_S)
    if code == -9 or (code != 0 and "Killed signal" in out):  # the driver's word for it
        out = f"{file}:1:1: error: not done after {CPU_S} s [too-long]\n"
    elif code != 0 and not any(findings(tool, out)):
        return f"{file}:1:1: error: {tool} ends with {code}: {out[-300:]} [error]\n"  # not kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.with_suffix(".part").write_text(out)
    kept.with_suffix(".part").rename(kept)
    return out


def run_cppcheck(a):
    (CACHE / "cppcheck").mkdir(parents=True, exist_ok=True)
    files = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "--", *(f + "*.c" for f in FOLDERS)],
                           cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [f for f in files if a.files in f and (ROOT / f).exists()]
    r = subprocess.run([*CPPCHECK, f"-j{a.jobs}", *([] if a.files else ["--cppcheck-build-dir=build-analysis/cppcheck"]), "--file-list=-"],
                       cwd=ROOT, input="\n".join(files), capture_output=True, text=True)
    out = r.stdout + r.stderr
    return len(files), set(findings("cppcheck", out)) if r.returncode == 0 else {Finding("cppcheck", "error", "-", 0, out[-500:])}


def run_each(tool, a, pool):
    entries = compile_commands(a.build, a.files)
    version = output_of([TOOLS[tool], "--version"], ROOT)[1]
    config = ("" if tool == "gcc" else (ROOT / ".clang-tidy").read_text()) + (ASSUME.read_text() if tool in ASSUMING else "")
    out = pool.map(lambda f: ask(tool, f, entries[f], version, config), entries)
    return len(entries), {f for text in out for f in findings(tool, text)}


def known_lines():
    """(tool, check, file) -> reason"""
    known = {}
    for n, line in enumerate((ROOT / "tests/analysis/known.txt").read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            words = line.split(None, 3)
            if len(words) < 4:
                sys.exit(f"tests/analysis/known.txt:{n}: found {len(words)} words, wanted tool, check, file and a reason")
            known[tuple(words[:3])] = words[3]
    return known


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("tools", nargs="*", choices=[*TOOLS, []])
    p.add_argument("--build", default="build-ci")
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    p.add_argument("--files", default="")
    a = p.parse_args()
    known, used, bad, checks = known_lines(), set(), 0, 0
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for tool in a.tools or list(TOOLS)[:3]:
            if not shutil.which(TOOLS[tool]):
                sys.exit(f"{TOOLS[tool]}: not installed")
            t0 = time.time()
            n, found = run_cppcheck(a) if tool == "cppcheck" else run_each(tool, a, pool)
            new = sorted(f for f in found if f[:3] not in known)
            used |= {f[:3] for f in found}
            for f in new:
                print(f"{f.file}:{f.line}: {f.tool} {f.check}: {f.text}")
            stale = [k for k in known if k[0] == tool and k not in used and not a.files]
            for k in stale:
                print(f"tests/analysis/known.txt: {' '.join(k)}: nothing says so any more")
            bad, checks = bad + len(new) + len(stale), checks + n
            print(f"{tool}: {n} sources, {len(found)} findings, {len(found) - len(new)} known ({time.time() - t0:.0f} s)", flush=True)
    print(f"{100 * max(checks - bad, 0) // max(checks, 1)}%: Checks: {checks}, Failures: {bad}, Errors: 0")
    return 1 if bad or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
