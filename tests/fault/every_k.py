#!/usr/bin/env python3
"""The k-th allocation, write, fsync, rename or MPI call fails, for k = 1, 2, ... until a run has fewer of them.

    tests/fault/every_k.py SPANBENCH INJECT_LIBRARY [--all | --sites | --sample N] [--verbs run,merge,...] [--kinds alloc,...] [--jobs N] [--seed N]
    tests/fault/every_k.py SPANBENCH INJECT_LIBRARY --mpi [--all | --sample N] [--kinds mpi,alloc]

Without --all: the first N of each kind and N random others; --sites: the first, second and last call from each place of the code that makes
them (by the innermost FAULT_FRAMES return addresses, 4), which for libraries' allocations is what can be had instead of all. After each fault: no signal and no hang; exit code 0 or 1 (2 where the
program cannot tell a file that it cannot read from one that is wrong); a line on stderr whenever it is not 0; what was there before is
still there; no block of the program's or its libraries' is left; and the same command without the fault ends well with the same result.
--mpi: on two ranks one fails, hangs or is killed at its k-th call, with a watchdog of 2 s: all ranks leave, with 0, 1, 124 or 137;
alloc: one of them has no memory at its k-th allocation, and both leave together with 0 or 1, without the watchdog.
"""
import argparse, collections, concurrent.futures, hashlib, os, pathlib, random, shutil, subprocess, sys, tempfile, time

LIMIT_S = 60
SWEEP = """sweep: every_k
experiment: {experiment}
backend: cpu
{what}methods: [{{name: a_shape, sink_tokens: 64, window_tokens: 128}}]
sharding: {sharding}
timing: {{warmup: 0, repetitions: 1}}
"""
TASK = "model: {name: probe}\nworkloads:\n  - {suite: probe, tasks: [niah_single], lengths: [1024], samples: 1, seed: 11}\n"
GEN = """sweep: every_k
tokenizer: characters
workloads:
  - {suite: niah, tasks: all, lengths: [4096], depths: 2, buffer_tokens: 300, samples: 2}
"""


def digest(path):
    """Of a file, or of a folder's files and their names."""
    path, h = pathlib.Path(path), hashlib.sha256()
    for f in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if f.is_file():
            h.update(str(f.relative_to(path) if path.is_dir() else "").encode() + f.read_bytes())
    return h.hexdigest()


def left_of(command):
    """Processes that have the command's last words, by name and with what they wait in: a hang of ours, or of the launcher alone."""
    out = []
    for p in pathlib.Path("/proc").iterdir():
        try:
            words = (p / "cmdline").read_bytes().split(b"\0")[:-1] if p.name.isdigit() else []
            if words and words[-3:] == [os.fsencode(w) for w in command[-3:]]:
                out.append(f"{(p / 'comm').read_text().strip()} {p.name} in {(p / 'wchan').read_text()}")
        except OSError:
            pass  # it ended meanwhile
    return out


# mpirun alone, with every rank gone: README.md, The launcher.
LAUNCHER = ("launcher hangs", "launcher crashes")


class Verb:
    """arguments(dir): the command in a fresh folder made by prepare(dir); kept(dir), after the fault, and same(dir), after the command
    ran again without one: "" or what is wrong."""

    def __init__(self, name, program, base):
        self.name, self.program, self.base = name, program, base

    def call(self, *arguments, fault="", library=None, log=None, hit=None, sites=None, ranks=1, cwd=None, limit=LIMIT_S):
        env = dict(os.environ, OMP_NUM_THREADS="1", XDG_CACHE_HOME=str(self.base / "cache"))
        command = [self.program, *map(str, arguments)]
        if library:
            extra = {"FAULT": fault, "LD_PRELOAD": str(library), **({"FAULT_LOG": str(log)} if log else {}),
                     **({"FAULT_HIT": str(hit)} if hit else {}), **({"FAULT_SITES": str(sites)} if sites else {})}
            if ranks == 1:
                env.update(extra)
            else:
                command = ["env", *(f"{k}={v}" for k, v in extra.items()), *command]
        if ranks > 1:
            command = ["mpirun", "-np", str(ranks), *command]
        with subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace") as p:
            try:
                out, err = p.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                left = left_of(command)
                p.kill()
                _, err = p.communicate()
                return ("launcher hangs" if ranks > 1 and all(x.startswith("mpirun ") for x in left) else "hangs"), "", \
                    f"still there: {', '.join(left) or 'nothing'}; {err}"
        if ranks > 1 and p.returncode < 0:
            return "launcher crashes", out, f"signal {-p.returncode}; {err}"
        return p.returncode, out, err

    def sound(self, db):
        code, out, err = self.call("db", "check", db)
        return "" if code == 0 else f"db check: {out} {err}"

    def equal(self, a, b):
        code, out, err = self.call("db", "diff", a, b)
        return self.sound(b) or ("" if code == 0 else f"db diff: {out} {err}")


class Run(Verb):
    def prepare(self, d):
        (d / "s.yaml").write_text(SWEEP.format(experiment="task", what=TASK, sharding="[allgather, ring]"))

    def first(self, d, ranks=1):
        """Something measured before: the database of one point."""
        if not (self.base / f"begun{ranks}.db").exists():
            db = self.base / f"begun{ranks}.db"
            code, _, err = self.call("run", d / "s.yaml", "--db", db, "--point", "0", "--no-table", ranks=ranks)
            assert code == 0, err
            code, _, err = self.call("run", d / "s.yaml", "--db", self.base / f"whole{ranks}.db", "--no-table", ranks=ranks)
            assert code == 0, err
        shutil.copy(self.base / f"begun{ranks}.db", d / "x.db")

    def arguments(self, d):
        return ["run", d / "s.yaml", "--db", d / "x.db", "--no-table"]

    def kept(self, d, ranks=1):
        code, out, _ = self.call("query", d / "x.db", "SELECT count(*) FROM sample", "--format", "csv")
        before = self.call("query", self.base / f"begun{ranks}.db", "SELECT count(*) FROM sample", "--format", "csv")[1]
        if code != 0 or int(out.split()[-1]) < int(before.split()[-1]):
            return f"samples: {out!r}, before {before!r}"
        return self.sound(d / "x.db")

    def same(self, d, ranks=1):
        return self.equal(self.base / f"whole{ranks}.db", d / "x.db")


class Fresh(Run):
    """As run, into a database that is not there yet."""

    def first(self, d, ranks=1):
        super().first(d, ranks)
        (d / "x.db").unlink()

    def kept(self, d, ranks=1):
        if not (d / "x.db").exists() or (d / "x.db").stat().st_size == 0:
            return ""
        out = self.sound(d / "x.db")
        return "" if "not a spanbench database (it is empty)" in out else out


class Merge(Run):
    def first(self, d, ranks=1):
        super().first(d)
        shutil.copy(self.base / "whole1.db", d / "shard.db")

    def arguments(self, d):
        return ["db", "merge", d / "x.db", d / "shard.db"]

    def kept(self, d, ranks=1):
        if digest(d / "shard.db") != digest(self.base / "whole1.db"):
            return "the shard was changed"
        return super().kept(d)


class Migrate(Verb):
    def prepare(self, d):
        shutil.copy(pathlib.Path(__file__).parent.parent / "fixtures/schema/v3.db", d / "x.db")

    def first(self, d):
        if not (self.base / "migrated.db").exists():
            shutil.copy(d / "x.db", self.base / "migrated.db")
            code, _, err = self.call("db", "migrate", self.base / "migrated.db")
            assert code == 0, err

    def arguments(self, d):
        return ["db", "migrate", d / "x.db"]

    def kept(self, d):
        return ""  # one transaction a step; what is there is asked after the command ran again

    def same(self, d):
        return self.equal(self.base / "migrated.db", d / "x.db")


class Report(Run):
    """plots are gnuplot's; the page that was there is still there, or the new one is."""

    def first(self, d, ranks=1):
        super().first(d)
        shutil.copy(self.base / "whole1.db", d / "x.db")
        (d / "page.html").write_text("the page before")
        self.before = digest(d / "page.html")
        if not hasattr(self, "page"):
            self.page = None

    def arguments(self, d):
        return ["report", d / "x.db", "-o", d / "page.html", "--no-plots"]

    def kept(self, d, ranks=1):
        text = (d / "page.html").read_text()
        if text != "the page before" and not text.rstrip().endswith("</html>"):
            return f"half a page: {text[-80:]!r}"
        left = [f.name for f in d.iterdir() if "part" in f.name]
        return f"left behind: {left}" if left else self.sound(d / "x.db")

    def same(self, d, ranks=1):
        text = (d / "page.html").read_text()
        return "" if text.rstrip().endswith("</html>") else "no page"


class Gen(Verb):
    def prepare(self, d):
        (d / "g.yaml").write_text(GEN)

    def first(self, d):
        if not (self.base / "made").exists():
            code, _, err = self.call("gen", d / "g.yaml", "-o", self.base / "made", "--no-cache")
            assert code == 0, err

    def arguments(self, d):
        return ["gen", d / "g.yaml", "-o", d / "out", "--no-cache"]

    def kept(self, d):
        half = [f for f in (d / "out").rglob("*.jsonl") if f.read_bytes()[-1:] != b"\n"] if (d / "out").exists() else []
        return f"half a file under its name: {half}" if half else ""

    def same(self, d):
        rows = {f.name: digest(f) for f in (self.base / "made").rglob("*.jsonl")}
        here = {f.name: digest(f) for f in (d / "out").rglob("*.jsonl")}
        return "" if rows == here else f"other rows: {sorted(here)}"


VERBS = {"run": Run, "fresh": Fresh, "merge": Merge, "migrate": Migrate, "report": Report, "gen": Gen}
KINDS = ["alloc", "lib", "write", "sync", "rename"]


def counts_of(path):
    return {k: int(v) for k, v in (line.split() for line in path.read_text().splitlines())}


def with_folder(verb, fn):
    d = pathlib.Path(tempfile.mkdtemp(dir=verb.base))
    try:
        verb.prepare(d)
        verb.first(d)
        return fn(d)
    finally:
        shutil.rmtree(d, ignore_errors=True)


def clean_run(verb, library):
    """-> (calls by kind, {kind: [k of the first, second and last call from each place]}, places by kind)."""
    def fn(d):
        code, out, err = verb.call(*verb.arguments(d), library=library, log=d / "log", sites=d / "sites")
        assert code == 0, f"{verb.name}: {out} {err}"
        wrong = verb.same(d)
        assert not wrong, f"{verb.name}: {wrong}"
        ks, places = collections.defaultdict(set), collections.Counter()
        for line in (d / "sites").read_text().splitlines():
            kind, *calls = line.split()
            ks[kind] |= set(map(int, calls)) - {0}
            places[kind] += 1
        return counts_of(d / "log"), ks, places
    return with_folder(verb, fn)


def one(verb, library, kind, k, clean):
    """-> (outcome, what is wrong or "")."""
    def fn(d):
        number = {"write": 28, "sync": 5, "rename": 5}.get(kind, 12)
        stay = " stay=1" if kind in ("write", "sync") and k % 2 else ""
        code, out, err = verb.call(*verb.arguments(d), library=library, log=d / "log",
                                   fault=f"kind={kind} k={k} errno={number}{stay}")
        if code not in (0, 1, 2):
            return str(code), f"exit code {code}: {err[-400:]}"
        log = counts_of(d / "log")
        if code != 0 and not err.strip():
            return str(code), "no message"
        if not log["hit"]:
            return "none", ""
        if log["live"] > clean["live"]:
            return str(code), f"{log['live'] - clean['live']} blocks left"
        wrong = verb.kept(d)
        if not wrong:
            again, out, err2 = verb.call(*verb.arguments(d))
            wrong = f"again: exit code {again}: {err2[-400:]}" if again != 0 else verb.same(d)
        return str(code), f"{wrong} (first: {code}: {err.strip()[-300:]})" if wrong else ""
    return with_folder(verb, fn)


def choose(n, a):
    if a.all or n <= 2 * a.sample:
        return list(range(1, n + 1))
    return list(range(1, a.sample + 1)) + sorted(random.sample(range(a.sample + 1, n + 1), a.sample))


def report_table(table, wrong, t0):
    for (name, kind), c in table.items():
        print(f"{name:8} {kind:40} {sum(c.values()):6} faults: " + ", ".join(f"{v} x {k}" for k, v in sorted(c.items())))
    for w in wrong[:40]:
        print("FAILED", w)
    total = sum(sum(c.values()) for c in table.values())
    print(f"{100 * (total - len(wrong)) // max(total, 1)}%: Checks: {total}, Failures: {len(wrong)}, Errors: 0   ({time.time() - t0:.0f} s)")
    return 1 if wrong or total == 0 else 0


def verbs_main(a, base):
    t0, table, wrong = time.time(), {}, []
    print(f"seed {a.seed}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for name in a.verbs.split(","):
            verb = VERBS[name](name, a.program, base)
            clean, of_sites, places = clean_run(verb, a.library)
            for kind in a.kinds.split(","):
                ks = sorted(of_sites[kind]) if a.sites else choose(clean[kind], a)
                what = f"{kind} ({clean[kind]} calls from {places[kind]} places)"
                c = table[name, what] = collections.Counter()
                for k, (code, bad) in zip(ks, pool.map(lambda k: one(verb, a.library, kind, k, clean), ks)):
                    c["not reached" if code == "none" else f"code {code}"] += 1
                    if bad:
                        wrong.append(f"{name}, {kind} {k}: {bad}")
                print(f"{name} {kind}: {len(ks)} faults, {len(wrong)} findings so far ({time.time() - t0:.0f} s)", flush=True)
    return report_table(table, wrong, t0)


# ---- MPI ----
MPI_WATCHDOG_S = (2, 15)  # the second where the machine is so busy that the first comes before the fault
MPI_LEAVE_S = 30  # from the fault to the last rank's end, beyond the watchdog's: the other ranks' lines and the launcher take 1 to 4 s
ALLOWED = {"hang": (124,), "kill": (124, 137), "fail": (0, 1, 124), "no memory": (0, 1)}


def rows_of(verb, db):
    """What a fault left in a database: that and nothing else decides how the same command goes on."""
    tables = verb.call("query", db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1", "--format", "csv")[1].split()[1:]
    sql = " UNION ALL ".join(f"SELECT '{t}', count(*) FROM {t}" for t in tables)
    return sql and verb.call("query", db, sql + " UNION ALL SELECT status, count(*) FROM sample GROUP BY status", "--format", "csv")[1]


def mpi_fault(verb, a, kind, what, k, rank, watchdog, d):
    """-> (outcome, seconds from the fault to the end, what is wrong or "")."""
    verb.prepare(d)
    verb.first(d, 2)
    hit = d / "hit"
    code, _, err = verb.call(*verb.arguments(d), "--watchdog", watchdog, library=a.library, ranks=2, hit=hit,
                             fault=f"kind={kind} k={k} do={what if kind == 'mpi' else 'fail errno=12'} rank={rank}")
    if not hit.exists():
        return "not reached", 0, ""
    s = time.time() - hit.stat().st_mtime - watchdog
    bad = ""
    if code in LAUNCHER and "watchdog: rank" in err:
        s = 0
    elif code not in ALLOWED[what]:
        bad = f"exit code {code}, allowed {ALLOWED[what]}: {err[-600:]}"
    elif code != 0 and not err.strip():
        bad = "no message"
    elif s > MPI_LEAVE_S:
        bad = f"{s:.0f} s from the fault to the end beyond the watchdog's {watchdog}, allowed {MPI_LEAVE_S}"
    return code, s, bad or verb.kept(d, 2)


def mpi_again(verb, d):
    again, _, err = verb.call(*verb.arguments(d), ranks=2)
    return f"again: exit code {again}: {err[-400:]}" if again != 0 else verb.same(d, 2)


def mpi_main(a, base):
    t0, table, wrong, longest, resumed = time.time(), {}, [], 0, set()
    verb = Run("run", a.program, base)
    root = pathlib.Path(tempfile.mkdtemp(dir=base))
    verb.prepare(root)
    verb.first(root, 2)
    code, _, err = verb.call(*verb.arguments(root), library=a.library, log=root / "log", ranks=2)
    assert code == 0, err
    n = {kind: [counts_of(root / f"log.{r}")[kind] for r in (0, 1)] for kind in a.kinds.split(",")}
    print(f"seed {a.seed}; calls of ranks 0 and 1: {n}", flush=True)

    def fault(job):
        kind, what, k, rank = job
        for watchdog in MPI_WATCHDOG_S:
            d = pathlib.Path(tempfile.mkdtemp(dir=base))
            code, s, bad = mpi_fault(verb, a, kind, what, k, rank, watchdog, d)
            if code != "not reached" and not (kind == "alloc" and code == 124):
                break
        if code == "not reached" and k <= n[kind][rank] - 20:
            bad = f"not reached, though rank {rank} makes {n[kind][rank]} calls"
        state = rows_of(verb, d / "x.db")
        if not bad and (a.all or state not in resumed):
            resumed.add(state)
            bad = mpi_again(verb, d)
        shutil.rmtree(d, ignore_errors=True)
        return code, s, bad

    jobs = []
    for kind in n:
        for i, k in enumerate(choose(max(n[kind]), a)):
            rank = (k + i // 3) % 2
            jobs.append((kind, ("fail", "hang", "kill")[i % 3] if kind == "mpi" else "no memory", k,
                         rank if k <= n[kind][rank] else 1 - rank))
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for (kind, what, k, rank), (code, s, bad) in zip(jobs, pool.map(fault, jobs)):
            longest = max(longest, s)
            table.setdefault(("run x 2", f"{what}"), collections.Counter())[code if isinstance(code, str) else f"code {code}"] += 1
            if bad:
                wrong.append(f"{kind} call {k} of rank {rank}, {what}: {bad}")
                print("FAILED so far:", wrong[-1], flush=True)
    print(f"{longest:.1f} s at most from a fault to the last rank's end beyond the watchdog's; {len(resumed)} states of a database, each resumed to the same facts")
    return report_table(table, wrong, t0)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("program")
    p.add_argument("library")
    p.add_argument("--all", action="store_true")
    p.add_argument("--sites", action="store_true")
    p.add_argument("--mpi", action="store_true")
    p.add_argument("--sample", type=int, default=2)
    p.add_argument("--seed", type=int, default=time.time_ns() % 1000000, help="printed; the same one chooses the same k")
    p.add_argument("--jobs", type=int, default=0, help="at once; default 2, --mpi 8: most of the time they wait")
    p.add_argument("--verbs", default=",".join(VERBS))
    p.add_argument("--kinds", help=f"default {','.join(KINDS)}; --mpi: mpi")
    a = p.parse_args()
    a.program, a.library = os.path.abspath(a.program), os.path.abspath(a.library)
    a.kinds = a.kinds or ("mpi" if a.mpi else ",".join(KINDS))
    a.jobs = a.jobs or (8 if a.mpi else 2)
    random.seed(a.seed)
    base = pathlib.Path(tempfile.mkdtemp())
    try:
        return (mpi_main if a.mpi else verbs_main)(a, base)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
