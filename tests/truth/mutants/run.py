#!/usr/bin/env python3
"""Tests the truth suite: puts one deliberate bug at a time into hpcc and asks whether the suite notices.

run.py [--check] [--quick] [--again] [--table FILE] [NAME...]

For each mutant of mutants.py: the bug is put into a copy of the tree (build/mutants), the three binaries are built, and
scenarios of the truth matrix run: first those that should catch it, then, unless it is caught, all others, then the
fuzzer. Everything stops at the first wrong result. The same scenarios must pass on the copy without a bug. Results are
added to build/mutants/results.jsonl; a mutant with a result is not run again unless it or its file changed (--again: all).
--check only sees that every mutant still fits the sources: each text to replace stands in its file exactly once.
"""
import argparse
import concurrent.futures
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "../../.."))
WORK = os.path.join(ROOT, "build/mutants")
TREE, BUILD, RESULTS = os.path.join(WORK, "tree"), os.path.join(WORK, "build"), os.path.join(WORK, "results.jsonl")
FUZZER = os.environ.get("HPCC_TRUTH_FUZZ") or os.path.join(ROOT, "build/release/bin/truth_fuzz")
FUZZ_STEPS = 2000
sys.path[:0] = [HERE, os.path.join(ROOT, "tests/truth/matrix")]
from mutants import EXPECTED, MUTANTS  # noqa: E402

WRONG, SURVIVED, SKIPPED, BROKEN = "WRONG", "survived", "skipped", "does not build"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def misfits(mutant):
    """Why the mutant cannot be put into the sources as they are."""
    found = []
    for path, text, replacement in mutant.edits:
        count = read(os.path.join(ROOT, path)).count(text) if os.path.exists(os.path.join(ROOT, path)) else 0
        if count != 1:
            found.append(f"{path} has {count} times: {text!r}")
        if text == replacement:
            found.append(f"{path}: nothing is changed")
    return found


def check():
    import scenario
    import scenarios  # noqa: F401
    titles = [s.title for s in scenario.REGISTRY]
    failed = 0
    for mutant in MUTANTS:
        found = misfits(mutant) + [f"no scenario {t!r}" for t in mutant.scenarios if not any(t in title for title in titles)]
        failed += bool(found)
        for text in found:
            print(f"{mutant.name}: {text}")
    if len(MUTANTS) < 50:
        print("fewer than 50 mutants")
        failed += 1
    print(f"{len(MUTANTS) - min(failed, len(MUTANTS))} passed, {failed} failed")
    return 1 if failed else 0


# --- the copy ---

def put(path, text):
    """Writes only what differs, so that builds stay incremental."""
    if not os.path.exists(path) or read(path) != text:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def copy_tree():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "src", "proto", "tools", "tests", "bench", "CMake*"], cwd=ROOT,
                            check=True, capture_output=True, text=True)
    wanted = set()
    for name in filter(None, listed.stdout.split("\n")):
        source = os.path.join(ROOT, name)
        if not os.path.isfile(source):
            continue
        wanted.add(os.path.join(TREE, name))
        try:
            put(os.path.join(TREE, name), read(source))
        except UnicodeDecodeError:
            os.makedirs(os.path.dirname(os.path.join(TREE, name)), exist_ok=True)
            shutil.copyfile(source, os.path.join(TREE, name))
        shutil.copymode(source, os.path.join(TREE, name))
    for base, _, files in os.walk(os.path.join(TREE, "src")):
        for name in files:
            if os.path.join(base, name) not in wanted:
                os.unlink(os.path.join(base, name))
    # One build id for all mutants: its header would have everything built again. No two of them meet: each scenario has its own store.
    put(os.path.join(TREE, "tools/build-id"), "#!/bin/sh\nset -e\n[ -s \"$1\" ] || sh \"$(dirname \"$0\")/build-id.real\" \"$@\"\n")
    put(os.path.join(TREE, "tools/build-id.real"), read(os.path.join(ROOT, "tools/build-id")))


def build():
    """None, or the tail of what the compiler said. Warnings do not matter: a mutant may leave something unused."""
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        options = ["-DCMAKE_BUILD_TYPE=Mutant", "-DCMAKE_CXX_FLAGS=-O1 -w"]
        done = subprocess.run(["cmake", "-S", TREE, "-B", BUILD, "-G", "Ninja", *options], capture_output=True, text=True)
        if done.returncode:
            return done.stdout[-500:] + done.stderr[-1500:]
    done = subprocess.run(["cmake", "--build", BUILD, "-j", "2", "--target", "launcher", "hpccd", "hpcc-tool"], capture_output=True, text=True)
    return (done.stdout[-3000:] + done.stderr[-500:]) if done.returncode else None


# --- running ---

class Suite:
    def __init__(self, jobs):
        os.environ["HPCC_BIN"] = os.path.join(BUILD, "bin")
        spec = importlib.util.spec_from_file_location("matrix_run", os.path.join(ROOT, "tests/truth/matrix/run.py"))
        matrix_module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(matrix_module)
        self.jobs = jobs
        self.matrix = matrix_module
        self.registry = matrix_module.dsl.REGISTRY

    def picked(self, mutant):
        return [s for t in mutant.scenarios for s in self.registry if t in s.title]

    def judged(self, scenarios, tool_names):
        """Yields (title, verdict) of each scenario with each of its compilers and tools, in order; a doubtful one is run again."""
        work = [(one, compiler, self.matrix.tools.TOOLS[tool]) for one in scenarios for tool in tool_names for compiler in one.compilers]
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            running, at = [], 0
            while at < len(work) or running:
                while at < len(work) and len(running) < self.jobs:
                    running.append((work[at], pool.submit(self.matrix.judge, *work[at])))
                    at += 1
                job, future = running.pop(0)
                verdict = future.result()
                for _ in range(3):  # a busy machine fails what hangs on the time
                    if verdict.word in (self.matrix.OK, self.matrix.SKIP, self.matrix.WRONG):
                        break
                    verdict = self.matrix.judge(*job)
                yield f"{job[0].title} [{job[1]}, {job[2].name}]", verdict

    def hunt(self, scenarios, tool_names, found):
        """Runs until a wrong result; notes the first failed expectation."""
        for title, verdict in self.judged(scenarios, tool_names):
            found["runs"] = found.get("runs", 0) + (verdict.word != self.matrix.SKIP)
            if verdict.word == self.matrix.SKIP:
                found["skip"] = verdict.note
            elif verdict.word == self.matrix.WRONG:
                found.update(wrong=title, note=verdict.note[:300])
                return
            elif verdict.word != self.matrix.OK and "expected" not in found:
                found.update(expected=title, note=verdict.note[:300])


def fuzz(found):
    if not os.path.exists(FUZZER):
        return
    with tempfile.TemporaryDirectory(prefix="hpcc-mutants-") as out:
        options = ["--seed", "1", "--steps", str(FUZZ_STEPS), "--out", out, "--until-wrong", "--no-explain", "--no-shrink"]
        done = subprocess.run([FUZZER, *options], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode == 1:
        lines = [line for line in done.stdout.split("\n") if "wrong" in line.lower()]
        found.update(wrong="fuzzer, seed 1", note=(lines or [done.stdout[-200:]])[0][:300])


def test(mutant, suite, thorough):
    changed = {}
    for path, text, replacement in mutant.edits:
        changed[path] = changed.get(path, read(os.path.join(ROOT, path))).replace(text, replacement)
    for path, text in changed.items():
        put(os.path.join(TREE, path), text)
    found, started = {}, time.time()
    try:
        error = build()
        built = time.time()
        if error is None:
            suite.hunt(suite.picked(mutant), mutant.tools, found)
            enough = "wrong" in found or ("expected" in found and mutant.caught == EXPECTED) or not found.get("runs")
            if not enough and thorough:
                first = {s.title for s in suite.picked(mutant)}
                suite.hunt([s for s in suite.registry if s.title not in first], mutant.tools, found)
            if "wrong" not in found and not enough and thorough:
                fuzz(found)
    finally:
        for path in changed:
            put(os.path.join(TREE, path), read(os.path.join(ROOT, path)))
    result = {"name": mutant.name, "kind": mutant.kind, "should": mutant.caught, "note": found.get("note", ""),
              "build_s": round(built - started, 1), "run_s": round(time.time() - built, 1)}
    if error is not None:
        result.update(caught=BROKEN, note=error)
    elif "wrong" in found:
        result.update(caught=WRONG, by=found["wrong"])
    elif "expected" in found:
        result.update(caught=EXPECTED, by=found["expected"])
    elif not found.get("runs"):
        result.update(caught=SKIPPED, note=found.get("skip", ""))
    else:
        result.update(caught=SURVIVED, by="")
    return result


def passes(result):
    return result["caught"] == WRONG or (result["caught"] == EXPECTED and result["should"] == EXPECTED)


def identity(mutant):
    text = repr((mutant.edits, mutant.scenarios, mutant.caught, mutant.tools)) + "".join(read(os.path.join(ROOT, e[0])) for e in mutant.edits)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def known_results():
    results = {}
    if os.path.exists(RESULTS):
        for line in read(RESULTS).split("\n"):
            if line:
                result = json.loads(line)
                results[result["name"], result["id"]] = result
    return results


def baseline(suite, chosen):
    """The names of scenarios that fail without a bug: they prove nothing."""
    error = build()
    if error:
        print("baseline: the copy without a bug does not build:", error, flush=True)
        return [error]
    titles = {s.title for m in chosen for s in suite.picked(m)}
    failed = []
    for tool in sorted({t for m in chosen for t in m.tools}):
        wanted = {s.title for m in chosen if tool in m.tools for s in suite.picked(m)}
        for title, verdict in suite.judged([s for s in suite.registry if s.title in wanted], (tool,)):
            if verdict.word not in (suite.matrix.OK, suite.matrix.SKIP):
                failed.append(f"{verdict.word} {title}  {verdict.note[:200]}")
                print("baseline:", failed[-1], flush=True)
    print(f"baseline: {len(titles)} scenarios, {len(failed)} runs failed", flush=True)
    return failed


def table(results):
    lines = ["| mutant | class | caught as | by |", "|---|---|---|---|"]
    for r in results:
        lines.append(f"| {r['name']} | {r['kind']} | {r['caught']} | {r.get('by', '') or r['note'][:80]} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--quick", action="store_true", help="only the scenarios that should catch a mutant: not the rest of the matrix, not the fuzzer")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", metavar="FILE", help="writes the table of docs/truth.md")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    if args.check:
        return check()
    chosen = [m for m in MUTANTS if not args.names or any(n in m.name for n in args.names)]
    misfit = [m.name for m in chosen if misfits(m)]
    if misfit or not chosen:
        print(f"not in the sources: {misfit}")
        return 1
    suite = Suite(args.jobs)
    known = {} if args.again else known_results()
    pending = [m for m in chosen if (m.name, identity(m)) not in known]
    pending.sort(key=lambda m: m.edits[0][0])  # one file after the other: less to build
    if pending:
        copy_tree()
        if baseline(suite, pending):
            print("0 passed, 1 failed")
            return 1
    for mutant in pending:
        result = {**test(mutant, suite, not args.quick), "id": identity(mutant), "when": time.strftime("%Y-%m-%d")}
        known[mutant.name, identity(mutant)] = result
        if passes(result) or not args.quick:  # what a quick run let through is to be run again
            with open(RESULTS, "a", encoding="utf-8") as f:
                f.write(json.dumps(result) + "\n")
        print(f"{result['caught']:9} {mutant.name}  {result.get('by', '')}  ({result['build_s']:.0f} + {result['run_s']:.0f} s)  {result['note']}", flush=True)
    results = [known[m.name, identity(m)] for m in chosen]
    if args.table:
        with open(args.table, "w", encoding="utf-8") as f:
            f.write(table(results))
    skipped = sum(r["caught"] == SKIPPED for r in results)
    failed = sum(not passes(r) and r["caught"] != SKIPPED for r in results)
    count = lambda word: sum(r["caught"] == word for r in results)
    print(f"caught as a wrong result: {count(WRONG)}, as a failed expectation: {count(EXPECTED)}, survived: {count(SURVIVED)}")
    print(f"{len(results) - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
