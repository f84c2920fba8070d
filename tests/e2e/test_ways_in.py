"""The ways in, the fixed variables, and what passes through untouched."""
import os
import pty
import re
import select
import subprocess
import time

from harness import Skip, check, test

SRC = '#include <stdio.h>\nint f(int n) { return n + 1; }\n'


def twice(t, words, env=None):
    t.write("a.c", SRC)
    t.settle()
    before = t.counters(env)
    for _ in range(2):
        t.run([*words, "-c", "a.c", "-o", "a.o"], env=env)
        check(t.exists("a.o"))
        os.unlink(t.path("src", "a.o"))
    after = t.counters(env)
    check(after["local_hit"] - before["local_hit"] == 1, "no hit:", after)


@test
def hpcc_gcc_compiles_and_then_hits(t):
    twice(t, [t.hpcc_bin, "gcc"])


@test
def hpcc_wrap_gcc_does_the_same(t):
    twice(t, [t.hpcc_bin, "wrap", "gcc"])


@test
def hpcc_by_an_absolute_compiler_path(t):
    twice(t, [t.hpcc_bin, "/usr/bin/gcc"])


@test
def without_a_daemon_it_hits_too_and_starts_none(t):
    twice(t, [t.hpcc_bin, "gcc"], env={"HPCC_DAEMON": "0"})
    check(not t.daemons(), "a daemon runs")


@test
def make_with_CC_hits_on_the_second_build(t):
    names = t.program()
    t.settle()
    for _ in range(2):
        t.run(["make", "-j2", f"CC={t.hpcc_bin} gcc"])
        t.expect_objects(names)
        t.run("make clean")
    check(t.hits() == len(names), t.counters())


@test
def cmake_with_ninja_and_the_launcher_variables_hits(t):
    t.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.10)\nproject(p C CXX)\nadd_library(p STATIC a.c b.cc)\n")
    t.write("a.c", "int a;\n")
    t.write("b.cc", "#include <vector>\nint b() { return std::vector<int>(3).size(); }\n")
    for _ in range(2):
        t.run("rm -rf build")
        t.run(["cmake", "-G", "Ninja", "-S", ".", "-B", "build", f"-DCMAKE_C_COMPILER_LAUNCHER={t.hpcc_bin}",
               f"-DCMAKE_CXX_COMPILER_LAUNCHER={t.hpcc_bin}"])
        t.settle()
        before = t.counters()
        t.run("ninja -C build")
    check(t.hits() - before["local_hit"] == 2, t.stats())


@test
def a_symlink_named_like_the_compiler_is_skipped_on_PATH(t):
    os.makedirs(t.path("bin"))
    for name in ("gcc", "g++", "clang", "cc", "x86_64-linux-gnu-gcc"):
        os.symlink(t.hpcc_bin, t.path("bin", name))
    env = {"PATH": t.path("bin") + ":" + t.env["PATH"]}
    twice(t, ["gcc"], env=env)
    t.write("b.cc", "int g() { return 1; }\n")
    t.settle()
    t.run("g++ -c b.cc", env=env)
    t.run("cc -c a.c", env=env)


@test
def two_symlink_directories_on_PATH_do_not_loop(t):
    for d in ("bin1", "bin2"):
        os.makedirs(t.path(d))
        os.symlink(t.hpcc_bin, t.path(d, "gcc"))
    twice(t, ["gcc"], env={"PATH": f"{t.path('bin1')}:{t.path('bin2')}:{t.env['PATH']}"})


@test
def a_hard_link_or_copy_of_hpcc_named_gcc_is_not_run_for_ever(t):
    os.makedirs(t.path("bin"))
    os.symlink(t.hpcc_bin, t.path("bin", "gcc"))
    t.write("a.c", SRC)
    done = t.run("gcc -c a.c", env={"PATH": t.path("bin")}, ok=False, timeout=20)
    check(done.returncode != 0, "there is no gcc behind the link")


@test
def key_value_words_before_the_compiler_are_overrides(t):
    t.write("a.c", SRC)
    t.settle()
    t.hpcc("gcc -c a.c")
    t.hpcc("HPCC_RECACHE=1 gcc -c a.c")
    check(t.hits() == 0, "HPCC_RECACHE=1 was not heard", t.counters())
    t.hpcc("gcc -c a.c")
    check(t.hits() == 1, t.counters())
    t.write("b.c", "const char *s = DIR;\n")
    t.hpcc("HPCC_DISABLE=1 gcc -c a.c")
    check(t.hits() == 1, t.counters())


@test
def key_value_words_reach_the_compiler_as_environment(t):
    t.write("i/x.h", "#define X 1\n")
    t.write("a.c", "#include <x.h>\nint v = X;\n")
    t.settle()
    t.hpcc("CPATH=i gcc -c a.c")


@test
def a_state_directory_too_long_for_a_socket_address_works(t):
    long = t.path(*["directory_with_a_rather_long_name_%d" % i for i in range(6)])
    t.dirs.append(long)
    twice(t, [t.hpcc_bin, "gcc"], env={"HPCC_DIR": long})
    t.hpcc("daemon status", env={"HPCC_DIR": long})


@test
def a_relative_state_directory_works(t):
    twice(t, [t.hpcc_bin, "gcc"], env={"HPCC_DIR": "state-here"})
    t.hpcc("daemon stop", env={"HPCC_DIR": "state-here"})


@test
def a_state_directory_with_blanks_works(t):
    odd = t.path("a b 'c\"")
    t.dirs.append(odd)
    twice(t, [t.hpcc_bin, "gcc"], env={"HPCC_DIR": odd})


@test
def a_hundred_fresh_state_directories_work_at_once(t):
    t.write("a.c", SRC)
    t.settle()
    slowest = 0
    for i in range(100 if t.slow else 20):
        fresh = t.path(f"fresh{i}")
        t.dirs.append(fresh)
        started = time.time()
        t.hpcc("daemon start", env={"HPCC_DIR": fresh})
        slowest = max(slowest, time.time() - started)
        t.hpcc("gcc -c a.c", env={"HPCC_DIR": fresh})
        t.hpcc("daemon stop", env={"HPCC_DIR": fresh})
    return f"slowest start {slowest * 1000:.0f} ms"


@test
def HPCC_DISABLE_runs_the_compiler_and_stores_nothing(t):
    t.write("a.c", SRC)
    t.settle()
    for _ in range(2):
        t.hpcc("gcc -c a.c", env={"HPCC_DISABLE": "1"})
        check(t.exists("a.o"))
    counters = t.counters()
    check(counters["local_hit"] == 0 and counters["local_compiled"] == 0, counters)


@test
def HPCC_RECACHE_compiles_again_and_stores_anew(t):
    t.write("a.c", SRC)
    t.settle()
    t.hpcc("gcc -c a.c")
    t.hpcc("gcc -c a.c", env={"HPCC_RECACHE": "1"})
    check(t.counters()["local_compiled"] == 2, t.counters())
    t.hpcc("gcc -c a.c")
    check(t.hits() == 1, t.counters())


@test
def HPCC_LOG_is_written_to_a_file_and_nowhere_else(t):
    t.write("a.c", SRC)
    t.settle()
    for env in ({}, {"HPCC_DAEMON": "0"}):
        log = t.path("log" + env.get("HPCC_DAEMON", ""))
        done = t.hpcc("gcc -c a.c", env={**env, "HPCC_LOG": log})
        check(done.stdout == b"" and done.stderr == b"", done)
        check(os.path.getsize(log) > 0, "empty log with", env)


@test
def an_unwritable_log_does_not_disturb(t):
    t.write("a.c", SRC)
    done = t.hpcc("gcc -c a.c", env={"HPCC_LOG": "/nonexistent/log"})
    check(done.stderr == b"", done)


@test
def linking_preprocessing_stdin_and_several_sources_pass_through_with_a_reason(t):
    t.write("a.c", "int main(void) { return 0; }\n")
    t.write("b.c", "int b;\n")
    for words, reason in (("gcc a.c -o a", "link"), ("gcc -E a.c", "preprocess"), ("gcc -M a.c", "preprocess"),
                          ("gcc -c a.c b.c", "several_sources")):
        plain = t.run(words)
        before = t.stats()["bypass_reasons"].get(reason, 0)
        done = t.hpcc(words)
        check(done.stdout == plain.stdout and done.stderr == plain.stderr, words)
        check(t.stats()["bypass_reasons"].get(reason, 0) == before + 1, words, reason, t.stats()["bypass_reasons"])
    t.run("./a")
    with open(t.path("src", "a.c")) as source:
        t.hpcc("gcc -x c -c - -o s.o", stdin=source)
    check(t.exists("s.o") and t.stats()["bypass_reasons"].get("stdin") == 1, t.stats())


@test
def preprocessing_to_stdout_is_not_buffered_or_changed(t):
    t.write("a.c", "#include <stdio.h>\nint x;\n")
    check(t.hpcc("gcc -E a.c").stdout == t.run("gcc -E a.c").stdout)


@test
def a_compiler_that_is_not_there_gives_127_or_a_message(t):
    done = t.hpcc("gcc-99 -c a.c", ok=False)
    check(done.returncode in (126, 127), done)


@test
def a_failing_compile_keeps_exit_code_and_message_and_is_not_cached(t):
    t.write("a.c", "int x = ;\n")
    t.settle()
    plain = t.run("gcc -c a.c", ok=False)
    for env in ({}, {"HPCC_DAEMON": "0"}):
        for _ in range(2):
            done = t.hpcc("gcc -c a.c", ok=False, env=env)
            check((done.returncode, done.stdout, done.stderr) == (plain.returncode, plain.stdout, plain.stderr), done)
    check(t.hits() == 0, t.counters())
    check(not t.exists("a.o"))


@test
def a_compiler_killed_by_a_signal_is_reported_as_the_shell_would(t):
    t.write("cc.sh", "#!/bin/sh\nkill -SEGV $$\n", 0o755)
    os.rename(t.path("src", "cc.sh"), t.path("src", "gcc"))
    t.write("a.c", SRC)
    plain = t.run("./gcc -c a.c", ok=False)
    done = t.hpcc("./gcc -c a.c", ok=False)
    check(done.returncode == plain.returncode or done.returncode == 128 + 11, done.returncode, plain.returncode)


@test
def warnings_are_replayed_on_a_hit(t):
    t.write("a.c", "int f(void) { int unused; return 0; }\n")
    t.settle()
    plain = t.run("gcc -Wall -c a.c")
    for _ in range(2):
        done = t.hpcc("gcc -Wall -c a.c")
        check(done.stderr == plain.stderr, done.stderr, plain.stderr)
    check(t.hits() == 1)


def on_a_terminal(t, argv, env=None):
    master, slave = pty.openpty()
    process = subprocess.Popen(argv, cwd=t.dir, env={**t.env, "TERM": "xterm-256color", **(env or {})}, stdin=slave, stdout=slave,
                               stderr=slave, close_fds=True)
    os.close(slave)
    text, end = b"", time.time() + 30
    while time.time() < end:
        ready, _, _ = select.select([master], [], [], 0.2)
        if ready:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        elif process.poll() is not None:
            break
    os.close(master)
    check(process.wait(10) == 0, text)
    return text


@test
def colour_is_the_terminals_on_hits_and_misses(t):
    t.write("a.c", "int f(void) { int unused; return 0; }\n")
    t.settle()
    for compiler in ("gcc", "clang"):
        words = [compiler, "-Wall", "-c", "a.c"]
        # Hyperlinks (OSC 8) are the one thing of a terminal that hpcc does not ask the compiler for; see README, Limits.
        colour = re.sub(rb"\x1b\]8;;.*?(\x1b\\\\|\x07)", b"", on_a_terminal(t, words))
        plain = t.run(words).stderr
        check(b"\x1b[" in colour, "the compiler itself gives no colour", colour)
        for _ in range(2):
            check(on_a_terminal(t, [t.hpcc_bin, *words]) == colour, compiler, "on a terminal")
            check(t.hpcc(words).stderr == plain, compiler, "without a terminal")


@test
def a_hit_runs_no_compiler(t):
    """Under a limit of memory that the compiler cannot live with, a hit still succeeds."""
    t.write("a.c", SRC)
    t.settle()
    t.hpcc("gcc -c a.c")
    os.unlink(t.path("src", "a.o"))
    limited = ["sh", "-c", 'ulimit -v 20000; exec "$@"', "sh"]
    if t.run([*limited, "gcc", "-c", "a.c"], ok=False).returncode == 0:
        raise Skip("the compiler lives within 20 MB")
    t.run([*limited, t.hpcc_bin, "gcc", "-c", "a.c"])
    check(t.exists("a.o") and t.hits() == 1, t.counters())


@test
def version_help_and_state_verbs_answer(t):
    for words in ("--version", "--help", "stats", "doctor", "-p", "-z", "-c", "-C", "daemon status", "explain --help",
                  "stats --help", "inspect --help", "doctor --help"):
        done = t.hpcc(words, ok=False)
        check(done.returncode in (0, 1), words, done)
        check(done.stdout or done.stderr or words in ("-z", "-c", "-C"), words, "says nothing")
    t.hpcc("-M 1G")


@test
def every_listed_verb_is_one_to_the_launcher_too(t):
    listed = [line.split()[1] for line in t.hpcc("--help").stdout.decode().splitlines() if line.startswith("  hpcc ")]
    check(len(listed) > 8, listed)
    for verb in listed:
        done = t.hpcc(f"{verb} --help", ok=False)
        check(done.returncode == 0 and done.stdout.startswith(b"usage: hpcc"), verb, done)


@test
def zeroing_and_clearing_do_what_they_say(t):
    t.write("a.c", SRC)
    t.settle()
    t.hpcc("gcc -c a.c")
    t.hpcc("-z")
    check(t.counters()["local_compiled"] == 0, t.counters())
    t.hpcc("gcc -c a.c")
    check(t.hits() == 1, "-z must not clear the cache")
    t.hpcc("-C")
    t.hpcc("gcc -c a.c")
    check(t.hits() == 1, "-C must clear the cache", t.counters())


@test
def inspect_shows_what_explain_names(t):
    t.write("a.c", SRC)
    t.settle()
    t.hpcc("gcc -c a.c")
    text = t.hpcc("explain a.c").stdout.decode()
    key = next((w for line in text.splitlines() if line.startswith("key") for w in line.split()[1:]), None)
    check(key, "no key in", text)
    check(t.hpcc(["inspect", key[:16]]).stdout, "inspect says nothing")


@test
def explain_works_by_source_and_by_output(t):
    t.write("a.c", '#include "h.h"\nint v = K;\n')
    t.write("h.h", "#define K 1\n")
    t.settle()
    t.hpcc("gcc -c a.c -o out.o")
    t.write("h.h", "#define K 22\n")
    t.settle()
    t.hpcc("gcc -c a.c -o out.o")
    for name in ("a.c", "out.o", t.path("src", "a.c")):
        done = t.hpcc(["explain", name])
        check(b"h.h" in done.stdout, name, done.stdout)


@test
def umask_of_the_caller_is_kept_with_and_without_the_daemon(t):
    t.write("a.c", SRC)
    t.settle()
    for env in ({}, {"HPCC_DAEMON": "0"}):
        for mask in (0o022, 0o077, 0o002):
            t.hpcc("gcc -c a.c", env=env, umask=mask)
            check(os.stat(t.path("src", "a.o")).st_mode & 0o777 == 0o666 & ~mask, oct(mask))


@test
def HPCC_LOG_has_one_line_for_each_event(t):
    log = t.path("log")
    t.write("a.c", "int x;\n")
    t.write("bad.c", "int f( {\n")
    t.settle()
    t.hpcc("gcc -c a.c", env={"HPCC_LOG": log})
    t.write("a.c", "int y;\n")
    t.settle()
    t.hpcc("gcc -O2 -DK -c a.c", env={"HPCC_LOG": log})
    t.hpcc("gcc -O2 -DK -c a.c", env={"HPCC_LOG": log})
    t.hpcc("gcc -c bad.c", env={"HPCC_LOG": log}, ok=False)
    with open(log) as f:
        lines = f.read().splitlines()
    check(all(line.startswith(t.dir + "/") and ".o: " in line for line in lines), lines)
    words = [line.split(": ", 1)[1].split()[0].rstrip(",") for line in lines]
    check(words == ["miss", "stored", "miss", "stored", "hit", "miss", "failed"], lines)


@test
def a_configured_limit_is_not_kept_and_a_change_is_noticed(t):
    t.write("a.c", "int x;\n")
    config = t.write(t.path("config.toml"), 'max_size = "7M"\n')
    env = {"HPCC_CONFIG": config}
    t.settle()
    t.hpcc("gcc -c a.c", env=env)
    check(t.stats(env)["store"]["max_size_bytes"] == 7 << 20, t.stats(env))
    check(t.stats()["store"]["max_size_bytes"] == 10 << 30, "the limit was kept:", t.stats())
    check(len(t.daemons()) == 1)
    t.write(config, "max_siez = 1\n")
    t.until(lambda: t.counters()["error"] != 0, "the daemon did not notice the mistake")
    check(b"config.toml:1: unknown setting max_siez" in t.hpcc("stats", env=env).stderr)
    t.write(config, "idle_exit_s = 1\n")
    t.until(lambda: not t.daemons(), "the daemon did not notice its new idle time")
    done = t.hpcc("stats", env={"HPCC_CONFIG": "config.toml"})
    check(b"absolute" in done.stderr, done.stderr)


@test
def a_response_file_that_is_a_descriptor_is_read_by_the_compiler(t):
    t.write("a.c", "int a = A;\n")
    # gcc cannot read one itself.
    t.run(["bash", "-c", f"{t.hpcc_bin} clang -c a.c -o a.o @<(echo -DA=1 -g)"])
    check(b"debug_info" in t.read("a.o"), "the words of the descriptor are not there")
