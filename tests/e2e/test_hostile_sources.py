"""Projects that bring programs of their own into the compile (-B), through the whole farm: what they do stays in it."""
import json
import os
import subprocess
import time

import test_remote
from harness import check, test

# What stands in for the assembler. Each would take the machine, or outlive its compile, if it could.
HOSTILE = {
    "fork_bomb": "bomb() { bomb | bomb & }\nbomb\nsleep 5\nexit 1\n",
    "memory": "tail /dev/zero\n",
    "disk": "while :; do head -c 64M /dev/zero >> /tmp/fill || exit 1; done\n",
    "output": "while :; do echo endless; done\n",
    "background": "(setsid sh -c 'while :; do sleep 0.05; echo . >> /tmp/alive; done' > /dev/null 2>&1 &)\nexec /usr/bin/as \"$@\"\n",
}
# What the user is told of it: an assembler that gives up is observed no more than any program of the project.
ENDS = {"fork_bomb": b"untraced", "memory": b"the compile used more memory than it may", "disk": b"the compile wrote more than it may",
        "output": b"the compile wrote more than it may"}


def answer_to(t, name):
    """The compile's end, and whether a program of its guest was ever seen from here."""
    t.write(f"{name}/as", "#!/bin/sh\n" + HOSTILE[name], mode=0o755)
    argv = [t.hpcc_bin, "gcc", "-O1", f"-B{name}/", "-Iinc", "-c", "src/a.c", "-o", f"{name}.o"]
    running = t.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen = False
    while running.poll() is None:
        seen = seen or bool(processes_of_guests(t))
        time.sleep(0.05)
    out, err = running.communicate(timeout=180)
    return subprocess.CompletedProcess(argv, running.returncode, out, err), seen


def processes_of_guests(t):
    """What compiles in the guests of this test's worker: those below it whose environment is a compile's."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                parents[int(pid)] = int(f.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
    worker = json.loads(t.hpcc("status --json").stdout)["worker_pid"]
    found = []
    for pid in parents:
        above = pid
        while above in parents and above != worker:
            above = parents[above]
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                compiles = any(word.startswith(b"PWD=/hpcc/w") for word in f.read().split(b"\0"))
        except OSError:
            continue
        if above == worker and compiles:
            found.append(pid)
    return found


def add(name):
    def body(t):
        test_remote.up(t)
        # Nobody else may run it: what the client's own machine is for is none of the worker's concern.
        test_remote.project(t, 'fallback = "none"\n')
        good = ["gcc", "-O2", "-Iinc", "-c", "src/a.c", "-o", "good.o"]
        check(test_remote.compiled(t, good) == {"remote_compiled"})
        first = t.read("good.o")
        started = time.monotonic()
        done, seen = answer_to(t, name)
        took = time.monotonic() - started
        if name == "background":
            # It compiles; what goes on looking is observed no more, so that nobody takes its object.
            check(done.returncode == 1 and b"untraced" in done.stderr and not t.exists("background.o"), done.stderr[-500:])
            check(test_remote.columns(t)[-1]["exit"] == "0", test_remote.columns(t)[-1])
        else:
            check(done.returncode == 1 and ENDS[name] in done.stderr, done.returncode, done.stderr[-500:])
            check(seen, "no program of the guest was ever seen, so the next check tells nothing")
        left = processes_of_guests(t)
        check(not left, "processes were left", left)
        # The worker is up, and serves the next as before.
        t.hpcc("-C")
        os.unlink(t.path("src/good.o"))
        check(test_remote.compiled(t, good, env={"HPCC_RECACHE": "1"}) == {"remote_compiled"}, t.hpcc("explain good.o").stdout)
        check(t.read("good.o") == first, "the next compile is another")
        check(t.hpcc("audit verify").returncode == 0)
        return f"{took:.1f} s, exit {done.returncode}, rows {[row['exit'] for row in test_remote.columns(t)]}"
    body.__name__ = f"a_hostile_assembler_{name}_harms_nobody"
    test(body)


for _name in HOSTILE:
    add(_name)
