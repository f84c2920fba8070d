"""HPCC_VERIFY: hits that are compiled again. A wrong entry is planted with a compiler that depends on what nobody can see."""
import glob
import os
import shutil
import time

import test_audit
import test_remote
from harness import check, test
from test_daemon import held

MODES = ({}, {"HPCC_DAEMON": "0"})
SRC = '#include "a.h"\nint f(int n) { int unused; return n * K; }\n'
# The soft limit of open files: a system call without a path, so no cache can know of it.
HIDDEN = '#!/bin/sh\nexec /usr/bin/gcc -DX=$(ulimit -S -n) "$@"\n'
CLOCK = '#!/bin/sh\nexec /usr/bin/gcc -DX=1$(date +%N) "$@"\n'
SLOW = "#!/bin/sh\nsleep 4\nexec /usr/bin/gcc \"$@\"\n"


def stores(t):
    """Both ways to run, each with a state of its own."""
    for number, mode in enumerate(MODES):
        state = t.path(f"state{number}")
        t.dirs.append(state)
        yield {**mode, "HPCC_DIR": state}


def wrapped(t, script):
    t.write("bin/gcc", script, mode=0o755)
    t.write("a.c", "int f(void) { return X % 1000000007; }\n" if "X=" in script else '#include "a.h"\nint x = K;\n')
    t.write("a.h", "#define K 1\n")
    t.settle()
    return t.path("src", "bin", "gcc")


def limited(limit, *words):
    return ["sh", "-c", f'ulimit -S -n {limit}; exec "$@"', "sh", *words]


def wait_for(path, text):
    for _ in range(1200):
        if os.path.exists(path):
            with open(path) as f:
                if text in f.read():
                    return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} never came to {path}")


def wait_for_grandchild(pid):
    """The compiler script has started its `sleep`: signals reach it by now."""
    def children(of):
        try:
            with open(f"/proc/{of}/task/{of}/children") as f:
                return f.read().split()
        except OSError:
            return []
    for _ in range(1200):
        if any(children(child) for child in children(pid)):
            return
        time.sleep(0.05)
    raise AssertionError("no compiler was started")


def plant(t, env, limit=900):
    """An entry that is wrong for every other limit. Returns the compiler."""
    gcc = wrapped(t, HIDDEN)
    t.run(limited(limit, t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o"), env=env)
    t.run(limited(limit, t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o"), env=env)
    check(t.hits(env) == 1, "not planted", t.stats(env))
    return gcc


def direct(t, gcc, limit):
    t.run(limited(limit, gcc, "-c", "a.c", "-o", "a.o"))
    return t.read("a.o")


@test
def a_hit_that_is_compiled_again_and_equal_is_a_hit(t):
    t.write("a.c", SRC)
    t.write("a.h", "#define K 3\n")
    t.settle()
    plain = t.run("gcc -g -Wall -MMD -c a.c -o a.o")
    objects = t.read("a.o"), t.read("a.d")
    for env in stores(t):
        t.hpcc("gcc -g -Wall -MMD -c a.c -o a.o", env=env)
        done = t.hpcc("gcc -g -Wall -MMD -c a.c -o a.o", env={**env, "HPCC_VERIFY": "1", "HPCC_STRICT": "1"})
        counters = t.counters(env)
        check(counters["local_hit"] == 1 and counters["verified"] == 1 and counters["local_compiled"] == 1, counters)
        check((done.stdout, done.stderr) == (plain.stdout, plain.stderr), "messages", done)
        check((t.read("a.o"), t.read("a.d")) == objects, "outputs")
        t.hpcc("gcc -g -Wall -MMD -MT other -c a.c -o b.o", env={**env, "HPCC_VERIFY": "1"})
        check(t.counters(env)["verified"] == 2, "another output name", t.counters(env))
        check(not os.path.exists(env["HPCC_DIR"] + "/quarantine"), "quarantine")


@test
def a_wrong_entry_is_found_kept_and_never_served_again(t):
    for env in stores(t):
        gcc = plant(t, env)
        wrong, right = direct(t, gcc, 900), direct(t, gcc, 800)
        check(wrong != right, "the plant shows")
        compile_b = limited(800, t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o")
        t.run(compile_b, env=env)
        check(t.read("a.o") == wrong, "without verification the planted entry is served: it cannot be known")
        log = t.path("log")
        done = t.run(compile_b, env={**env, "HPCC_VERIFY": "1", "HPCC_LOG": log})
        check(t.read("a.o") == right and done.stderr == b"", "the build gets what the compiler gives, and no message", done.stderr)
        stats = t.stats(env)
        check(stats["counters"]["verify_differed"] == 1 and stats["counters"]["verified"] == 0 and stats["quarantined"] == 1, stats)
        with open(log) as f:
            check("quarantined" in f.read(), "log")
        os.unlink(log)
        (key,) = os.listdir(env["HPCC_DIR"] + "/quarantine")
        kept = os.path.join(env["HPCC_DIR"], "quarantine", key)
        with open(kept + "/stored/0-a.o", "rb") as f, open(kept + "/compiled/0-a.o", "rb") as g:
            check((f.read(), g.read()) == (wrong, right), "evidence")
        report = t.hpcc(["inspect", key[:8]], env=env).stdout.decode()
        check(".text" in report and "Both runs read the same files" in report, report)
        check("quarantine" in t.hpcc("stats", env=env).stdout.decode(), "stats")
        told = t.hpcc("explain a.o", env=env).stdout.decode()
        check("quarantined" in told and ".text" in told, told)

        before = t.counters(env)
        for _ in range(2):
            t.run(compile_b, env=env)
            check(t.read("a.o") == right, "after quarantine")
            t.run(limited(900, t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o"), env=env)
            check(t.read("a.o") == wrong, "after quarantine")
        after = t.counters(env)
        check(after["local_hit"] == before["local_hit"] and after["local_compiled"] == before["local_compiled"] + 4, after)
        check("the same result as in compiled/" in t.hpcc(["inspect", key], env=env).stdout.decode(), "no verdict")
        t.hpcc("-C", env=env)
        check(t.stats(env)["quarantined"] == 0, "clearing the cache lifts it")
        t.run(compile_b, env=env)
        t.run(compile_b, env=env)
        check(t.hits(env) == before["local_hit"] + 1, "cached again after clearing")


@test
def a_wrong_entry_is_not_served_either_when_it_cannot_be_removed(t):
    for env in stores(t):
        gcc = plant(t, env)
        right = direct(t, gcc, 800)
        compile_b = limited(800, t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o")
        t.hpcc("daemon stop", env=env, ok=False)
        with held(os.path.join(env["HPCC_DIR"], "v1/lock")):
            t.run(compile_b, env={**env, "HPCC_VERIFY": "1"})
            check(t.counters(env)["verify_differed"] == 1, t.counters(env))
            for _ in range(2):
                os.unlink(t.path("src/a.o"))
                t.run(compile_b, env=env)
                check(t.read("a.o") == right, "the entry that differed was served")
        check(t.hits(env) == 1, t.counters(env))
        time.sleep(1.1)  # who has waited for the lock in vain does not try again for a second
        t.run(compile_b, env=env)
        for path in glob.glob(env["HPCC_DIR"] + "/quarantine/*"):
            shutil.rmtree(path)
        t.run(compile_b, env=env)
        check(t.read("a.o") == right and t.hits(env) == 1, "lifting the quarantine brings it back", t.counters(env))


@test
def explain_names_the_key_of_the_hit(t):
    t.write("a.c", "int f(void) { return 1; }\n")
    t.settle()
    def key():
        (line,) = [line for line in t.hpcc("explain a.o").stdout.decode().splitlines() if line.startswith("key ")]
        return line
    seen = []
    for level in ("-O2", "-O3", "-O2"):
        t.hpcc(["gcc", level, "-c", "a.c", "-o", "a.o"])
        seen.append(key())
    check(t.hits() == 1 and seen[0] == seen[2] != seen[1], seen)


@test
def of_hits_that_come_at_once_the_share_asked_for_is_chosen(t):
    names = t.program(60)
    t.settle()
    t.run(["make", "-j8", f"CC={t.hpcc_bin} gcc"])
    t.run("make clean")
    t.run(["make", "-j16", f"CC={t.hpcc_bin} gcc"], env={"HPCC_VERIFY": "1/10"})
    counters = t.counters()
    check(counters["local_hit"] == len(names) and 1 <= counters["verified"] <= 20, counters)  # 6 of 60, give or take


@test
def only_strict_fails_a_build_over_a_wrong_entry(t):
    for env in stores(t):
        gcc = plant(t, env)
        right = direct(t, gcc, 800)
        done = t.run(limited(800, t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o"), ok=False,
                     env={**env, "HPCC_VERIFY": "1", "HPCC_STRICT": "1"})
        check(done.returncode == 125, "exit", done.returncode)
        check(b"hpcc: " in done.stderr and b"differs" in done.stderr and b"quarantine" in done.stderr, done.stderr)
        check(t.read("a.o") == right, "the object is the compiler's")


@test
def a_compiler_that_does_not_repeat_itself_is_told_from_a_wrong_entry(t):
    for env in stores(t):
        gcc = wrapped(t, CLOCK)
        for more in ({}, {"HPCC_VERIFY": "1"}, {}):
            t.run([t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o"], env={**env, **more})
        counters = t.counters(env)
        check(counters["verify_differed"] == 1 and counters["local_hit"] == 0, counters)
        (key,) = os.listdir(env["HPCC_DIR"] + "/quarantine")
        report = t.hpcc(["inspect", key], env=env).stdout.decode()
        check("a third result" in report, report)


@test
def a_rate_compiles_that_share_of_the_hits_again(t):
    def sampled(n, rate):
        mask = 2**64 - 1
        x = (n + 0x9e3779b97f4a7c15) & mask
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9 & mask
        x = (x ^ (x >> 27)) * 0x94d049bb133111eb & mask
        return ((x ^ (x >> 31)) >> 11) / 2**53 < rate

    t.write("a.s", ".long 1\n")
    t.settle()
    hits = 40
    for env, rate in zip(stores(t), ("1/4", "0.25")):
        for _ in range(hits + 1):
            t.hpcc("gcc -c a.s -o a.o", env={**env, "HPCC_VERIFY": rate})
        counters = t.counters(env)
        expected = sum(sampled(n, 0.25) for n in range(1, hits + 1))  # the first compile counts
        check(counters["local_hit"] == hits and counters["verified"] == expected, expected, counters)
        check(hits / 8 < expected < hits / 2, "the share", expected)


@test
def a_compile_with_random_numbers_proves_nothing(t):
    t.write("a.c", "static int s(int n) { return n * n; }\nint (*p)(int) = s;\n")
    t.settle()
    for env in stores(t):
        for flags in ("-flto", "--coverage"):
            for more in ({}, {"HPCC_VERIFY": "1", "HPCC_STRICT": "1"}, {}):
                t.hpcc(f"gcc {flags} -c a.c -o a.o", env={**env, **more})
        counters = t.counters(env)
        check(counters["verify_differed"] == 0 and counters["verified"] == 0 and counters["local_hit"] == 2, counters)


@test
def an_input_that_changes_meanwhile_proves_nothing(t):
    for env in stores(t):
        gcc = wrapped(t, SLOW)
        log = t.path("log")
        command = [t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o"]
        t.run(command, env=env)
        process = t.start(command, env={**env, "HPCC_VERIFY": "1", "HPCC_LOG": log})
        wait_for(log, "verify ")
        t.write("a.h", "#define K 2\n")
        check(process.wait() == 0, "exit")
        os.unlink(log)
        counters = t.counters(env)
        check(counters["verify_differed"] == 0 and t.stats(env)["quarantined"] == 0, counters)
        made = t.read("a.o")
        t.run("gcc -c a.c -o a.o")
        check(t.read("a.o") == made, "object")


@test
def a_killed_compiler_proves_nothing(t):
    for env in stores(t):
        gcc = wrapped(t, SLOW)
        log = t.path("log")
        command = [t.hpcc_bin, gcc, "-c", "a.c", "-o", "a.o"]
        t.run(command, env=env)
        process = t.start(command, env={**env, "HPCC_VERIFY": "1", "HPCC_LOG": log})
        wait_for(log, "verify ")
        wait_for_grandchild(process.pid)
        process.terminate()
        process.wait()
        wait_for(log, "not verified")
        os.unlink(log)
        t.run(command, env=env)
        check(t.hits(env) == 1 and t.counters(env)["verify_differed"] == 0, t.counters(env))


# --- in a project whose .hpcc names an image: a worker compiles again ---
# as heads its listing with the name of its temporary source: another one in each run.
LISTING = "gcc -c a.c -o a.o -Wa,-al=a.lst"


def farm(t):
    test_remote.up(t)
    test_remote.project(t)
    t.write("a.c", "int f(void) { int unused; return 1; }\n")
    t.settle()


def moved(t, words, env=None):
    before = t.counters(env)
    done = t.hpcc(words, env=env, timeout=300, ok=False)
    after = t.counters(env)
    return done, {name: after[name] - before[name] for name in after if after[name] != before[name]}


@test
def a_workers_hit_is_compiled_again(t):
    farm(t)
    words = "gcc -Wall -c a.c -o a.o"
    first, counted = moved(t, words)
    check(counted.get("remote_compiled") == 1 and b"unused" in first.stderr, counted, first.stderr)
    made, env = t.read("a.o"), {"HPCC_VERIFY": "1", "HPCC_STRICT": "1"}
    for hit in ("local_hit", "remote_hit", "local_hit"):
        os.unlink(t.path("src/a.o"))
        rows = len(test_remote.rows(t))
        done, counted = moved(t, words, env)
        check(counted.get(hit) == 1 and counted.get("verified") == 1 and "remote_compiled" not in counted, hit, counted)
        check((done.returncode, done.stdout, done.stderr) == (0, first.stdout, first.stderr), done)
        check(t.read("a.o") == made, "object")
        check(len(test_remote.rows(t)) == rows + (2 if hit == "remote_hit" else 1), "the worker compiled nothing", test_remote.rows(t))
        if counted.get("local_hit"):
            t.hpcc("-C")
    check(not os.path.exists(t.path("state/quarantine")), "quarantine")


@test
def a_workers_result_that_differs_is_kept_and_never_served_again(t):
    farm(t)
    for emptied in (False, True):  # the entry here; what the worker's cache gives
        moved(t, LISTING)
        old = t.read("a.lst")
        if emptied:
            t.hpcc("-C")
        done, counted = moved(t, LISTING, {"HPCC_VERIFY": "1"})
        check(done.returncode == 0 and done.stderr == b"", "the build goes on", done)
        check(counted.get("verify_differed") == 1 and counted.get("remote_compiled") == 1 and "verified" not in counted, counted)
        check(t.read("a.lst") != old, "the build gets what the compiler gives")
        (kept,) = glob.glob(t.path("state/quarantine/*"))
        (stored,), (compiled,) = glob.glob(kept + "/stored/*-a.lst"), glob.glob(kept + "/compiled/*-a.lst")
        check((test_remote.read_at(stored), test_remote.read_at(compiled)) == (old, t.read("a.lst")), "evidence")
        report = t.hpcc(["inspect", os.path.basename(kept)[:8]]).stdout.decode()
        check("a.lst" in report and "worker" in report and t.digest in report, report)
        check("quarantined" in t.hpcc("explain a.o").stdout.decode(), t.hpcc("explain a.o").stdout)
        for _ in range(2):  # neither from here nor from the worker's cache
            _, counted = moved(t, LISTING)
            check(counted.get("remote_compiled") == 1 and not {"local_hit", "remote_hit"} & set(counted), counted)
        check("a third result" in t.hpcc(["inspect", os.path.basename(kept)[:8]]).stdout.decode(), "repeat")
        for path in glob.glob(kept + "/**", recursive=True)[::-1]:
            (os.rmdir if os.path.isdir(path) else os.unlink)(path)
    warned = LISTING + " -Wall"
    moved(t, warned)
    done, counted = moved(t, warned, {"HPCC_VERIFY": "1", "HPCC_STRICT": "1"})
    check(done.returncode == 125 and b"hpcc: " in done.stderr and b"a.lst" in done.stderr, done)
    check(b"unused variable" in done.stderr, "the compiler's messages are shown as ever", done)


@test
def what_was_not_compiled_anew_verifies_nothing(t):
    compile_with = test_audit.lying(t)
    t.write("a.c", "int f(void) { return 1; }\n")
    verify = {"HPCC_VERIFY": "1"}
    check(compile_with("", "a.c") == ({"remote_compiled"}, 0), t.hpcc("explain a.o").stdout)
    for lie in ("answers_from_its_cache", "backdoor"):
        check(compile_with(lie, "a.c", env=verify) == ({"local_hit"}, 1), lie, t.stats())
    t.hpcc("-C")
    check(compile_with("answers_from_its_cache", "a.c", env=verify) == ({"remote_hit"}, 1), t.stats())
    check(compile_with("", "a.c") == ({"remote_hit"}, 0), "what was not verified was stored", t.stats())
    check(compile_with("", "a.c", env=verify) == ({"local_hit", "verified"}, 0), t.stats())


@test
def a_key_that_is_quarantined_while_a_worker_compiles_is_not_stored(t):
    farm(t)
    t.write("slow.cc", "template <int N> struct F { static constexpr long v = F<N - 1>::v + F<N - 2>::v; };\n"
            "template <> struct F<0> { static constexpr long v = 0; };\ntemplate <> struct F<1> { static constexpr long v = 1; };\n"
            + "".join(f"template <int N> struct G{i} {{ static constexpr long v = G{i}<N - 1>::v + {i}; }};\n"
                      f"template <> struct G{i}<0> {{ static constexpr long v = 0; }};\nlong g{i} = G{i}<800>::v;\n" for i in range(60)))
    words = "g++ -c slow.cc -o slow.o"
    moved(t, words)
    (key,) = [line.split()[1] for line in t.hpcc("explain slow.o").stdout.decode().splitlines() if line.startswith("key ")]
    check(b"manifest" in t.hpcc(["inspect", key[:12]]).stdout, "inspect does not know the key that explain names")
    t.hpcc("-C")
    build = t.start([t.hpcc_bin, *words.split()], env={"HPCC_RECACHE": "1"})
    time.sleep(0.3)
    mark = t.path("state/quarantine", key)
    os.makedirs(mark)
    check(build.poll() is None, "the compile was over before the test began")
    check(build.wait(300) == 0, "the build goes on")
    os.rmdir(mark)
    _, counted = moved(t, words)
    check("local_hit" not in counted, "it was stored", counted)


@test
def without_a_worker_a_chosen_hit_is_served_as_it_is(t):
    farm(t)
    words = "gcc -c a.c -o a.o"
    moved(t, words)
    made = t.read("a.o")
    os.unlink(t.path("src/a.o"))
    t.hpcc("down")
    for more in ({}, {"HPCC_DAEMON": "0"}):
        done, counted = moved(t, words, {"HPCC_VERIFY": "1", "HPCC_LOG": t.path("log"), **more})
        check(done.returncode == 0 and t.read("a.o") == made and counted.get("local_hit") == 1 and "verified" not in counted, done, counted)
    with open(t.path("log")) as f:
        check("not verified: no_worker" in f.read(), "log")
