#!/usr/bin/env python3
"""The tree's rules as one test: who may include whom, which file may touch which library, names, sizes.

  check_layout.py ROOT               check the sources
  check_layout.py --symbols LIB...   check that static libraries export sb_ and sbi_ names only
  check_layout.py --baseline LIB...  check that only the objects chosen at run time (*_avx2.c, *_avx512.c) hold AVX instructions
  check_layout.py --needed PROGRAM   check that the program needs no CUDA or NCCL library to start
  check_layout.py --self-test        plant a violation of every source rule in a scratch tree; each must be found

Prints one line a finding and, last, a line that tests/run.sh adds up. A rule is one check.
"""
import os
import re
import subprocess
import sys
import tempfile

# Folder -> (floor, step). A file includes lower floors, lower steps of its own floor's chain, and its own folder. Folders that
# share floor and step are neighbours and do not know each other. Longest match wins; a method is kernels/<anything else>.
FLOORS = {
    "kernels/base": (0, 0),
    "kernels/backend": (1, 0),
    "workloads/base": (1, 0),
    "workloads/tokenizer": (1, 1),
    "workloads/metrics": (1, 1),
    "workloads": (1, 3),  # registry.c
    "results/stats": (1, 0),
    "results/store": (1, 1),
    "results/names": (1, 2),
    "results/gate": (1, 3),
    "results/report": (1, 3),
    "kernels/exec": (2, 0),
    "kernels/nn": (2, 0),
    "kernels": (4, 0),  # registry.c
    "harness/tensors": (5, -1),
    "harness/config": (5, 0),
    "harness/watch": (5, -1),
    "harness/comm": (5, 0),
    "harness/shard": (5, 1),
    "harness/model": (5, 2),
    "harness/plan": (5, 3),
    "harness/run": (5, 4),
    "harness/score": (5, 4),
    "harness/gen": (5, 4),
    "harness/batch": (5, 4),
    "harness/cli": (5, 5),
    "tests": (6, 0),
}
METHOD = (3, 0)
SUITE = (1, 2)

# Header -> folders that may include it; tests may always.
LIBRARIES = {
    r"mpi\.h": ["harness/comm", "harness/cli"],
    r"nccl\.h": ["harness/comm"],
    r"sqlite3\.h": ["results/store"],
    r"yaml\.h": ["harness/config"],
    r"pcre2\.h": ["workloads/tokenizer"],
    r"csv\.h": ["harness/score"],
    r"utf8proc\.h": ["workloads/tokenizer", "workloads/metrics"],
}
# The only places that end the process outside harness/cli: the second Ctrl-C, and leaving a broken MPI job on behalf of main().
MAY_EXIT = {"harness/run/stop.c", "harness/comm/launch.c"}
# C against NVIDIA's C libraries, without device code.
MAY_USE_CUDA = {"kernels/exec/cudnn.c", "kernels/exec/cudnn_library.h", "kernels/backend/cublaslt_library.h",
                "kernels/backend/cuda_stream.h"}
# What turns a stream of ours into CUDA's; all others ask it (sb_cuda_stream), so that NULL is no legacy default stream.
MAY_CAST_STREAMS = {"kernels/backend/cuda_stream.cu", "kernels/backend/cuda.cu"}
GENERATED = {"spanbench_build.h", "spanbench_commit.h"}
MAX_LINES = 800
WRITTEN_BY_PROGRAM = {"results/SCHEMA.md"}  # and compared with it by a test: nobody edits it
UNFINISHED = ["TO" + "DO", "FIX" + "ME"]
C_FILES = (".c", ".h", ".cu", ".cuh")
TEXT_FILES = C_FILES + (".py", ".sh", ".cmake", ".sql", ".yaml", ".md", ".txt", ".in", ".json")


def home(path):
    """The folder that stands for a file in FLOORS, and its place."""
    parts = path.split("/")
    folder = "/".join(parts[:2]) if len(parts) > 2 else parts[0]
    if parts[0] == "tests":
        folder = "tests"
    if folder in FLOORS:
        return folder, FLOORS[folder]
    if parts[0] == "kernels":
        return folder, METHOD
    if parts[0] == "workloads":
        return folder, SUITE
    return folder, None


def may_include(path, target):
    a, at = home(path)
    b, below = home(target)
    if a == b:
        return True
    if at is None or below is None or below >= at:
        return False
    top_a, top_b = a.split("/")[0], b.split("/")[0]
    if below[0] == at[0]:
        return top_a == top_b  # a lower step, but of the same part of the tree
    if top_a == "kernels":
        return top_b == "kernels"  # no kernel knows a workload or the store
    return True


def strip(text):
    """C without comments, strings and character constants; line numbers kept."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0)) if m.group(0)[0] == "/" else '""'
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = self.list_files()
        self.text = {}
        for f in self.files:
            if f.endswith(TEXT_FILES) or os.path.basename(f) in ("CMakeLists.txt", "run"):
                with open(os.path.join(root, f), encoding="utf-8", errors="replace") as h:
                    self.text[f] = h.read()
        self.code = {f: strip(t) for f, t in self.text.items() if f.endswith(C_FILES)}

    def list_files(self):
        """What git tracks or would track; without git, everything but build folders."""
        git = subprocess.run(["git", "-C", self.root, "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True)
        if git.returncode == 0 and os.path.exists(os.path.join(self.root, ".git")):
            names = git.stdout.splitlines()
        else:
            names = []
            for folder, dirs, files in os.walk(self.root):
                dirs[:] = [d for d in dirs if not d.startswith((".git", "build"))]
                names += [os.path.relpath(os.path.join(folder, f), self.root) for f in files]
        return sorted(f for f in set(names) if os.path.isfile(os.path.join(self.root, f)))


def includes(tree):
    for f in tree.code:
        for n, line in enumerate(tree.text[f].split("\n"), 1):
            m = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if m:
                yield f, n, m.group(1), m.group(2)


def rule_floors(tree):
    """includes go down the floors only"""
    for f, n, _, inc in includes(tree):
        if inc in tree.code and not may_include(f, inc):
            yield f"{f}:{n}: includes {inc}, which is not on a lower floor"


def rule_root(tree):
    """own headers are included by their path from the root"""
    for f, n, mark, inc in includes(tree):
        if mark == '"' and inc not in tree.code and inc not in GENERATED:
            yield f'{f}:{n}: "{inc}" is no file of the repository, counted from its root'
        if mark == "<" and inc in tree.code:
            yield f"{f}:{n}: <{inc}> is our own: write it in quotes"


def rule_homeless(tree):
    """every source file has a floor"""
    for f in tree.code:
        if home(f)[1] is None:
            yield f"{f}: folder {home(f)[0]} stands on no floor"


def rule_libraries(tree):
    """mpi.h, nccl.h, sqlite3.h, yaml.h, pcre2.h, utf8proc.h, csv.h stay behind their folder"""
    for f, n, _, inc in includes(tree):
        for header, folders in LIBRARIES.items():
            if re.fullmatch(r"(.*/)?" + header, inc) and home(f)[0] not in folders + ["tests"]:
                yield f"{f}:{n}: {inc} belongs to {', '.join(folders)}"


def rule_cuda(tree):
    """CUDA headers stay in .cu files, but for the host code of MAY_USE_CUDA"""
    for f, n, _, inc in includes(tree):
        if re.match(r"(cuda|cublas|cudnn|nvml)\w*\.h", inc) and not f.endswith((".cu", ".cuh")) and f not in MAY_USE_CUDA:
            yield f"{f}:{n}: {inc} outside a .cu file"


def arguments(text):
    """Of a list of arguments, how many."""
    depth, n = 0, 1
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        n += c == "," and depth == 0
    return n


def rule_streams(tree):
    """nothing is queued on the legacy default stream, which cannot be captured"""
    for f, code in tree.code.items():
        if f.startswith("tests/"):
            continue
        for m in re.finditer(r"<<<(.*?)>>>", code, flags=re.S):
            if arguments(m.group(1)) < 4:
                yield f"{f}:{code.count(chr(10), 0, m.start()) + 1}: a launch without a stream"
        for m in re.finditer(r"\bcuda(Mem(cpy|set)\w*(?<!Async)|DeviceSynchronize)\s*\(", code):
            yield f"{f}:{code.count(chr(10), 0, m.start()) + 1}: cuda{m.group(1)} is of the legacy default stream"
        for m in re.finditer(r"static_cast<cudaStream_t>|\(cudaStream_t\)", code):
            if f not in MAY_CAST_STREAMS:
                yield f"{f}:{code.count(chr(10), 0, m.start()) + 1}: a stream that sb_cuda_stream was not asked for"


def rule_underscores(tree):
    """no reserved names of ours"""
    for f, code in tree.code.items():
        for n, line in enumerate(code.split("\n"), 1):
            for m in re.finditer(r"\b[A-Za-z]\w*__\w*|\b_[a-z0-9]+\w*__\w*", line):
                yield f"{f}:{n}: {m.group(0)} holds a double underscore (reserved in C++)"
            m = re.match(r"\s*#\s*define\s+(__\w+)", line) or re.search(r"\b(?:struct|enum|union|typedef.*)\s(__\w+)\s*[;{]", line)
            if m:
                yield f"{f}:{n}: {m.group(1)} starts with a double underscore (reserved)"


def rule_typedefs(tree):
    """types are named without _t"""
    for f, code in tree.code.items():
        for m in re.finditer(r"\btypedef\b[^;{}]*?\b(sbi?_\w+_t)\s*;|^\}\s*(sbi?_\w+_t)\s*;", code, flags=re.M):
            yield f"{f}:{code.count(chr(10), 0, m.start()) + 1}: {m.group(1) or m.group(2)} ends in _t"


def rule_lengths(tree):
    """files stay readable"""
    for f, text in tree.text.items():
        lines = text.count("\n")
        if lines > MAX_LINES and not f.startswith("tests/golden/") and f not in WRITTEN_BY_PROGRAM:
            yield f"{f}: {lines} lines, at most {MAX_LINES}"


def rule_unfinished(tree):
    """nothing is left for later in the tree"""
    for f, text in tree.text.items():
        for n, line in enumerate(text.split("\n"), 1):
            for word in UNFINISHED:
                if word in line:
                    yield f"{f}:{n}: {word}"


def rule_guards(tree):
    """a header's guard is its path"""
    for f, code in tree.code.items():
        # *_impl.h is a body that several files include on purpose
        if f.endswith(".h") and not f.endswith("_impl.h") and not f.startswith("tests/"):
            want = "SB_" + re.sub(r"\W", "_", f).upper()
            m = re.search(r"^#ifndef (\w+)\n#define (\w+)", code, flags=re.M)
            if not m or m.group(1) != m.group(2) or m.group(1) != want:
                yield f"{f}: guard {m.group(1) if m else 'missing'}, expected {want}"


def rule_exits(tree):
    """library code never exits or prints"""
    for f, code in tree.code.items():
        if f.startswith(("tests/", "harness/cli/")):
            continue
        for n, line in enumerate(code.split("\n"), 1):
            m = re.search(r"(?<![\w.>])(exit|_exit|abort|printf|puts|putchar|perror)\s*\(", line)
            if m and not (m.group(1) == "_exit" and f in MAY_EXIT):
                yield f"{f}:{n}: {m.group(1)}() outside harness/cli"


RULES = [rule_floors, rule_root, rule_homeless, rule_libraries, rule_cuda, rule_streams, rule_underscores, rule_typedefs, rule_lengths,
         rule_unfinished, rule_guards, rule_exits]


def finish(checks, failures):
    failures = int(failures)
    print(f"{100 * (checks - failures) // max(checks, 1)}%: Checks: {checks}, Failures: {failures}, Errors: 0")
    return 1 if failures else 0


def check(root):
    tree = Tree(root)
    failures = 0
    for rule in RULES:
        found = list(rule(tree))
        failures += bool(found)
        for line in found:
            print(f"{rule.__name__[5:]}: {line}")
    print(f"{len(tree.code)} C files, {len(tree.text)} text files")
    return finish(len(RULES), failures)


def tool(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout


def report(what, bad):
    for line in bad:
        print(f"{os.path.basename(what)}: {line}")
    return bool(bad)


def symbols(libraries):
    """Names that a library defines for others: ours start with sb_ or sbi_. C++ parts (.cu objects) mangle their own."""
    def foreign(lib):
        for line in tool("nm", "-A", "--defined-only", "--extern-only", lib).splitlines():
            where, kind, name = line.rsplit(None, 2)
            if ".cu.o" not in where and not re.match(r"sbi?_|__(odr_asan|gcov|asan|ubsan)", name):
                yield f"{where.split(':')[1]} exports {name} ({kind})"
    return finish(len(libraries), sum(report(lib, list(foreign(lib))) for lib in libraries))


def baseline(libraries):
    """AVX registers, or VEX-encoded names, outside the files that are entered only after asking the CPU."""
    def beyond(lib):
        member, seen = "", set()
        for line in tool("objdump", "-d", "--no-show-raw-insn", lib).splitlines():
            m = re.match(r"(\S+\.o):\s+file format", line)
            if m:
                member = m.group(1)
            elif re.search(r"%[yz]mm|\tv(?!err|erw|mcall|mfunc)[a-z0-9]+\s.*%xmm", line) and member not in seen:
                if not re.search(r"_avx(2|512)\.c\.o$", member):
                    seen.add(member)
                    yield f"{member}: {line.strip()}"
    return finish(len(libraries), sum(report(lib, list(beyond(lib))) for lib in libraries))


def needed(program):
    """CUDA comes in by dlopen or not at all, so that one program starts everywhere."""
    names = re.findall(r"NEEDED\s+(\S+)", tool("objdump", "-p", program))
    bad = [n for n in names if re.match(r"lib(cuda|nccl|cublas|cudnn|nvidia|nvrtc|nvJitLink)", n)]
    print(" ".join(names))
    return finish(1, report(program, [f"needs {n} to start" for n in bad]))


# One planted violation a rule; the tree is clean without it.
PLANTED = [
    ("rule_floors", "kernels/base/a.c", '#include "kernels/exec/e.h"\n'),
    ("rule_floors", "kernels/hip/h.c", '#include "kernels/dense/d.h"\n'),
    ("rule_floors", "kernels/exec/x.c", '#include "results/store/s.h"\n'),
    ("rule_floors", "kernels/nn/x.c", '#include "kernels/exec/e.h"\n'),
    ("rule_floors", "workloads/base/x.c", '#include "workloads/probe/p.h"\n'),
    ("rule_floors", "results/store/x.c", '#include "workloads/base/w.h"\n'),
    ("rule_floors", "harness/shard/x.c", '#include "harness/run/r.h"\n'),
    ("rule_floors", "harness/config/x.c", '#include "harness/comm/c.h"\n'),
    ("rule_root", "kernels/base/a.c", '#include "b.h"\n'),
    ("rule_root", "kernels/exec/a.c", '#include "../base/b.h"\n'),
    ("rule_homeless", "extras/a.c", "int sb_x;\n"),
    ("rule_libraries", "harness/run/x.c", "#include <mpi.h>\n"),
    ("rule_libraries", "harness/cli/x.c", "#include <sqlite3.h>\n"),
    ("rule_libraries", "kernels/base/x.c", "#include <yaml.h>\n"),
    ("rule_libraries", "harness/cli/x.c", "#include <nccl.h>\n"),
    ("rule_libraries", "workloads/base/x.c", "#include <pcre2.h>\n"),
    ("rule_libraries", "workloads/base/x.c", "#include <utf8proc.h>\n"),
    ("rule_libraries", "workloads/base/x.c", "#include <csv.h>\n"),
    ("rule_cuda", "kernels/exec/x.c", "#include <cuda_runtime.h>\n"),
    ("rule_streams", "kernels/exec/x.cu", "void f(void) { g<<<dim3(1, 2), h(3, 4), 0>>>(a, b); }\n"),
    ("rule_streams", "kernels/exec/x.cu", "void f(void) { cudaMemcpy(a, b, 1, c); }\n"),
    ("rule_streams", "kernels/exec/x.cu", "void f(void) { cudaDeviceSynchronize(); }\n"),
    ("rule_streams", "kernels/exec/x.cu", "void f(void *s) { g(static_cast<cudaStream_t>(s)); }\n"),
    ("rule_underscores", "kernels/base/a.c", "static int sb__x;\n"),
    ("rule_underscores", "kernels/base/a.c", "#define __SB_A 1\n"),
    ("rule_typedefs", "kernels/base/a.c", "typedef struct sb_x sb_x_t;\n"),
    ("rule_lengths", "kernels/base/a.c", "\n" * (MAX_LINES + 1)),
    ("rule_unfinished", "README.md", UNFINISHED[0] + ": later\n"),
    ("rule_guards", "kernels/base/g.h", "#ifndef SB_G_H\n#define SB_G_H\n#endif\n"),
    ("rule_exits", "results/store/x.c", "static void f(void) { exit(1); }\n"),
    ("rule_exits", "kernels/base/x.c", 'static void f(void) { printf("x"); }\n'),
]
CLEAN = {
    "kernels/exec/y.cu": "void f(void) { g<<<dim3(1, 2), 3, 0, s>>>(a); cudaMemcpyAsync(a, b, 1, c, s); }\n",
    "harness/run/stop.c": "static void f(void) { _exit(75); }\n",
    "kernels/base/b.h": "",
    "kernels/exec/e.h": "",
    "kernels/dense/d.h": "",
    "workloads/base/w.h": "",
    "workloads/probe/p.h": "",
    "results/store/s.h": "",
    "harness/run/r.h": "",
    "harness/comm/c.h": "",
    "kernels/dense/d.c": '#include <stdio.h>\n#include "kernels/exec/e.h"\n#include "kernels/dense/d.h"\n'
                         "/* never exit(1) or print: __x, the word in a comment */\nconst char *sb_s = \"exit( a__b\";\n"
                         "void sb_p(void) { (void)snprintf(0, 0, \"x\"); __builtin_unreachable(); }\n",
    "kernels/registry.c": '#include "kernels/dense/d.h"\n',
    "workloads/registry.c": '#include "workloads/probe/p.h"\n',
    "harness/cli/main.c": '#include <mpi.h>\n#include "harness/run/r.h"\n#include "results/store/s.h"\n#include "spanbench_build.h"\n',
    "tests/unit/t.c": '#include <sqlite3.h>\n#include "harness/run/r.h"\n',
}


def self_test():
    failures = 0

    def run(extra, want):
        nonlocal failures
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **extra}.items():
                if path.endswith(".h") and path not in extra:
                    guard = "SB_" + re.sub(r"\W", "_", path).upper()
                    text = f"#ifndef {guard}\n#define {guard}\n#endif\n"
                os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as h:
                    h.write(text)
            tree = Tree(root)
            found = sorted({rule.__name__ for rule in RULES for _ in rule(tree)})
            if found != want:
                failures += 1
                print(f"planted {list(extra)} {list(extra.values())!r:.80}: found {found}, expected {want}")

    run({}, [])
    for rule, path, text in PLANTED:
        run({path: text}, [rule])
    return finish(1 + len(PLANTED), failures)


def main(args):
    modes = {"--symbols": symbols, "--baseline": baseline, "--needed": lambda a: needed(*a)}
    if args == ["--self-test"]:
        return self_test()
    if len(args) >= 2 and args[0] in modes:
        return modes[args[0]](args[1:])
    if len(args) == 1 and os.path.isdir(args[0]):
        return check(args[0])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
