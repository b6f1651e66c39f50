#!/usr/bin/env python3
"""InfiniteBench's own prompts in the form that the suite `infinitebench` reads.

  import_infinitebench.py INFINITEBENCH/src gpt4|claude2|kimi|yarn_mistral > prompts.json

Reads prompt.py (the texts) and eval_utils.py (the question that math_find puts before its list). The prompts of gpt4, claude2
and kimi are for chat models, those of yarn_mistral go on without a chat wrapper: "chat" says so.
"""
import json
import pathlib
import re
import runpy
import sys


def main(args):
    if len(args) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    source = pathlib.Path(args[0])
    name = args[1] + "_templates"
    texts = runpy.run_path(str(source / "prompt.py"))
    if name not in texts:
        names = ", ".join(sorted(n[:-len("_templates")] for n in texts if n.endswith("_templates")))
        print(f"{source / 'prompt.py'}: no {name}; it has {names}", file=sys.stderr)
        return 1
    prefix = re.search(r'prefix = f"(.*)"', (source / "eval_utils.py").read_text(encoding="utf-8"))
    if prefix is None:
        print(f"{source / 'eval_utils.py'}: the text of math_find's prefix was not found", file=sys.stderr)
        return 1
    out = {"chat": args[1] != "yarn_mistral", **texts[name], "math_find_prefix": prefix.group(1)}
    json.dump(out, sys.stdout, ensure_ascii=False, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
