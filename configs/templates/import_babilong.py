#!/usr/bin/env python3
"""The original's prompts as a file of texts: import_babilong.py BABILONG/babilong/prompts.py > official.json

Reads the constants of the module without running it.
"""
import ast
import json
import sys


def main(path):
    values = {}
    for node in ast.parse(open(path, encoding="utf-8").read()).body:
        if isinstance(node, ast.Assign):
            name = node.targets[0].id
            try:
                values[name] = ast.literal_eval(node.value)
            except ValueError:  # an f-string of the constants before it
                values[name] = "".join(p.value if isinstance(p, ast.Constant) else values[p.value.id] for p in node.value.values)
    out = {"template": values["DEFAULT_TEMPLATE"], **values["DEFAULT_PROMPTS"]}
    print(json.dumps(out, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
