#!/usr/bin/env python3
"""Runs the truth matrix.  run.py [--tool hpcc --tool hpcc0 --tool ccache ...] [--compiler gcc] [FILTER...]

A FILTER is a part of a title ("absent: shadow"). Without --tool: hpcc through its daemon and without it.
"""
import argparse
import concurrent.futures
import json
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import place as place_module  # noqa: E402
import scenario as dsl  # noqa: E402
import tools  # noqa: E402
import worker  # noqa: E402
import scenarios  # noqa: E402,F401  (fills dsl.REGISTRY)

ATTEMPTS = 8
tools.TOOLS["hpccw"] = worker.HpccWorker
OK, LOST, WRONG, BYPASSED, SKIP, FAIL = "ok", "lost hit", "WRONG", "bypass", "skip", "FAIL"


class Verdict:
    def __init__(self, word, note=""):
        self.word, self.note = word, note
        self.answers = []  # what the tool did at A and at B


def judge(one, compiler, tool_class):
    """Runs one scenario with one compiler through one tool."""
    place = place_module.Place(compiler, tool_class.trees)
    tool = tool_class(place)
    try:
        if (one.plain_extra or one.plain_extra_b) and not tool.name.startswith("hpcc"):
            return Verdict(SKIP, "about hpcc's own .hpcc file")
        if tool_class is worker.HpccWorker and worker.left_out(one, compiler):
            return Verdict(SKIP, "not through a worker: " + worker.left_out(one, compiler))
        if one.nondet and tool.name == "hpcc, verified":
            return Verdict(SKIP, "its outputs differ from run to run")
        if one.needs is not None:
            reason = one.needs(place)
            if reason:
                return Verdict(SKIP, reason)
        answers = []
        if tool_class is worker.HpccWorker:
            try:
                verdict = Verdict(*worker.judge(one, place, tool, answers))
            except worker.Busy:
                verdict = Verdict(SKIP, "no two compiles within one second: this machine is too busy to compare __TIME__")
        else:
            verdict = _judge(one, place, tool, answers)
        verdict.answers = answers
        return verdict
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


def _judge(one, place, tool, answers):
    expect, populate = one.expected(place.compiler), one.populated(place.compiler)
    for path, text in one.files.items():
        place.write(path, text)
    for fn in one.setup:
        fn(place)
    tool.start()
    time.sleep(place_module.SETTLE_S)

    # A: the plain result first, when it is needed to see whether the change shows.
    through, direct, cwd_a, env_a = _state(one, place, tool, b=False)
    plain_a = None
    if isinstance(tool, tools.Plain) and type(tool) is tools.Plain:
        plain_a, before = direct()
        place.undo(before)
    zero = tool.counters()
    result_a, before_a = through()
    populated = outcome_word(answered(tool, zero), result_a.code)
    answers.append(populated)
    if not one.keep:
        place.undo(before_a)
    if tool.name.startswith("hpcc") and populate not in (dsl.ANY, populated):
        told = tool.explain(dsl.asked_source(one, place), cwd_a, env_a)
        return Verdict(FAIL, f"state A: {populated}, expected {populate}; exit {result_a.code} "
                       f"{result_a.err[-200:].decode(errors='replace')!r} {told!r}")

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
    for _ in range(ATTEMPTS if one.align else 1):  # until both compiles fall into one second
        if one.align:
            time.sleep(1.02 - time.time() % 1)
        second = int(time.time())
        counted_a = tool.counters()
        result, before = through()
        answer = answered(tool, counted_a)
        explained = ""
        if answer == "miss":
            explained = tool.explain(dsl.asked_source(one, place), cwd, env)
        place.undo(before)
        plain, before = direct()
        place.undo(before)
        if answer == dsl.HIT or not one.align or int(time.time()) == second:
            break
    else:
        return Verdict(SKIP, "no two compiles within one second: this machine is too busy to compare __TIME__")
    answer = outcome_word(answer, plain.code)
    answers.append(answer)

    found = place_module.differences(result, plain, one.nondet, one.any_stderr)
    if found:
        return Verdict(WRONG if answer == "hit" else FAIL, f"{answer}: " + "; ".join(found[:4]))
    if plain_a is not None:  # the scenario itself is under test
        same = place_module.same_result(plain_a, plain)
        if expect == dsl.MISS and same and not one.lost:
            return Verdict(FAIL, "toothless: A and B give the same result")
        if expect == dsl.HIT and plain.code:
            return Verdict(FAIL, f"the compiler fails: {plain.err[-200:]!r}")
        return Verdict(OK)
    if not isinstance(tool, tools.Hpcc):  # another tool's result is right: only what it could have saved is told
        return Verdict(OK) if expect != dsl.HIT or answer == dsl.HIT else Verdict(LOST if answer == dsl.MISS else BYPASSED, answer)
    if expect not in (dsl.EITHER, answer):
        lost = {dsl.HIT: LOST, dsl.MISS: LOST}.get(expect, FAIL) if answer != dsl.HIT else FAIL
        return Verdict(lost, f"{answer}, expected {expect}")
    names = dsl.expected_names(one, place)
    if answer == dsl.MISS and expect == dsl.MISS:
        if not names:
            return Verdict("explain", f"the scenario does not say what must be named; explain: {explained.strip()[-400:]!r}")
        if not any(dsl.says(explained, n) for n in names):
            return Verdict("explain", f"none of {names} in: {explained.strip()[-400:]!r}")
    again = one.again if one.again is not None else expect == dsl.MISS and plain.code == 0
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


def outcome_word(answer, code):
    """A compile that fails is stored by nobody."""
    return dsl.FAILS if answer == dsl.MISS and code != 0 else answer


def check_rows():
    """Every row of the file `rows` has its scenarios, with both compilers."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "rows"), encoding="utf-8") as f:
        lines = [line for line in f if line.strip() and not line.startswith("#")]
    complaints = []
    for line in lines:
        name, _, where = (field.strip() for field in line.split("|"))
        name, _, only = name.partition(" ")
        if where.startswith("-"):
            continue
        if where.startswith("="):
            if not os.path.exists(os.path.join(here, "../../..", where[1:].strip())):
                complaints.append(f"{name}: no file {where[1:].strip()}")
            continue
        compilers = set()
        for part in (p.strip() for p in where.split(";")):
            found = [one for one in dsl.REGISTRY if part in one.title]
            compilers.update(c for one in found for c in one.compilers)
            if not found:
                complaints.append(f"{name}: no scenario with {part!r} in its title")
        wanted = {only.strip("()")} if only else {"gcc", "clang"}
        if not wanted <= compilers:
            complaints.append(f"{name}: not with {', '.join(wanted - compilers)}")
    for complaint in complaints:
        print(complaint)
    print(f"{len(lines) - len(complaints)} passed, {len(complaints)} failed")
    return 1 if complaints or not lines else 0


def main():
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", action="append", choices=sorted(tools.TOOLS))
    parser.add_argument("--compiler", action="append", choices=("gcc", "clang"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rows", action="store_true", help="only checks that each row of the file `rows` has its scenarios")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th of the chosen scenarios")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", metavar="FILE", help="writes every verdict as JSON, for report.py")
    parser.add_argument("--quiet", action="store_true", help="prints only what is not ok")
    parser.add_argument("filter", nargs="*")
    args = parser.parse_intermixed_args()
    if args.rows:
        return check_rows()
    chosen = [s for s in dsl.REGISTRY if not args.filter or any(f in s.title for f in args.filter)]
    chosen = chosen[::args.every]
    if args.list:
        for one in chosen:
            print(f"{one.title}  [{' '.join(one.compilers)}] {one.expect_text()}")
        print(f"{len(chosen)} scenarios, {sum(one.expect == dsl.EITHER for one in chosen)} of them either")
        return 0
    try:
        return run_chosen(args, chosen)
    finally:
        for cls in tools.TOOLS.values():
            cls.finish()


def run_chosen(args, chosen):
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
    if args.results:
        with open(args.results, "w") as f:
            json.dump([{"scenario": one.title, "compiler": compiler, "tool": cls.name, "version": cls.version(), "verdict": v.word, "note": v.note,
                        "answers": v.answers} for one in chosen for compiler in one.compilers for cls in classes
                       if (v := verdicts.get((one.title, compiler, cls.name)))], f, indent=0)
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


if __name__ == "__main__":
    sys.exit(main())
