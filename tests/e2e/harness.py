"""What every end-to-end test gets: a fresh tree, a fresh HPCC_DIR, ways to run hpcc and to read its counters.

A test is a function decorated with @test whose name is a sentence and whose one argument is a Sandbox. It fails by
`check(...)` or any exception and is left out by `raise Skip(reason)`. Everything it starts ends with it.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

TESTS = []


class Skip(Exception):
    pass


def test(fn=None, *, slow=False):
    def add(f):
        f.slow = slow
        TESTS.append(f)
        return f
    return add(fn) if fn else add


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what) or "check failed")


def bin_dir():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.abspath(os.environ.get("HPCC_BIN") or os.path.join(here, "../../build/release/bin"))


class Sandbox:
    def __init__(self, options):
        self.options = options           # of the runner: slow, seed
        self.top = os.path.realpath(tempfile.mkdtemp(prefix="hpcc-e2e-"))
        self.dir = self.path("src")
        self.hpcc_dir = self.path("state")
        self.dirs = [self.hpcc_dir]      # every HPCC_DIR this test used
        self.mounts = []
        self.started = []
        os.makedirs(self.dir)
        os.makedirs(self.path("home"))
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": self.path("home"), "LC_ALL": "C.UTF-8",
                    "HPCC_DIR": self.hpcc_dir}

    def path(self, *parts):
        return os.path.join(self.top, *parts)

    @property
    def hpcc_bin(self):
        return os.path.join(bin_dir(), "hpcc")

    @property
    def slow(self):
        return self.options.slow

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for hpcc_dir in self.dirs:
            if os.path.isdir(hpcc_dir):
                subprocess.run([self.hpcc_bin, "down"], env={**self.env, "HPCC_DIR": hpcc_dir}, capture_output=True, timeout=60)
                subprocess.run([self.hpcc_bin, "daemon", "stop"], env={**self.env, "HPCC_DIR": hpcc_dir}, capture_output=True,
                               timeout=30)
        for pid in self.daemons():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount], capture_output=True)
        subprocess.run(["chmod", "-R", "u+rwX", self.top], capture_output=True)
        shutil.rmtree(self.top, ignore_errors=True)

    # --- files ---

    def write(self, path, text, mode=None):
        full = os.path.join(self.dir, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        if mode is not None:
            os.chmod(full, mode)
        return full

    def read(self, path):
        with open(os.path.join(self.dir, path), "rb") as f:
            return f.read()

    def exists(self, path):
        return os.path.exists(os.path.join(self.dir, path))

    def settle(self):
        """Inputs younger than a timestamp tick are rightly not stored."""
        time.sleep(0.03)

    def until(self, condition, *what):
        """Waits until the condition holds. What it says when that takes too long may be functions to ask then."""
        end = time.monotonic() + 60
        while not condition():
            check(time.monotonic() < end, *(w() if callable(w) else w for w in what))
            time.sleep(0.02)

    def tmpfs(self, path, size):
        if os.geteuid() != 0:
            raise Skip("needs root for a tmpfs")
        os.makedirs(path, exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], capture_output=True).returncode:
            raise Skip("no tmpfs mounts here")
        self.mounts.append(path)

    # --- running ---

    def run(self, argv, env=None, cwd=None, timeout=120, ok=True, **more):
        if isinstance(argv, str):
            argv = argv.split()
        full = {**self.env, **(env or {})}
        full = {k: v for k, v in full.items() if v is not None}
        done = subprocess.run(argv, env=full, cwd=cwd or self.dir, stdin=more.pop("stdin", subprocess.DEVNULL), capture_output=True,
                              timeout=timeout, **more)
        if ok and done.returncode != 0:
            raise AssertionError(f"{argv} gave {done.returncode}: {done.stdout[-500:]!r} {done.stderr[-500:]!r}")
        return done

    def hpcc(self, argv, **more):
        if isinstance(argv, str):
            argv = argv.split()
        return self.run([self.hpcc_bin, *argv], **more)

    def start(self, argv, env=None, cwd=None, **more):
        if isinstance(argv, str):
            argv = argv.split()
        process = subprocess.Popen(argv, env={**self.env, **(env or {})}, cwd=cwd or self.dir, stdin=subprocess.DEVNULL,
                                   stdout=more.pop("stdout", subprocess.DEVNULL), stderr=more.pop("stderr", subprocess.DEVNULL), **more)
        self.started.append(process)
        return process

    def stats(self, env=None):
        done = self.hpcc("stats --json", env=env)
        stats = json.loads(done.stdout)
        check(stats["schema"] == 1, "schema", stats)
        return stats

    def counters(self, env=None):
        return self.stats(env)["counters"]

    def hits(self, env=None):
        return self.counters(env)["local_hit"]

    def daemons(self):
        """Pids of hpccd processes that serve this sandbox."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if words and words[0].endswith(b"hpccd") and any(w.startswith(self.top.encode()) for w in words):
                found.append(int(path.split("/")[2]))
        return found

    def working(self):
        """Pids of the processes that work in this sandbox's tree, such as compilers."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                where = os.readlink(f"/proc/{pid}/cwd")
            except OSError:
                continue
            if where == self.dir or where.startswith(self.dir + "/"):
                found.append(int(pid))
        return found

    def daemon_socket(self, hpcc_dir=None):
        """Path of the socket of a running daemon."""
        out = self.hpcc("daemon status", env={"HPCC_DIR": hpcc_dir or self.hpcc_dir}).stdout.decode()
        for line in out.splitlines():
            if line.startswith("socket "):
                return line.split(" ", 1)[1]
        raise AssertionError(f"no socket in {out!r}")

    def program(self, count=12):
        """A small C project with headers and a Makefile; returns its object names."""
        names = []
        self.write("common.h", "#include <stddef.h>\n#define K 3\nint total(void);\n")
        for i in range(count):
            self.write(f"m{i}.h", f"#define M{i} {i}\n")
            self.write(f"m{i}.c", f'#include "common.h"\n#include "m{i}.h"\nint f{i}(int n) {{ return n * K + M{i}; }}\n')
            names.append(f"m{i}.o")
        self.write("Makefile", "CC = gcc\nOBJ = " + " ".join(names) + "\nall: $(OBJ)\n%.o: %.c\n\t$(CC) -O1 -MMD -c $< -o $@\n"
                   "clean:\n\trm -f *.o *.d\n")
        return names

    def expect_objects(self, names):
        """Every object is what the plain compiler makes."""
        for name in names:
            plain = self.path("plain.o")
            self.run(["gcc", "-O1", "-c", name[:-2] + ".c", "-o", plain])
            with open(plain, "rb") as f:
                check(f.read() == self.read(name), name, "differs from the plain compiler's")
