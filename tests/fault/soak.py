#!/usr/bin/env python3
"""A long soak, by hand: a sweep on two ranks whose ranks and jobs are killed every few seconds, for MINUTES.

    . slurm/lib/mpi_env.sh && tests/fault/soak.py SPANBENCH [--minutes N] [--seed N] [--every SECONDS]

First the sweep runs once without a kill (about a tenth of the time): the reference. Then the same sweep is killed at random moments, one
rank or the whole job (SIGKILL), and started again on its database until it is finished, then from nothing, until the time is over; the
last one is let finish. After each kill `db check` passes, no stored sample is gone, and no process of the job is left; whenever a sweep
is finished, `db diff` finds the facts of the reference. Memory: of each rank of the reference the slope of its resident memory over the
last three quarters of the run, of the killed jobs that of their high water (VmHWM) over the samples stored before they started, and of
the highest of each few minutes over the time (a job that is killed as it starts has not had its own yet). All must be flat: less than
2 MiB, or 3 % of what is resident, over all of the run. Seeded; prints what happened, and every few minutes kills, sweeps, high water.
"""
import argparse, os, pathlib, random, select, shutil, signal, statistics, subprocess, sys, tempfile, time

SWEEP = """sweep: soak
experiment: task
backend: cpu
model: {{name: probe}}
workloads:
  - {{suite: probe, tasks: [niah_single], lengths: [1024], samples: {samples}, seed: 11}}
methods: [{{name: a_shape, sink_tokens: 64, window_tokens: 512}}, power_attention]
sharding: [{{name: allgather, layout: zigzag}}]
timing: {{warmup: 0, repetitions: 1}}
"""
RANKS = 2
LOOK_S = 0.25  # between two looks at a job's memory
TELL_S = 180  # between two lines


class Soak:
    def __init__(self, program, base, seed):
        self.program, self.base, self.random = program, base, random.Random(seed)
        self.sweep = base / "sweep.yaml"
        self.env = dict(os.environ, OMP_NUM_THREADS="1", XDG_CACHE_HOME=str(base / "cache"))

    def verb(self, *arguments):
        r = subprocess.run([self.program, *map(str, arguments)], env=self.env, capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr

    def must(self, *arguments):
        code, text = self.verb(*arguments)
        if code != 0:
            sys.exit(f"{' '.join(map(str, arguments))}: exit code {code}: {text}")
        return text

    def stored(self, db):
        return int(self.must("query", db, "SELECT count(*) FROM sample", "--format", "csv").split()[-1]) if db.exists() else 0

    def start(self, db):
        """In a session of its own, so that all of it can be killed at once."""
        with open(self.base / "log", "w") as log:
            return subprocess.Popen(["mpirun", "-np", str(RANKS), self.program, "run", self.sweep, "--db", db, "--no-table"],
                                    env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def ranks(self, db):
        """{rank: pid} of the processes that run this program on this database."""
        out = {}
        for p in pathlib.Path("/proc").iterdir():
            try:
                words = (p / "cmdline").read_bytes().split(b"\0") if p.name.isdigit() else []
                if words and words[0] == os.fsencode(self.program) and os.fsencode(db) in words:
                    env = (p / "environ").read_bytes().split(b"\0")
                    out[next(int(e.split(b"=")[1]) for e in env if e.startswith(b"OMPI_COMM_WORLD_RANK="))] = int(p.name)
            except (OSError, StopIteration):
                pass  # it ended meanwhile
        return out

    def gone(self, db):
        """Waits for the end of each process, which are children of a killed mpirun and not ours."""
        until = time.time() + 20
        while left := self.ranks(db):
            for pid in left.values():
                try:
                    fd = os.pidfd_open(pid)
                except ProcessLookupError:
                    continue
                ended, _, _ = select.select([fd], [], [], max(0, until - time.time()))
                os.close(fd)
                if not ended:
                    sys.exit(f"a process of the killed job is still there: {left}")

    def finished(self, db, reference):
        self.must("db", "check", db)
        code, text = self.verb("db", "diff", reference, db)
        if code != 0:
            sys.exit(f"other facts than an uninterrupted run: {text}")


def resident(pid, key="VmRSS"):
    """KiB; None: gone."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
    except OSError:
        pass
    return None


def slope(points):
    """Growth from the first x to the last by the line of least squares; 0 where there is no line."""
    xs = [x for x, _ in points]
    if len(set(xs)) < 3:
        return 0.0
    return statistics.linear_regression(xs, [y for _, y in points]).slope * (max(xs) - min(xs))


def verdict(what, points):
    """Growth in KiB as text, and whether it is flat."""
    grown, level = slope(points), statistics.median(y for _, y in points)
    print(f"memory: {what}: {level / 1024:.1f} MiB, grows by {grown:+.0f} KiB over {len(points)} looks", flush=True)
    return grown <= max(2048, 0.03 * level)


def watch(soak, db, job, until, memory, key="VmRSS"):
    """Looks at the job's memory until it ends (its exit code) or the time has come (None)."""
    t0, pids = time.time(), {}
    while job.poll() is None and time.time() < until:
        if len(pids) < RANKS:
            pids = soak.ranks(db)
        for rank, pid in pids.items():
            kib = resident(pid, key)
            if kib:
                memory.setdefault(rank, []).append((time.time() - t0, kib))
        try:
            job.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            pass
    return job.poll()


def reference_run(soak, minutes):
    """Sized to a tenth of the time."""
    db = soak.base / "reference.db"
    soak.sweep.write_text(SWEEP.format(samples=1))
    t0 = time.time()
    if soak.start(soak.base / "one.db").wait() != 0:
        sys.exit((soak.base / "log").read_text())
    one = time.time() - t0
    samples = max(2, round(minutes * 60 / 10 / one))
    soak.sweep.write_text(SWEEP.format(samples=samples))
    memory, t0 = {}, time.time()
    if watch(soak, db, soak.start(db), t0 + 1e6, memory) != 0:
        sys.exit((soak.base / "log").read_text())
    soak.must("db", "check", db)
    s = time.time() - t0
    print(f"uninterrupted: {s:.0f} s, {soak.stored(db)} stored samples", flush=True)
    flat = [verdict(f"rank {r}", [p for p in points if p[0] > s / 4]) for r, points in sorted(memory.items())]
    return db, all(flat)


def kill_one(soak, db, job):
    """-> what was killed."""
    alive = sorted(soak.ranks(db).items())
    if alive and soak.random.random() < 0.5:
        rank, pid = soak.random.choice(alive)
        what = f"rank {rank}"
        victims = [pid]
    else:
        what, victims = "job", [pid for _, pid in alive]
        os.killpg(job.pid, signal.SIGKILL)
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    job.wait()
    soak.gone(db)
    return what


class Peaks:
    """High waters of ranks, each over what was stored before its job and over the time."""

    def __init__(self):
        self.t0, self.stored, self.time, self.told, self.highest = time.time(), [], [], 0, []

    def add(self, before, kib):
        self.stored.append((before, kib))
        self.time.append((time.time() - self.t0, kib))

    def tell(self, kills, rounds):
        if self.told == len(self.time) or self.time[-1][0] < (self.time[self.told - 1][0] if self.told else 0) + TELL_S:
            return
        new = [kib for _, kib in self.time[self.told:]]
        print(f"{self.time[-1][0] / 60:.0f} min: {sum(kills.values())} kills, {rounds} sweeps finished; high water of {len(new)} ranks "
              f"{min(new) / 1024:.1f} to {max(new) / 1024:.1f} MiB", flush=True)
        self.told = len(self.time)
        self.highest.append((self.time[-1][0], max(new)))


def life(soak, db, reference, kill_at, kills, peaks):
    """One start of the sweep: killed at kill_at, or finished. -> finished"""
    before, memory = soak.stored(db), {}
    job = soak.start(db)
    code = watch(soak, db, job, kill_at, memory, "VmHWM")
    for points in memory.values():
        peaks.add(before, max(kib for _, kib in points))
    if code is None:
        what = kill_one(soak, db, job)
        kills[what] = kills.get(what, 0) + 1
        if db.exists() and db.stat().st_size > 0:
            code, text = soak.verb("db", "check", db)
            if code != 0 and "it is empty" not in text:
                sys.exit(f"killed {what}: db check: {text}")
            if code == 0 and soak.stored(db) < before:
                sys.exit(f"killed {what}: {soak.stored(db)} samples, {before} before")
        return False
    if code != 0:
        sys.exit(f"the sweep ends with {code} by itself: {(soak.base / 'log').read_text()}")
    soak.finished(db, reference)
    return True


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("program")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--seed", type=int, default=time.time_ns() % 1000000)
    p.add_argument("--every", type=float, default=5, help="seconds between kills, on average")
    a = p.parse_args()
    base, t0 = pathlib.Path(tempfile.mkdtemp()), time.time()
    print(f"seed {a.seed}", flush=True)
    soak, kills, peaks, rounds, begun = Soak(os.path.abspath(a.program), base, a.seed), {}, Peaks(), 0, 0
    try:
        reference, flat = reference_run(soak, a.minutes)
        while time.time() - t0 < a.minutes * 60 or begun > rounds:
            db = base / f"round{rounds}.db"
            begun = rounds + 1
            over = time.time() - t0 >= a.minutes * 60
            if life(soak, db, reference, time.time() + (1e6 if over else soak.random.uniform(0.2, 2) * a.every), kills, peaks):
                rounds += 1
                db.unlink()
            peaks.tell(kills, rounds)
        flat = verdict("high water of killed and finished jobs over the samples stored before", peaks.stored) and flat
        if peaks.highest:
            flat = verdict("the highest of each few minutes, over the time", peaks.highest) and flat
        print(f"{time.time() - t0:.0f} s, {sum(kills.values())} kills ({', '.join(f'{v} x {k}' for k, v in sorted(kills.items()))}), "
              f"{rounds} sweeps finished: every check passed, every sweep holds the facts of the reference; "
              f"memory {'flat' if flat else 'GROWS'}")
        return 0 if flat and rounds > 0 and kills else 1
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
