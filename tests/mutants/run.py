#!/usr/bin/env python3
"""Seeded mutants: small wrong edits that the tests of their method must notice.

    tests/mutants/run.py [--check] [--cuda] [--build DIR] [METHOD ...]

Each tests/mutants/<method>.toml lists mutants:

    [[mutant]]
    name  = "own_block_dropped"            what is wrong
    file  = "kernels/xattention/select.c"  the file that is changed
    old   = "keep[0] = keep[own] = 1;"     text that stands there exactly once
    new   = "keep[0] = 1;"
    tests = "xattention"                   tests (a ctest regular expression) of which one must fail

The sources are copied, built once, and then, mutant by mutant, edited, built and tested. A mutant that survives, does not compile,
or whose text is not found is a failure. --check only looks whether the texts are there, once each. Mutants of *_cuda.toml are run with
--cuda alone: their tests skip themselves where no device is, and a skipped test kills nothing. Exit code 0: all killed.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEYS = {"name", "file", "old", "new", "tests"}


def load(methods, cuda):
    """All mutants of the methods asked for (none: of all), checked against the sources; problems as text."""
    mutants, problems = [], []
    files = sorted((ROOT / "tests/mutants").glob("*.toml"))
    known = [f.stem for f in files]
    problems += [f"{m}: no tests/mutants/{m}.toml; there are {', '.join(known)}" for m in methods if m not in known]
    for path in files:
        if methods and path.stem not in methods or path.stem.endswith("_cuda") and not cuda:
            continue
        for mutant in tomllib.loads(path.read_text())["mutant"]:
            name = f"{path.stem}.{mutant.get('name', '?')}"
            if set(mutant) != KEYS:
                problems.append(f"{name}: keys {sorted(mutant)}, expected {sorted(KEYS)}")
                continue
            source = ROOT / mutant["file"]
            count = source.read_text().count(mutant["old"]) if source.is_file() else 0
            if count != 1:
                problems.append(f"{name}: the text to change stands {count} times in {mutant['file']}, not once")
                continue
            mutants.append((name, mutant))
    return mutants, problems


def run(command, cwd, timeout=600):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return 124, "timeout"
    return done.returncode, done.stdout + done.stderr


class Tree:
    """A copy of the sources and its build."""

    def __init__(self, where, cuda):
        self.source, self.build = where / "src", where / "build"
        shutil.rmtree(self.source, ignore_errors=True)
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (self.source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, self.source / name)
                shutil.copymode(ROOT / name, self.source / name)
        # fresh file times: a build directory of an earlier run may hold a mutant. -O1: mutants are built often and run once
        code, text = run(["cmake", "-S", self.source, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                          "-DCMAKE_C_FLAGS_RELEASE=-O1", f"-DSPAN_CUDA={'ON' if cuda else 'OFF'}", "-DSPAN_WERROR=OFF"], ROOT)
        if code != 0:
            sys.exit(f"configuring the mutants' build failed:\n{text[-4000:]}")
        self.targets = {line.split(":")[0] for line in run(["ninja", "-t", "targets", "all"], self.build)[1].split("\n")}

    def tests(self, pattern):
        """Names of the tests, and what must be built for them."""
        out = run(["ctest", "-N", "-R", pattern], self.build)[1]
        names = [line.split(": ")[1].strip() for line in out.split("\n") if "Test #" in line.replace("  ", " ") and ": " in line]
        return names, [n for n in names if n in self.targets] or ["all"]

    def verdict(self, pattern):
        names, targets = self.tests(pattern)
        if not names:
            return "no such test", ""
        code, text = run(["ninja", *targets], self.build)
        if code != 0:
            return "does not compile", text[-2000:]
        code, text = run(["ctest", "-R", pattern, "--stop-on-failure", "--timeout", "120", "--output-on-failure"], self.build, 1800)
        return ("passes", "") if code == 0 else ("fails", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only look whether the texts are there")
    parser.add_argument("--cuda", action="store_true", help="also the mutants of kernels on the device")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build-mutants", help="where to build (default build-mutants)")
    parser.add_argument("methods", nargs="*", metavar="METHOD")
    options = parser.parse_args()
    mutants, problems = load(options.methods, options.cuda or options.check)
    for problem in problems:
        print(f"FAILED: {problem}")
    if options.check:
        print(f"{len(mutants)} passed, {len(problems)} failed")
        return bool(problems)

    options.build.mkdir(parents=True, exist_ok=True)
    tree = Tree(options.build, options.cuda)
    clean = {}
    killed = 0
    for name, mutant in mutants:
        pattern = mutant["tests"]
        if pattern not in clean:
            clean[pattern], text = tree.verdict(pattern)
            if clean[pattern] != "passes":
                print(f"FAILED: tests '{pattern}' of the unchanged sources: {clean[pattern]}\n{text[-2000:]}")
        start = time.monotonic()
        path = tree.source / mutant["file"]
        original = path.read_text()
        path.write_text(original.replace(mutant["old"], mutant["new"]))
        verdict, text = tree.verdict(pattern)
        path.write_text(original)
        ok = verdict == "fails" and clean[pattern] == "passes"
        killed += ok
        print(f"{'killed' if ok else 'FAILED: ' + verdict}: {name} ({time.monotonic() - start:.1f} s)", flush=True)
        if verdict == "does not compile":
            print(text)
    failed = len(mutants) - killed + len(problems)
    print(f"{killed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
