#!/usr/bin/env python3
"""The Spack recipes, without Spack: they are run against a recorder of the directives, and what they record is held against the build.

  spack_lint.py ROOT       prints a line a finding and, last, a line that tests/run.sh adds up
"""
import os
import re
import sys
import types

# Debian package of slurm/lib/packages-debian.txt -> Spack package
NAMES = {
    "cmake": "cmake", "pkg-config": "pkgconfig", "libopenmpi-dev": "mpi", "libsqlite3-dev": "sqlite", "libyaml-dev": "libyaml",
    "libjansson-dev": "jansson", "libssl-dev": "openssl", "libxxhash-dev": "xxhash", "libpcre2-dev": "pcre2",
    "libutf8proc-dev": "utf8proc", "libcsv-dev": "libcsv", "libopenblas0": "openblas", "gnuplot-nox": "gnuplot", "gcc": "c",
}
ELSEWHERE = {"libc6-dev", "ninja-build", "git", "openmpi-bin"}  # what Spack or another package of the list brings


class Recorder(types.ModuleType):
    def __init__(self):
        super().__init__("spack.package")
        self.calls = []
        for name in ("license", "version", "variant", "depends_on", "maintainers", "conflicts"):
            setattr(self, name, lambda *a, _n=name, **k: self.calls.append((_n, a, k)))

        class Base:
            run_tests = False

            def __init__(self, on):
                self.on = on
                self.spec = self

            def satisfies(self, text):
                return text.lstrip("+") in self.on

            def define(self, name, value):
                return f"-D{name}={'ON' if value else 'OFF'}"

            def define_from_variant(self, name, variant):
                return self.define(name, variant in self.on)
        for name in ("CMakePackage", "AutotoolsPackage", "CudaPackage"):
            setattr(self, name, type(name, (Base,), {}))

    def load(self, path):
        self.calls = []
        space = {"__file__": os.path.abspath(path)}
        sys.modules["spack"] = types.ModuleType("spack")
        sys.modules["spack.package"] = self
        with open(path, encoding="utf-8") as f:
            exec(compile(f.read(), path, "exec"), space)  # noqa: S102: our own file
        want = "".join(w.capitalize() for w in os.path.basename(os.path.dirname(path)).split("-"))
        return space.get(want), list(self.calls)


def deb_packages(root):
    on = False
    with open(os.path.join(root, "slurm/lib/packages-debian.txt"), encoding="utf-8") as f:
        for line in f:
            if line.startswith("# ["):
                on = line.startswith("# [build]")
            elif on and line.strip() and not line.startswith("#"):
                yield line.split()[0]


def main(root):
    checks = failures = 0

    def check(ok, text):
        nonlocal checks, failures
        checks += 1
        if not ok:
            failures += 1
            print(text)
    folder = os.path.join(root, "slurm/spack/packages")
    recorder = Recorder()
    recipes = {p: recorder.load(os.path.join(folder, p, "package.py")) for p in sorted(os.listdir(folder))}
    for name, (cls, calls) in recipes.items():
        check(cls is not None, f"{name}: no class of its name")
        check(cls and cls.__doc__, f"{name}: no description")
        for word in ("license", "version"):
            check(any(c[0] == word for c in calls), f"{name}: no {word}")
        check(getattr(cls, "homepage", "").startswith(("https://", "file:///")), f"{name}: no homepage")
    cls, calls = recipes["spanbench"]
    check(cls.git == "file://" + os.path.abspath(root), f"spanbench: builds {cls.git}")
    needs = {re.split(r"[@+]", a[0])[0]: (a[0], k) for n, a, k in calls if n == "depends_on"}
    for deb in deb_packages(root):
        check(deb in ELSEWHERE or NAMES.get(deb) in needs, f"spanbench: nothing for the Debian package {deb}")
    with open(os.path.join(root, "CMakeLists.txt"), encoding="utf-8") as f:
        cmake = f.read()
    with open(os.path.join(root, "cmake/SpanDeps.cmake"), encoding="utf-8") as f:
        deps = f.read()
    least = re.search(r"cmake_minimum_required\(VERSION ([\d.]+)", cmake).group(1)
    check(needs["cmake"][0] == f"cmake@{least}:", f"spanbench: cmake is not @{least}:")
    least = re.search(r"sqlite3>=([\d.]+)", deps).group(1)
    check(needs["sqlite"][0] == f"sqlite@{least}:", f"spanbench: sqlite is not @{least}:")
    options = set(re.findall(r"(?:option|set)\((SPAN_[A-Z_]+)", cmake))
    for on in ((), ("cuda",), ("cuda", "nccl")):
        for arg in cls(on).cmake_args():
            check(re.match(r"-D(\w+)=", arg).group(1) in options, f"spanbench: {arg} is no option of CMakeLists.txt")
    check("-DSPAN_CUDA=ON" in cls(("cuda",)).cmake_args() and "-DSPAN_CUDA=OFF" in cls(()).cmake_args(), "spanbench: +cuda")
    check("-DSPAN_NCCL=OFF" in cls(("cuda",)).cmake_args() and "-DSPAN_NCCL=ON" in cls(("cuda", "nccl")).cmake_args(), "spanbench: +nccl")
    print(f"{100 * (checks - failures) // checks}%: Checks: {checks}, Failures: {failures}, Errors: 0")
    return failures > 0


sys.exit(main(sys.argv[1]))
