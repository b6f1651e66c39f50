#!/usr/bin/env python3
"""Writes workloads/base/unicode_ranges.h from this Python's own tables: what str.lower(), isupper(), islower() and the classes of
`re` say of each code point. A range is {first, last, step[, what]}. Run by hand; the Unicode version stands in the header.
"""
import os
import re
import unicodedata

EVERY = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(values):
    """values: code point -> thing; runs of equal things with one distance, 1 or 2."""
    out = []
    for c in sorted(values):
        v = values[c]
        if out:
            first, last, step, w = out[-1]
            if w == v and ((first == last and c - last in (1, 2)) or (first != last and c - last == step)):
                out[-1] = (first, c, c - last, w)
                continue
        out.append((c, c, 1, v))
    return out


def table(name, kind, values):
    runs = ranges(values)
    cells = [f"{{{a}, {b}, {s}, {w}}}" for a, b, s, w in runs]
    lines, line = [], ""
    for cell in cells:
        if len(line) + len(cell) + 2 > 96:
            lines.append(line)
            line = ""
        line += cell + ", "
    lines.append(line)
    return f"static const {kind} {name}[] = {{ /* {len(runs)} */\n" + "".join(f"    {x.rstrip()}\n" for x in lines) + "};\n"


def main():
    lower, special = {}, []
    for c in EVERY:
        low = chr(c).lower()
        if len(low) != 1:
            special.append(c)
        elif ord(low) != c:
            lower[c] = ord(low) - c
    assert special == [0x130], special  # written out in pytext.c, as is the final sigma
    digit, letter = re.compile(r"\d"), re.compile(r"[^\W\d]")
    flags = {
        "upper_ranges": {c: 1 for c in EVERY if chr(c).isupper()},
        "islower_ranges": {c: 1 for c in EVERY if chr(c).islower()},
        "digit_ranges": {c: 1 for c in EVERY if digit.match(chr(c))},
        "alpha_ranges": {c: 1 for c in EVERY if letter.match(chr(c))},
        # what a final sigma looks past, and what it counts as a letter
        "ignorable_ranges": {},
        "cased_ranges": {},
    }
    for c in EVERY:
        ends = ("A\u03a3" + chr(c)).lower()[1] == "\u03c2"
        if ends and ("A\u03a3" + chr(c) + "A").lower()[1] == "\u03c3":
            flags["ignorable_ranges"][c] = 1
        elif not ends:
            flags["cased_ranges"][c] = 1
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unicode_ranges.h")
    with open(path, "w", encoding="ascii") as h:
        h.write(f"/* Unicode {unicodedata.unidata_version} as Python has it; written by workloads/base/make_unicode.py. */\n"
                "#ifndef SB_WORKLOADS_BASE_UNICODE_RANGES_H\n#define SB_WORKLOADS_RULER_UNICODE_RANGES_H\n\n#include <stdint.h>\n\n"
                "typedef struct unicode_range {\n    uint32_t first, last, step;\n    int32_t  delta;\n} unicode_range;\n\n"
                "/* clang-format off */\n")
        h.write(table("lower_ranges", "unicode_range", lower))
        for name, values in flags.items():
            h.write(table(name, "unicode_range", values))
        h.write("/* clang-format on */\n\n#endif\n")


if __name__ == "__main__":
    main()
