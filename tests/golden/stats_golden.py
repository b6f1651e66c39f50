#!/usr/bin/env python3
"""Golden values of results/stats from other implementations, by hand:

    python3 -m venv v && v/bin/pip install scipy==1.17.1 statsmodels==0.15.0 mpmath==1.4.1 && v/bin/python tests/golden/stats_golden.py > tests/golden/stats_golden.h

McNemar: terms in 60 digits (mpmath), checked against sums of whole numbers where b + c <= 3000 and against statsmodels' exact test
where b + c <= 1000. Tango's interval: its statistic from the likelihood (the share of losses by numerical maximisation, good to
1e-8, not by the closed form) and scipy's root finder. Holm: statsmodels. Sign flips: all patterns, in fractions.
"""
import itertools
from fractions import Fraction

import mpmath
import scipy
import statsmodels
from scipy.optimize import brentq, minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

mpmath.mp.dps = 60
Z = 1.9599639845400545


def mcnemar_ln(b, c):
    """ln p, 60 digits: the terms by ratios from k = min(b, c) down."""
    n, k = b + c, min(b, c)
    if b == c:
        return mpmath.mpf(0)
    first = mpmath.loggamma(n + 1) - mpmath.loggamma(k + 1) - mpmath.loggamma(n - k + 1) - n * mpmath.log(2)
    total = term = mpmath.mpf(1)
    for i in range(k, 0, -1):
        term = term * i / (n - i + 1)
        total += term
        if term < total * mpmath.mpf(10) ** -25:
            break
    return min(mpmath.mpf(0), mpmath.log(2) + first + mpmath.log(total))


def exact(b, c):
    """p as a fraction: whole numbers only."""
    n, total, term = b + c, 0, 1
    for i in range(min(b, c) + 1):
        total += term
        term = term * (n - i) // (i + 1)
    return min(Fraction(1), Fraction(2 * total, 2**n))


def tango(losses, gains, n):
    """Interval by the profile likelihood of (gains, losses, rest) under gains' share - losses' share = t."""

    def share(t):
        low, high = max(0.0, -t), (1 - t) / 2

        def minus(q):
            cells = ((gains, q + t), (losses, q), (n - gains - losses, 1 - 2 * q - t))
            return -sum(k * mpmath.log(max(p, 1e-300)) for k, p in cells if k)

        f = lambda q: float(minus(q))
        if losses == 0 and gains == 0:
            return low
        return minimize_scalar(f, bounds=(low, high), method="bounded", options={"xatol": 1e-13}).x

    def z(t):
        q = share(t)
        return (gains - losses - n * t) / (n * (2 * q + t * (1 - t))) ** 0.5

    d = (gains - losses) / n
    lo = brentq(lambda t: z(t) - Z, -1 + 1e-9, d - 1e-12, xtol=1e-13) if d > -1 else -1.0
    hi = brentq(lambda t: z(t) + Z, d + 1e-12, 1 - 1e-9, xtol=1e-13) if d < 1 else 1.0
    return lo, hi


def flips(d):
    d = [Fraction(x) for x in d]
    reach, hits = abs(sum(d)), 0
    for signs in itertools.product((1, -1), repeat=len(d)):
        hits += abs(sum(s * x for s, x in zip(signs, d))) >= reach
    return hits / 2 ** len(d)


def main():
    print(f"/* Written by tests/golden/stats_golden.py: scipy {scipy.__version__}, statsmodels {statsmodels.__version__}, "
          f"mpmath {mpmath.__version__}. */")
    print("static const struct {\n    int64_t b, c;\n    double  ln_p;\n} golden_mcnemar[] = {")
    cases = [(10, 2), (30, 12), (0, 6), (8, 1), (5, 5), (0, 1), (1, 0), (1, 2), (17, 16), (100, 101), (7, 93), (400, 500), (499, 501),
             (480, 620), (0, 1074), (0, 5000), (10000, 10400), (123456, 125000), (1, 99999), (499900000, 500100000),
             (499990000, 500010000), (499999999, 500000001), (0, 10**9), (10**6, 999 * 10**6), (400 * 10**6, 600 * 10**6)]
    for b, c in cases:
        ln = mcnemar_ln(b, c)
        if b + c <= 3000:
            p = exact(b, c)
            assert abs(mpmath.log(mpmath.mpf(p.numerator) / p.denominator) - ln) < mpmath.mpf(10) ** -20, (b, c)
        if b + c <= 1000:
            other = mcnemar([[0, b], [c, 0]], exact=True).pvalue
            assert abs(other - float(mpmath.exp(ln))) < 1e-12, (b, c, other)
        print(f"    {{{b}, {c}, {float(ln)!r}}},")
    print("};\nstatic const struct {\n    int64_t b, c, n;\n    double  lo, hi;\n} golden_paired_score[] = {")
    for b, c, n in [(12, 2, 50), (0, 0, 20), (0, 0, 500), (1, 0, 20), (0, 1, 20), (3, 3, 100), (8, 1, 10), (20, 0, 20), (0, 20, 20),
                    (25, 10, 500), (200, 120, 6500), (1, 0, 1), (0, 7, 13)]:
        lo, hi = tango(b, c, n)
        print(f"    {{{b}, {c}, {n}, {lo:.12g}, {hi:.12g}}},")
    print("};\n#define GOLDEN_HOLM 8\nstatic const struct {\n    double p[GOLDEN_HOLM], adjusted[GOLDEN_HOLM];\n} golden_holm[] = {")
    for p in ([0.01, 0.04, 0.03, 0.005, 0.6, 0.2, 0.011, 1.0], [0.02] * 8, [0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01, 0.0],
              [0.006, 0.05, 0.006, 0.05, 0.9, 0.9, 0.012, 0.0125]):
        row = multipletests(p, method="holm")[1]
        print("    {{" + ", ".join(f"{x!r}" for x in p) + "},\n     {" + ", ".join(f"{float(x)!r}" for x in row) + "}},")
    print("};\n#define GOLDEN_FLIPS 9\nstatic const struct {\n    double d[GOLDEN_FLIPS], p;\n} golden_flips[] = {")
    for d in ([-1, -0.5, 0.25, -0.75, 0, -0.25, -1, 0.5, -0.5], [0] * 9, [-0.5] * 9, [0.5, -0.5, 0.25, -0.25, 0, 0, 0, 0, 0],
              [1, 0, 0, 0, 0, 0, 0, 0, 0]):
        print("    {{" + ", ".join(f"{float(x)!r}" for x in d) + f"}}, {flips(d)!r}}},")
    print("};")


main()
