"""The daemon's life: it starts on demand, never holds a build up, and its absence, crash or hang never fails one."""
import contextlib
import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import time

from harness import Skip, bin_dir, check, test

SRC = "int f(int n) { return n + 1; }\n"


@test
def it_starts_on_demand_and_stops_when_told(t):
    t.write("a.c", SRC)
    check(not t.daemons())
    t.hpcc("gcc -c a.c")
    check(len(t.daemons()) == 1, t.daemons())
    t.hpcc("daemon stop")
    t.until(lambda: not t.daemons(), "still there:", t.daemons)


@test
def a_cold_start_by_64_at_once_serves_all(t):
    names = t.program(64)
    t.settle()
    for i in range(1000 if t.slow else 20):
        fresh = t.path(f"cold{i}")
        t.dirs.append(fresh)
        env = {"HPCC_DIR": fresh}
        for name in names:
            if t.exists(name):
                os.unlink(t.path("src", name))
        few = names if i % 10 == 0 else names[:1]
        processes = [t.start([t.hpcc_bin, "gcc", "-O1", "-c", (n if few is names else few[0])[:-2] + ".c", "-o", n], env=env,
                             stderr=subprocess.PIPE) for n in names]
        for p in processes:
            _, err = p.communicate(timeout=120)
            check(p.returncode == 0 and err == b"", f"round {i}:", p.returncode, err)
        t.started.clear()
        counters = t.counters(env)
        done = counters["local_hit"] + counters["local_compiled"] + counters["bypass"]
        check(done == 64 and counters["error"] == 0, f"round {i}:", t.stats(env))
        check(len([p for p in t.daemons()]) <= 1, "several daemons", t.daemons())
        t.hpcc("daemon stop", env=env)
        shutil.rmtree(fresh, ignore_errors=True)
        t.dirs.remove(fresh)


@test
def a_pipe_behind_hpcc_ends_with_the_compile(t):
    t.write("a.c", SRC)
    started = time.time()
    t.run(["sh", "-c", f"{t.hpcc_bin} gcc -c a.c | cat"], timeout=20)
    t.run(["sh", "-c", f"{t.hpcc_bin} gcc -c a.c 2>&1 | cat"], timeout=20)
    check(len(t.daemons()) == 1, "no daemon stayed")
    return f"{time.time() - started:.2f} s"


def descriptors(pid):
    targets = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            targets.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:  # it has just been closed
            pass
    return targets


def starters_descriptors(t, pid):
    return [target for target in descriptors(pid) if t.path("src") in target or "pipe:" in target]


@test
def the_daemon_holds_no_descriptor_of_its_starter(t):
    t.write("a.c", SRC)
    read_end, write_end = os.pipe()
    keep = os.open(t.path("src", "a.c"), os.O_RDONLY)
    t.run([t.hpcc_bin, "gcc", "-c", "a.c"], pass_fds=(write_end, keep))
    os.close(write_end)
    os.set_blocking(read_end, False)
    check(os.read(read_end, 1) == b"", "someone still holds the pipe")
    for pid in t.daemons():
        # What the launcher lent (its ends of the compiler's pipes) goes when the daemon notices that it has ended.
        t.until(lambda: not starters_descriptors(t, pid), "held:", lambda: starters_descriptors(t, pid))
        check(os.readlink(f"/proc/{pid}/cwd") == "/", "its working directory", os.readlink(f"/proc/{pid}/cwd"))
    os.close(read_end)
    os.close(keep)


@test
def make_and_ninja_end_at_once_after_a_cold_start(t):
    t.program(3)
    t.write("build.ninja", f"rule c\n  command = {t.hpcc_bin} gcc -c $in -o $out\nbuild x.o: c m0.c\n")
    for words in (["make", f"CC={t.hpcc_bin} gcc"], ["ninja"]):
        t.hpcc("daemon stop", ok=False)
        t.run(words, timeout=30)


@test
def it_exits_when_idle(t):
    t.write("a.c", SRC)
    t.hpcc("gcc -c a.c", env={"HPCC_IDLE_EXIT_S": "1"})
    t.until(lambda: not t.daemons(), "still there:", t.daemons)
    t.hpcc("gcc -c a.c")


@test
def it_leaves_when_its_directory_is_removed(t):
    t.write("a.c", SRC)
    t.hpcc("gcc -c a.c")
    shutil.rmtree(t.hpcc_dir)
    t.hpcc("gcc -c a.c")
    t.until(lambda: len(t.daemons()) <= 1, "several:", t.daemons)


@test
def another_user_at_the_socket_is_refused(t):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("needs root and setpriv")
    t.write("a.c", SRC)
    t.settle()
    t.hpcc("gcc -c a.c")
    path = t.daemon_socket()
    # Even with all doors open on the way, the daemon itself must refuse.
    for d in (t.top, t.hpcc_dir, os.path.dirname(path)):
        os.chmod(d, 0o755)
    os.chmod(path, 0o777)
    before = t.counters()
    script = ("import socket,struct,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(5)\ns.connect(sys.argv[1])\n"
              "b=struct.pack('<I',6)+b'status'\n"
              "try:\n s.sendall(struct.pack('<III',0x43435048,4,len(b))+b); r=s.recv(100)\nexcept OSError as e: r=b''\n"
              "print(len(r))")
    done = t.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", script, path], ok=False)
    check(done.stdout.strip() == b"0", "an answer for another user", done)
    check(t.counters() == before)


@test
def another_user_with_the_same_directory_still_compiles(t):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("needs root and setpriv")
    t.write("a.c", SRC)
    t.hpcc("gcc -c a.c")
    os.chmod(t.top, 0o755)
    os.chmod(t.dir, 0o777)
    os.unlink(t.path("src", "a.o"))
    if subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", t.hpcc_bin, "--version"], capture_output=True).returncode:
        raise Skip("the binaries are not readable for others")
    t.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", t.hpcc_bin, "gcc", "-c", "a.c"])
    check(os.stat(t.path("src", "a.o")).st_uid == 65534)


@test
def a_planted_socket_of_another_user_is_not_believed(t):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("needs root and setpriv")
    t.write("a.c", SRC)
    t.hpcc("gcc -c a.c")
    path = t.daemon_socket()
    t.hpcc("daemon stop")
    for d in (t.top, t.hpcc_dir):
        os.chmod(d, 0o755)
    os.chmod(os.path.dirname(path), 0o777)
    if os.path.exists(path):
        os.unlink(path)
    liar = ("import socket,struct,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\ns.listen(9)\nprint('up',flush=True)\n"
            "while True:\n c,_=s.accept()\n b=struct.pack('<iII',0,0,0)\n c.sendall(struct.pack('<III',0x43435048,16,len(b))+b)\n")
    planted = t.start(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", liar, path], stdout=subprocess.PIPE)
    planted.stdout.readline()
    os.unlink(t.path("src", "a.o"))
    t.hpcc("gcc -c a.c", timeout=60)
    check(t.exists("a.o"), "DONE was believed from another user's socket")


@test
def a_file_or_directory_in_the_sockets_place_does_not_fail_a_build(t):
    t.write("a.c", SRC)
    t.hpcc("gcc -c a.c")
    path = t.daemon_socket()
    for plant in (lambda: open(path, "w").close(), lambda: os.mkdir(path), lambda: os.symlink("/nonexistent", path)):
        t.hpcc("daemon stop", ok=False)
        if os.path.lexists(path):
            os.unlink(path)
        plant()
        os.unlink(t.path("src", "a.o"))
        t.hpcc("gcc -c a.c", timeout=60)
        check(t.exists("a.o"))
        if os.path.isdir(path):
            os.rmdir(path)
        elif os.path.lexists(path) and not os.path.islink(path) and os.path.isfile(path):
            os.unlink(path)
        elif os.path.islink(path):
            os.unlink(path)


@test
def a_daemon_of_another_build_is_left_alone(t):
    """Another build id: here the same binary with other bytes in its id would be another socket; both work side by side."""
    other = t.path("other-build")
    shutil.copytree(bin_dir(), other)
    ident = None
    out = t.run([other + "/hpcc", "--version"]).stdout
    for word in out.replace(b"(", b" ").replace(b")", b" ").replace(b"-", b" ").split():
        if len(word) >= 8 and all(c in b"0123456789abcdef" for c in word):
            ident = word
    if not ident:
        raise Skip(f"no build id in {out!r}")
    swapped = bytes(ident[::-1])
    for name in ("hpcc", "hpccd", "hpcc-tool"):
        with open(f"{other}/{name}", "rb") as f:
            data = f.read()
        with open(f"{other}/{name}", "wb") as f:
            f.write(data.replace(ident, swapped))
        os.chmod(f"{other}/{name}", 0o755)
    t.write("a.c", SRC)
    t.settle()
    t.hpcc("gcc -c a.c")
    for _ in range(2):
        t.run([other + "/hpcc", "gcc", "-c", "a.c"])
        t.hpcc("gcc -c a.c")
    check(t.counters()["error"] == 0, t.counters())
    t.run([other + "/hpcc", "daemon", "stop"])


@test
def kill_9_at_random_times_of_a_parallel_build_never_fails_it(t):
    names = t.program(24)
    rng = random.Random(t.options.seed)
    t.settle()
    killed = 0
    for i in range(200 if t.slow else 15):
        build = t.start(["make", "-j4", f"CC={t.hpcc_bin} gcc"], stderr=subprocess.PIPE)
        time.sleep(rng.random() * (0.6 if i % 2 else 0.15))
        for pid in t.daemons():
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except OSError:
                pass
        _, err = build.communicate(timeout=120)
        t.started.clear()
        check(build.returncode == 0, f"round {i} (seed {t.options.seed}):", err)
        if i % 5 == 0:
            t.expect_objects(names)
        t.run("make clean")
        if i % 4 == 3:
            t.hpcc("-C")
    t.run(["make", "-j4", f"CC={t.hpcc_bin} gcc"])
    t.expect_objects(names)
    return f"{killed} daemons killed"


@test
def a_daemon_killed_while_it_writes_an_object_leaves_nothing_behind(t):
    """The object is large, so that most kills fall into the writing of it."""
    if not can_make_nameless_files(t.dir):
        raise Skip("no O_TMPFILE on the file system of the temporary directory")
    with open(t.path("src", "blob"), "wb") as f:
        # No letters, lest it should look like a source that names the time.
        f.write(random.Random(t.options.seed).randbytes(24 << 20).translate(bytes(b | 128 for b in range(256))))
    t.write("a.s", '.incbin "blob"\n')
    t.settle()
    t.hpcc("gcc -c a.s")
    plain = t.read("a.o")
    rng = random.Random(t.options.seed)
    started = time.time()
    t.hpcc("gcc -c a.s")
    takes_s = time.time() - started
    check(t.hits() == 1, t.stats())
    for i in range(12):
        os.unlink(t.path("src", "a.o"))
        t.hpcc("daemon start")
        compiler = t.start([t.hpcc_bin, "gcc", "-c", "a.s"])
        time.sleep(rng.random() * takes_s)
        for pid in t.daemons():
            os.kill(pid, signal.SIGKILL)
        check(compiler.wait(60) == 0)
        t.started.clear()
        check(t.read("a.o") == plain, f"round {i} (seed {t.options.seed})")
        left = sorted(set(os.listdir(t.dir)) - {"a.s", "a.o", "blob"})
        check(not left, f"round {i} (seed {t.options.seed}) left behind:", left)
    return f"a hit takes {takes_s * 1000:.0f} ms"


def can_make_nameless_files(directory):
    try:
        os.close(os.open(directory, os.O_WRONLY | os.O_TMPFILE, 0o600))
    except OSError:
        return False
    return True


@test
def a_stopped_daemon_delays_a_build_only_for_a_bounded_time(t):
    t.write("a.c", SRC)
    t.settle()
    t.hpcc("gcc -c a.c")
    stopped = t.daemons()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    started = time.time()
    try:
        os.unlink(t.path("src", "a.o"))
        t.hpcc("gcc -c a.c", timeout=60)
        check(t.exists("a.o"))
        first = time.time() - started
        started = time.time()
        t.hpcc("gcc -c a.c", timeout=60)
        second = time.time() - started
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    check(first < 35, f"{first:.1f} s")
    check(second < 3, f"the next compile still waited {second:.1f} s")
    return f"first {first:.1f} s, next {second:.1f} s"


@test
def a_daemon_stopped_in_the_middle_of_a_build_does_not_fail_it(t):
    names = t.program(16)
    t.settle()
    t.hpcc("daemon start")
    started = time.time()
    build = t.start(["make", "-j4", f"CC={t.hpcc_bin} gcc"], stderr=subprocess.PIPE)
    time.sleep(0.1)
    pids = t.daemons()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        _, err = build.communicate(timeout=100)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    check(build.returncode == 0, err)
    t.expect_objects(names)
    took = time.time() - started
    check(took < 60, f"the build took {took:.0f} s")
    return f"{took:.1f} s"


@test
def a_store_that_stays_locked_delays_a_build_only_once(t):
    """As by a process that was stopped while it wrote. Not one wait for each file, and not for each process either."""
    names = t.program(60)
    t.settle()
    took = []
    for env in ({}, {"HPCC_DAEMON": "0"}):
        t.write("first.c", SRC)
        t.settle()
        t.hpcc("gcc -c first.c", env=env)
        t.hpcc("daemon stop")  # what it knows of files is written then at the latest
        with held(t.path("state", "v1", "lock")), held(t.path("state", "v1", "facts")):
            started = time.time()
            t.run(["make", "-j4", f"CC={t.hpcc_bin} gcc"], env=env, timeout=100)
            took.append(time.time() - started)
        t.expect_objects(names)
        time.sleep(1.1)  # who has waited in vain does not try again for a second
        t.hpcc("-C", env=env)
        for hits in (0, len(names)):  # afterwards it stores and serves as ever
            t.run("make clean")
            before = t.hits(env)
            t.run(["make", "-j4", f"CC={t.hpcc_bin} gcc"], env=env)
            check(t.hits(env) - before == hits, t.stats(env))
        t.run("make clean")
        t.hpcc("-C", env=env)
    check(max(took) < 40, took)
    return f"{took[0]:.1f} s, without a daemon {took[1]:.1f} s"


@contextlib.contextmanager
def held(path):
    """The lock of another process on a file of the store."""
    fd = os.open(path, os.O_RDWR)
    try:
        whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, whole)
        yield
    finally:
        os.close(fd)


@test
def kill_9_of_hpcc_itself_leaves_no_broken_entry(t):
    """The compiler under a killed launcher fails at its next traced call; what it was writing may stay, so it is removed."""
    names = t.program(8)
    rng = random.Random(t.options.seed)
    t.settle()
    for i in range(100 if t.slow else 12):
        process = t.start([t.hpcc_bin, "gcc", "-O1", "-c", "m0.c", "-o", "m0.o"])
        time.sleep(rng.random() * 0.05)
        process.kill()
        process.wait()
        t.started.clear()
    t.until(lambda: not t.working(), "compilers go on:", t.working)
    t.run("make clean")
    t.run(["make", "-j2", f"CC={t.hpcc_bin} gcc"])
    t.expect_objects(names)
    t.run("make clean")
    t.run(["make", "-j2", f"CC={t.hpcc_bin} gcc"])
    t.expect_objects(names)
    left = [f for f in os.listdir(t.dir) if f not in {"Makefile", "common.h"} and not f.endswith((".c", ".h", ".o", ".d"))]
    check(not left, "left behind:", left)


@test
def interrupting_a_build_ends_the_compiler_too(t):
    t.write("slow.c", "#define A(x) x x x x x x x x x x\n" + "".join(f"double f{i}(double a) {{ return " + "+".join(f"a*{j}.5" for j in range(200)) + "; }\n"
                                                                   for i in range(300)))
    process = t.start([t.hpcc_bin, "gcc", "-O2", "-c", "slow.c"], start_new_session=True)
    time.sleep(0.5)
    if process.poll() is not None:
        raise Skip("the compile was too quick")
    os.killpg(process.pid, signal.SIGTERM)  # a background shell may have us ignore SIGINT
    check(process.wait(30) != 0, "the exit code says success")
    t.until(lambda: not t.working(), "still running:", t.working)
    check(not t.exists("slow.o"), "an object after the signal")


@test
def a_container_may_end_at_once_after_the_build_without_loss(t):
    names = t.program(6)
    t.settle()
    t.run(["make", f"CC={t.hpcc_bin} gcc"])
    for pid in t.daemons():
        os.kill(pid, signal.SIGKILL)
    t.run("make clean")
    before = t.hits()
    t.run(["make", f"CC={t.hpcc_bin} gcc"])
    check(t.hits() - before == len(names), "entries were lost:", t.counters())


@test
def ulimits_and_niceness_of_the_caller_reach_the_compiler(t):
    t.write("gcc", "#!/bin/sh\nulimit -n > lim; nice > nic\nexec /usr/bin/gcc \"$@\"\n", 0o755)
    t.write("a.c", SRC)
    t.run(["sh", "-c", f"ulimit -n 77; exec nice -n 7 {t.hpcc_bin} ./gcc -c a.c"])
    check(t.read("lim").strip() == b"77" and t.read("nic").strip() == b"7", t.read("lim"), t.read("nic"))


def launcher_killed_mid_compile(t, env):
    """An assembler of our own waits until the launcher is dead, is noisy, and then does its work."""
    t.write("a.c", SRC)
    t.write("bin/as", "#!/bin/sh\n: > $HERE/started\nwhile [ ! -e $HERE/go ]; do sleep 0.02; done\n"
            "head -c 200000 /dev/zero | tr '\\0' x >&2\nas \"$@\"\necho $? > $HERE/ended\n", 0o755)
    t.settle()
    compiler = t.start([t.hpcc_bin, "gcc", "-B", t.path("src", "bin"), "-c", "a.c"], env={**env, "HERE": t.top})

    def wait_for(name):
        t.until(lambda: os.path.exists(t.path(name)), "no", name)
    wait_for("started")
    compiler.kill()
    compiler.wait()
    t.write(t.path("go"), "")
    wait_for("ended")
    t.settle()
    with open(t.path("ended")) as f:
        check(f.read() == "0\n", "the assembler failed")
    t.run("gcc -c a.c -o plain.o")
    check(t.read("a.o") == t.read("plain.o"), "the object is not whole")
    for name in ("started", "go", "ended"):
        os.unlink(t.path(name))


@test
def a_compiler_whose_launcher_is_killed_ends_normally(t):
    for _ in range(3):
        launcher_killed_mid_compile(t, {})
    pids = t.daemons()
    check(len(pids) == 1, "daemons", pids)
    t.until(lambda: not any("seccomp" in target for target in descriptors(pids[0])), "the daemon keeps a listener that nobody needs")
    t.hpcc("gcc -c a.c")


@test
def a_compiler_whose_launcher_is_killed_ends_normally_without_a_daemon(t):
    launcher_killed_mid_compile(t, {"HPCC_DAEMON": "0"})
