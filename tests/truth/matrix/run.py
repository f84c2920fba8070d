#!/usr/bin/env python3
"""Runs the truth matrix.  run.py [--tool hpcc --tool hpcc0 --tool ccache ...] [--compiler gcc] [FILTER...]

A FILTER is a part of a title ("absent: shadow"). Without --tool: hpcc through its daemon and without it.
"""
import argparse
import concurrent.futures
import os
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import place as place_module  # noqa: E402
import scenario as dsl  # noqa: E402
import tools  # noqa: E402
import scenarios  # noqa: E402,F401  (fills dsl.REGISTRY)

OK, LOST, WRONG, BYPASSED, SKIP, FAIL = "ok", "lost hit", "WRONG", "bypass", "skip", "FAIL"


class Verdict:
    def __init__(self, word, note=""):
        self.word, self.note = word, note


def judge(one, compiler, tool_class):
    """Runs one scenario with one compiler through one tool."""
    place = place_module.Place(compiler)
    tool = tool_class(place)
    try:
        if (one.plain_extra or one.plain_extra_b) and not tool.name.startswith("hpcc"):
            return Verdict(SKIP, "about hpcc's own .hpcc file")
        if one.needs is not None:
            reason = one.needs(place)
            if reason:
                return Verdict(SKIP, reason)
        return _judge(one, place, tool)
    except Exception:
        return Verdict(FAIL, traceback.format_exc(limit=-2).strip().replace("\n", " | "))
    finally:
        try:
            tool.close()
        finally:
            place.close()


def _state(one, place, tool, b):
    pick = lambda first, second: second if b and second is not None else first
    cwd = place.path(pick(one.cwd, one.cwd_b))
    env = place.env(pick(one.env, one.env_b), cwd)
    argv = place.argv(pick(one.cmd, one.cmd_b))
    wrap = place.argv(pick(one.wrap, one.wrap_b)) if pick(one.wrap, one.wrap_b) else []
    umask = pick(one.umask, one.umask_b)
    # The plain compile has the tool's variables too: it must not matter.
    env = {**env, **tool.env()}
    extra = place.argv(pick(one.plain_extra, one.plain_extra_b)) if pick(one.plain_extra, one.plain_extra_b) else []
    return (lambda: place.run(wrap + tool.prefix() + argv, env, cwd, umask),
            lambda: place.run(wrap + argv[:1] + extra + argv[1:], env, cwd, umask), cwd, env)


def answered(tool, before):
    """What the tool did since `before`. A failed compile may be counted a moment after its exit."""
    for _ in range(20):
        answer = tool.outcome(before, tool.counters())
        if not answer.startswith("nothing"):
            break
        time.sleep(0.05)
    return answer


def _judge(one, place, tool):
    for path, text in one.files.items():
        place.write(path, text)
    for fn in one.setup:
        fn(place)
    time.sleep(place_module.SETTLE_S)

    # A: the plain result first, when it is needed to see whether the change shows.
    through, direct, _, _ = _state(one, place, tool, b=False)
    plain_a = None
    if isinstance(tool, tools.Plain) and type(tool) is tools.Plain:
        plain_a, before = direct()
        place.undo(before)
    zero = tool.counters()
    result_a, before_a = through()
    populated = answered(tool, zero)
    if not one.keep:
        place.undo(before_a)
    if one.populate == dsl.MISS and populated not in ("miss",):
        note = f"state A: {populated}, exit {result_a.code} {result_a.err[-200:].decode(errors='replace')!r}"
        word = BYPASSED if populated.startswith("bypass") else LOST if populated == "not stored" else FAIL
        if word != FAIL and one.expect in (dsl.BYPASS, dsl.EITHER, dsl.COMPILE, populated):
            pass
        elif tool.name.startswith("hpcc") or word == FAIL:
            return Verdict(word, note)

    for fn in one.via:
        fn(place)
    if one.via:
        time.sleep(place_module.SETTLE_S)
        _, before = through()
        place.undo(before)
    for fn in one.change:
        fn(place)
    time.sleep(place_module.SETTLE_S)

    through, direct, cwd, env = _state(one, place, tool, b=True)
    if one.align:
        time.sleep(1.02 - time.time() % 1)
    counted_a = tool.counters()
    result, before = through()
    answer = answered(tool, counted_a)
    explained = ""
    if answer == "miss" and one.expect == dsl.MISS:
        explained = tool.explain(dsl.asked_source(one, place), cwd, env)
    place.undo(before)
    plain, before = direct()
    place.undo(before)

    found = place_module.differences(result, plain, one.nondet, one.any_stderr)
    if found:
        return Verdict(WRONG if answer == "hit" else FAIL, f"{answer}: " + "; ".join(found[:4]))
    if plain_a is not None:  # the scenario itself is under test
        same = place_module.same_result(plain_a, plain)
        if one.expect == dsl.MISS and same and not one.toothless:
            return Verdict(FAIL, "toothless: A and B give the same result")
        if one.expect == dsl.HIT and plain.code:
            return Verdict(FAIL, f"the compiler fails: {plain.err[-200:]!r}")
        return Verdict(OK)
    verdict = _expected(one, answer)
    if verdict is not None:
        return verdict
    if type(tool) not in (tools.Hpcc, tools.HpccInProcess):
        return Verdict(OK)
    names = dsl.expected_names(one, place)
    if answer == "miss" and one.expect == dsl.MISS and names and one.explain != "":
        if not any(says(explained, n) for n in names):
            return Verdict("explain", f"none of {names} in: {explained.strip()[-400:]!r}")
    again = one.again if one.again is not None else one.expect == dsl.MISS and plain.code == 0
    if again:
        counted = tool.counters()
        result, before = through()
        answer = answered(tool, counted)
        found = place_module.differences(result, plain, one.nondet, one.any_stderr)
        if found:
            return Verdict(WRONG, f"B again, {answer}: " + "; ".join(found[:4]))
        if answer != "hit":
            return Verdict(LOST, f"B again: {answer}")
    return Verdict(OK)


def _expected(one, answer):
    """None when the answer is the expected one."""
    want = one.expect
    if answer.startswith(("error", "nothing")):
        return Verdict(FAIL, answer)
    if want == dsl.EITHER or answer == want:
        return None
    if want == dsl.BYPASS and answer.startswith("bypass"):
        return None
    if want.startswith("bypass:time") and answer == "not stored":
        return None
    if want == dsl.COMPILE:
        return None if answer != "hit" else Verdict(FAIL, "a hit where none can be")
    if want == dsl.HIT:
        return Verdict(LOST if answer in ("miss", "not stored") else BYPASSED, answer)
    if want == dsl.MISS and answer == "hit":
        return Verdict(FAIL, "hit, with a right result, where a miss was expected")
    if want == dsl.MISS:
        return Verdict(LOST if answer == "not stored" else BYPASSED, answer)
    return Verdict(FAIL, f"{answer}, expected {want}")


def says(text, name):
    """Options may be printed with a blank or nothing between them and their value."""
    bare = lambda s: s.replace(" ", "").replace("=", "")
    return name in text or bare(name) in bare(text)


def main():
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", action="append", choices=sorted(tools.TOOLS))
    parser.add_argument("--compiler", action="append", choices=("gcc", "clang"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th of the chosen scenarios")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--markdown", metavar="FILE", help="writes the table of docs/truth.md")
    parser.add_argument("--quiet", action="store_true", help="prints only what is not ok")
    parser.add_argument("filter", nargs="*")
    args = parser.parse_intermixed_args()
    chosen = [s for s in dsl.REGISTRY if not args.filter or any(f in s.title for f in args.filter)]
    chosen = chosen[::args.every]
    if args.list:
        for one in chosen:
            print(f"{one.title}  [{' '.join(one.compilers)}] {one.expect}")
        print(f"{len(chosen)} scenarios")
        return 0
    names = args.tool or ["hpcc", "hpcc0"]
    classes = []
    for name in names:
        missing = tools.TOOLS[name].missing()
        if missing:
            print(f"skipped tool {name}: {missing}")
        else:
            classes.append(tools.TOOLS[name])
    jobs = [(one, compiler, cls) for one in chosen for compiler in one.compilers
            if not args.compiler or compiler in args.compiler for cls in classes]
    verdicts = {}
    started = time.time()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        futures = {pool.submit(judge, *job): job for job in jobs}
        for future in concurrent.futures.as_completed(futures):
            one, compiler, cls = futures[future]
            verdict = future.result()
            verdicts[one.title, compiler, cls.name] = verdict
            if verdict.word != OK or not args.quiet:
                print(f"{verdict.word:9} {one.title} [{compiler}, {cls.name}]" + (f"  {verdict.note}" if verdict.note else ""),
                      flush=True)
    if args.markdown:
        with open(args.markdown, "w") as f:
            f.write(markdown(chosen, classes, verdicts))
    if len(classes) > 1 or any(not c.name.startswith("hpcc") for c in classes):
        summary(classes, verdicts)
    # Other tools are shown, not judged.
    judged = [v.word for (_, _, tool), v in verdicts.items() if tool.startswith(("hpcc", "plain"))] or \
             [OK for _ in verdicts]
    failed = sum(w not in (OK, SKIP) for w in judged)
    skipped = judged.count(SKIP)
    print(f"{time.time() - started:.1f} s", file=sys.stderr)
    print(f"{len(judged) - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not judged else 0


def summary(classes, verdicts):
    for cls in classes:
        words = [v.word for (_, _, tool), v in verdicts.items() if tool == cls.name]
        print(f"{cls.name}: " + ", ".join(f"{words.count(w)} {w}" for w in sorted(set(words))))


def _cell(words):
    for word in (WRONG, FAIL, LOST, BYPASSED, "explain", OK):
        if word in words:
            return {FAIL: "differs", "explain": "ok"}.get(word, word)
    return "–"


def markdown(chosen, classes, verdicts):
    """One row per scenario; where compilers differ the cell names the worse one."""
    lines = ["| scenario | must be | " + " | ".join(c.name for c in classes) + " |", "|---|---|" + "---|" * len(classes)]
    for one in chosen:
        cells = []
        for cls in classes:
            by = {c: verdicts[one.title, c, cls.name].word for c in one.compilers if (one.title, c, cls.name) in verdicts}
            cell = _cell(set(by.values()))
            worse = [c for c, w in by.items() if _cell({w}) == cell]
            cells.append(f"**{cell}**" if cell == WRONG else cell)
            if len(worse) < len(by) and cell != OK:
                cells[-1] += f" ({', '.join(worse)})"
        lines.append(f"| {one.title} | {one.expect} | " + " | ".join(cells) + " |")
    totals = []
    for cls in classes:
        words = [_cell({v.word}) for (_, _, tool), v in verdicts.items() if tool == cls.name]
        totals.append(", ".join(f"{words.count(w)} {w}" for w in (OK, LOST, BYPASSED, WRONG, "differs") if words.count(w)))
    lines.append(f"| **total** ({len(verdicts) // max(1, len(classes))} runs) | | " + " | ".join(totals) + " |")
    versions = [f"{c.name}: {c.version()}" for c in classes if c.version()]
    for compiler in ("gcc", "clang"):
        try:
            versions.append(subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.split("\n")[0])
        except OSError:
            pass
    return "\n".join(lines) + "\n\nVersions: " + "; ".join(versions) + "\n"


if __name__ == "__main__":
    sys.exit(main())
