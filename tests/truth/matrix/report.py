#!/usr/bin/env python3
"""Writes the matrix's part of docs/truth.md.  report.py docs/truth.md RESULTS.json...   (results of run.py --results)

Only what stands between the two marks is replaced.
"""
import collections
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scenario as dsl  # noqa: E402
import scenarios  # noqa: E402,F401

BEGIN, END = "<!-- matrix: written by tests/truth/matrix/report.py -->", "<!-- end of matrix -->"
COLUMNS = (("right", ("ok",)), ("lost hit", ("lost hit", "bypass")), ("**WRONG**", ("WRONG",)), ("other result, no hit", ("FAIL",)),
           ("cause not named", ("explain",)), ("skipped", ("skip",)))


def compilers():
    return [subprocess.run([c, "--version"], capture_output=True, text=True).stdout.split("\n")[0] for c in ("gcc", "clang")]


def summary(results, names):
    lines = ["| | runs | " + " | ".join(label for label, _ in COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) + 1)]
    for tool in names:
        mine = [r for r in results if r["tool"] == tool]
        counts = [sum(r["verdict"] in words for r in mine) for _, words in COLUMNS]
        lines.append(f"| {tool} | {len(mine)} | " + " | ".join(str(n) for n in counts) + " |")
    return lines


def by_theme(rows, word):
    """"- **absent** (12): title, title [gcc]": the compiler only where the other one is not affected."""
    themes = collections.OrderedDict()
    for row in rows:
        if row["verdict"] == word:
            theme, _, name = row["scenario"].partition(": ")
            themes.setdefault(theme, collections.OrderedDict()).setdefault(name, []).append(row["compiler"])
    known = {one.title: one.compilers for one in dsl.REGISTRY}
    lines = []
    for theme, names in themes.items():
        texts = [f"`{name}`" + ("" if len(who) == len(known[f"{theme}: {name}"]) else f" [{who[0]}]") for name, who in names.items()]
        lines.append(f"- **{theme}** ({len(texts)}): " + ", ".join(texts))
    return lines


def answers(rows):
    """What hpcc did at B, over all runs."""
    counts = collections.Counter(r["answers"][1] for r in rows if len(r["answers"]) == 2)
    return ", ".join(f"{n} {word}" for word, n in sorted(counts.items(), key=lambda item: (item[0] not in ("hit", "miss"), -item[1])))


def lost_classes():
    classes = collections.OrderedDict()
    for one in dsl.REGISTRY:
        if one.lost:
            classes.setdefault(one.lost, []).append(one)
    return [f"- {name}: {len(ones)} (`{ones[0].title}`" + (" and others)" if len(ones) > 1 else ")") for name, ones in
            sorted(classes.items(), key=lambda item: -len(item[1]))]


def body(results):
    names = list(dict.fromkeys(r["tool"] for r in results))
    hits = sum(any(one.expected(c) == dsl.HIT for c in one.compilers) for one in dsl.REGISTRY)
    lines = [f"{len(dsl.REGISTRY)} scenarios, {hits} of which must hit; run with " + " and ".join(compilers()) + ".", "", *summary(results, names), ""]
    lines += ["`other result, no hit` is a compile through the cache that ends otherwise than without it although nothing was served.", ""]
    hpcc = [r for r in results if r["tool"] == "hpcc"]
    if hpcc:
        lines += ["**What hpcc did** at the second command: " + answers(hpcc) + ".", "",
                  "**Where it compiles although the result is the same** (each class is a choice: a lost hit costs time, a wrong one a wrong binary):", "",
                  *lost_classes(), ""]
    for tool in names:
        rows = [r for r in results if r["tool"] == tool]
        for word, label in (("WRONG", "wrong hits"), ("FAIL", "other results without a hit"), ("lost hit", "lost hits")):
            found = by_theme(rows, word)
            if found:
                lines += [f"**{rows[0]['version'] or tool}: {label}**", "", *found, ""]
    return "\n".join(lines)


def main():
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    latest = {}  # of two results of one run the one from the later file counts
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            latest.update({(r["tool"], r["scenario"], r["compiler"]): r for r in json.load(f)})
    known = {one.title for one in dsl.REGISTRY}
    results = [r for r in latest.values() if r["scenario"] in known]
    with open(sys.argv[1], encoding="utf-8") as f:
        text = f.read()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        print(f"{sys.argv[1]} lacks the marks {BEGIN!r} and {END!r}")
        return 1
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        f.write(before + BEGIN + "\n" + body(results) + END + after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
