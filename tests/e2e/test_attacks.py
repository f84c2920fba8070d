"""What reviewers tried, to get a wrong hit or to stop the daemon. Each was possible once."""
import os
import signal
import subprocess
import time

from harness import Skip, check, test


def compare(t, argv, output, cwd=None, more=()):
    """The output of argv through hpcc must be what the plain compiler makes in the same place."""
    path = os.path.join(cwd or t.dir, output)
    t.hpcc(argv, cwd=cwd, **dict(more))
    with open(path, "rb") as f:
        ours = f.read()
    os.unlink(path)
    t.run(argv, cwd=cwd, **dict(more))
    with open(path, "rb") as f:
        check(ours == f.read(), "differs from the plain compiler's:", argv)


@test
def a_hit_for_a_launcher_that_is_gone_does_not_overwrite_newer_output(t):
    t.write("a.c", "int f(int n) { int s = 0; while (n) s += n--; return s; }\n")
    t.settle()
    t.hpcc("gcc -O0 -c a.c -o a.o")
    daemon = t.daemons()[0]
    os.kill(daemon, signal.SIGSTOP)
    try:
        subprocess.run(["timeout", "-s", "INT", "0.5", t.hpcc_bin, "gcc", "-O0", "-c", "a.c", "-o", "a.o"], env=t.env, cwd=t.dir,
                       capture_output=True)
        t.run("gcc -O2 -c a.c -o a.o")
        newer = t.read("a.o")
    finally:
        os.kill(daemon, signal.SIGCONT)
    time.sleep(0.3)
    check(t.read("a.o") == newer, "the abandoned hit overwrote the object")


@test
def a_header_behind_a_descriptor_is_no_input_that_can_be_kept(t):
    t.write("a.c", "int x = X;\n")
    t.write("h1", "#define X 1\n")
    t.write("h2", "#define X 2\n")
    t.settle()
    for name in ("h1", "h2"):
        script = f'exec 5<{name}; "$@" gcc -S -include /proc/self/fd/5 a.c -o {name}.s'
        t.run(["sh", "-c", script, "sh", t.hpcc_bin])
    check(b"2" in t.read("h2.s") and t.read("h1.s") != t.read("h2.s"), t.read("h2.s"))


@test
def a_source_that_asks_for_its_own_output_is_answered_each_time(t):
    t.write("a.c", '#if __has_include("a.o")\nint present;\n#else\nint absent;\n#endif\n')
    t.settle()
    for compiler in ("gcc", "clang"):
        if os.path.exists(t.path("src", "a.o")):
            os.unlink(t.path("src", "a.o"))
        t.hpcc([compiler, "-c", "a.c", "-o", "a.o"])
        check(b"absent" in t.read("a.o"))
        t.hpcc([compiler, "-c", "a.c", "-o", "a.o"])
        check(b"present" in t.read("a.o"), compiler)


@test
def a_path_that_assembly_escapes_does_not_cross_checkouts(t):
    for name in ("\u00e91", "\u00e92"):
        t.write(f"{name}/.git/HEAD", "")
        t.write(f"{name}/a.c", "int f(void) { return 1; }\n")
    t.settle()
    for name in ("\u00e91", "\u00e92"):
        compare(t, ["gcc", "-g", "-S", "a.c", "-o", "a.s"], "a.s", cwd=os.path.join(t.dir, name))


@test
def a_caller_without_the_daemons_group_reads_nothing_through_it(t):
    if os.geteuid() != 0:
        raise Skip("needs root for other groups")
    os.chmod(t.top, 0o755)
    t.write("h.h", "#define X 1\n", mode=0o640)
    t.write("a.c", '#include "h.h"\nint x = X;\n')
    os.chown(t.path("src", "h.h"), 0, 5555)
    os.chmod(t.dir, 0o777)
    state = os.path.join(t.top, "other")
    os.makedirs(state, mode=0o777)
    os.chmod(state, 0o777)
    t.dirs.append(state)
    t.settle()
    user = ["setpriv", "--reuid", "1234", "--regid", "1234"]
    env = {"HPCC_DIR": state, "HOME": state}
    if t.run([*user, "--groups", "5555", t.hpcc_bin, "gcc", "-c", "a.c", "-o", "a.o"], env=env, ok=False).returncode != 0:
        raise Skip("the test user cannot reach the compiler here")
    done = t.run([*user, "--clear-groups", t.hpcc_bin, "gcc", "-c", "a.c", "-o", "c.o"], env=env, ok=False)
    t.run([*user, "--groups", "5555", t.hpcc_bin, "daemon", "stop"], env=env, ok=False)
    t.run([*user, "--clear-groups", t.hpcc_bin, "daemon", "stop"], env=env, ok=False)
    check(done.returncode != 0 and b"ermission" in done.stderr, done.returncode, done.stderr)


@test
def an_old_file_where_an_optional_output_goes_is_not_stored(t):
    t.write("a.c", "int f(int n) { return n; }\n")
    t.write("a.opt", "STALE")
    t.settle()
    for _ in range(2):
        t.hpcc("gcc -O2 -fopt-info-vec=a.opt -c a.c -o a.o", ok=False)
        if t.exists("a.opt"):
            left = t.read("a.opt")
            os.unlink(t.path("src", "a.opt"))
    check(not t.exists("a.opt"), "a hit made", left)


@test
def side_files_are_written_through_links_and_keep_their_mode(t):
    t.write("a.c", "int f(int n) { return n; }\n")
    t.settle()
    t.hpcc("gcc -MD -MF a.d -c a.c -o a.o")
    os.unlink(t.path("src", "a.d"))
    t.write("real.d", "old", mode=0o600)
    os.symlink("real.d", t.path("src", "a.d"))
    before = t.hits()
    t.hpcc("gcc -MD -MF a.d -c a.c -o a.o")
    check(t.hits() == before + 1, t.counters())
    check(os.path.islink(t.path("src", "a.d")) and t.read("real.d").startswith(b"a.o:"), t.read("real.d"))
    check(os.stat(t.path("src", "real.d")).st_mode & 0o777 == 0o600)


@test
def a_fifo_as_log_does_not_hold_the_daemon(t):
    t.write("a.c", "int a;\n")
    os.mkfifo(t.path("src", "fifo"))
    t.settle()
    started = time.monotonic()
    t.hpcc("gcc -c a.c -o a.o", env={"HPCC_LOG": t.path("src", "fifo")})
    check(time.monotonic() - started < 5, "the compile waited for a reader")


@test
def the_first_callers_file_size_limit_is_not_the_daemons(t):
    t.write("a.c", "int a;\n")
    t.write("big.c", "char big[3000000] = {1};\n")
    t.settle()
    t.run(["sh", "-c", f"ulimit -S -f 1000; exec {t.hpcc_bin} gcc -c a.c -o a.o"])
    for _ in range(2):
        t.hpcc("gcc -c big.c -o big.o")
    check(t.hits() == 1, t.counters())


@test
def what_a_compiler_wrapper_leaves_running_goes_on_working(t):
    t.write("bin/gcc", '#!/bin/sh\n(sleep 0.4; cat /etc/hostname > bg.out; echo done > bg.done) </dev/null >/dev/null 2>&1 &\n'
            'exec /usr/bin/gcc "$@"\n', mode=0o755)
    t.write("a.c", "int a;\n")
    t.settle()
    t.hpcc([t.path("src", "bin/gcc"), "-c", "a.c", "-o", "a.o"])
    t.until(lambda: t.exists("bg.done"), "the background process does not end")
    check(t.exists("bg.out"), "the background process failed")
