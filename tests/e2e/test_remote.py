"""Compiles by a worker of `hpcc up` with the namespace driver, and what a client makes of its answers."""
import json
import os
import re
import signal
import subprocess
import time

import image
from harness import Skip, check, test


def up(t, *words):
    t.digest = image.ready(t)
    done = t.hpcc(["up", "--driver", "namespace", *words], timeout=180)
    t.hpcc_dir_up = os.path.join(t.hpcc_dir, "up")
    check(b"namespace" in done.stdout, done.stdout)


def project(t, extra=""):
    t.write(".hpcc", f'image = "{t.digest}"\n{extra}')
    t.write("inc/h.h", "#pragma once\n#define N 3\n")
    t.write("src/a.c", '#include <stdio.h>\n#include "h.h"\nconst char* where(void) { return __FILE__; }\nint n = N;\n')


def rows(t):
    with open(os.path.join(t.hpcc_dir_up, "audit.tsv")) as f:
        return [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]


def columns(t):
    """The rows of the worker's log, by the names of their columns."""
    with open(os.path.join(t.hpcc_dir_up, "audit.tsv")) as f:
        lines = [line.rstrip("\n").split("\t") for line in f]
    check(lines[0][0] == "#hpcc-audit-row v1", lines[0])
    return [dict(zip(lines[0][1:], line)) for line in lines[1:]]


def words_of(flags):
    """The words of a row's column `flags`."""
    escapes = {"s": " ", "t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    return [re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" and len(m[1]) == 3 else escapes[m[1]], word)
            for word in flags.split(" ")]


def read_at(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def compiled(t, argv, **more):
    """Compiles and tells what hpcc counted."""
    before = t.counters()
    t.hpcc(argv, timeout=300, **more)
    after = t.counters()
    return {k for k in after if after[k] != before[k]} & {"local_hit", "remote_hit", "remote_compiled", "fallback_image"}


@test
def what_is_not_utf8_is_not_sent_and_compiled_here(t):
    up(t)
    project(t)
    odd = os.fsdecode(b"gr\xfc\xdfe.c")
    t.write(odd, "const char* name = NAME;\n")
    t.write("name.c", "const char* name = NAME;\n")
    for source, define in ((odd, '-DNAME="plain"'), ("name.c", os.fsdecode(b'-DNAME="\xe4"'))):
        check(compiled(t, ["gcc", "-c", source, define, "-o", "name.o"]) == {"fallback_image"})
        check(define[8:-1].encode(errors="surrogateescape") in t.read("name.o"))
        os.unlink(t.path("src/name.o"))
    reasons = t.stats()["bypass_reasons"]
    check(reasons.get("not_utf8") == 2 and not reasons.get("remote_failed"), reasons)
    check(compiled(t, ["gcc", "-c", "name.c", '-DNAME="\u00e4"', "-o", "name.o"]) == {"remote_compiled"})


@test
def a_file_of_the_project_by_its_path_here_is_compiled_here(t):
    """What a guest, where the project is elsewhere, cannot find must not be told as the user's mistake."""
    up(t)
    project(t)
    root = t.path("src")
    t.write("part.c", "int part(void) { return 7; }\n")
    t.write("unity.c", f'#include "{root}/part.c"\n')
    t.write("pasted.c", "#define TEXT(x) #x\n#define NAME(x) TEXT(x/part.c)\n#include NAME(HERE)\n")
    t.write("probe.c", "#define TEXT(x) #x\n#define NAME(x) TEXT(x/part.c)\n#if __has_include(NAME(HERE))\nint yes;\n#endif\n")
    for source in ("unity.c", "pasted.c", "probe.c"):
        check(compiled(t, ["gcc", "-c", source, f"-DHERE={root}", "-o", "a.o"]) == {"fallback_image"}, source, t.hpcc("explain a.o").stdout)
    check(b"yes" in t.read("a.o"), "a probe found nothing")
    check(t.stats()["bypass_reasons"]["absolute_include"] == 3, t.stats()["bypass_reasons"])
    said = t.hpcc(["gcc", "-c", "pasted.c", "-DHERE=/nowhere", "-o", "no.o"], ok=False)
    check(said.returncode == 1 and b"/nowhere/part.c: No such file" in said.stderr, said.stderr)
    # Only data, or never read: a worker compiles it.
    t.write("data.c", '#define H "inc/h.h"\n#include H\nconst char* data = DATA;\n#ifdef NEVER\n#include NEVER\n#endif\n')
    check(compiled(t, ["gcc", "-c", "data.c", f'-DDATA="{root}/part.c"', "-o", "d.o"]) == {"remote_compiled"}, t.hpcc("explain d.o").stdout)
    # And where nothing may be compiled here, the compiler's own words tell what is wrong.
    t.write(".hpcc", f'image = "{t.digest}"\nfallback = "none"\n')
    t.write("never.c", f'#ifdef NEVER\n#include "{root}/part.c"\n#endif\nint n;\n')
    check(compiled(t, "gcc -c never.c -o n.o".split()) == {"remote_compiled"}, t.hpcc("explain n.o").stdout)
    said = t.hpcc("gcc -c unity.c -o u.o", ok=False)
    check(said.returncode == 1 and f"{root}/part.c: No such file".encode() in said.stderr, said.stderr)


@test
def a_compile_that_wants_much_memory_gets_it_at_the_worker(t):
    up(t)
    project(t)
    # A string of 120 MiB, of two million tokens: more than a gibibyte for the compiler.
    t.write("big.c", '#define A0 "' + "x" * 60 + '"\n' + "".join(f"#define A{i} A{i - 1} A{i - 1}\n" for i in range(1, 22)) +
            "unsigned long n = sizeof(A21);\n")
    check(compiled(t, "gcc -c big.c -o big.o".split()) == {"remote_compiled"}, t.hpcc("explain big.o").stdout)
    check(int(columns(t)[-1]["peak_rss_kib"]) > 1 << 20, columns(t)[-1])


@test
def what_up_keeps_is_the_users_alone(t):
    os.makedirs(os.path.join(t.hpcc_dir, "up"))
    os.chmod(os.path.join(t.hpcc_dir, "up"), 0o755)
    up(t)
    for name in ["", "run", "log", "audit.tsv", "audit.checkpoint"]:
        mode = os.stat(os.path.join(t.hpcc_dir_up, name)).st_mode & 0o777
        check(mode & 0o077 == 0, name, oct(mode))


@test
def a_worker_compiles_what_a_chroot_of_the_image_would(t):
    up(t)
    project(t)
    flags = "-O2 -g -Iinc -c src/a.c".split()
    check(compiled(t, ["gcc", *flags, "-o", "hpcc.o"], env={"PATH": "/nowhere"}) == {"remote_compiled"}, t.hpcc("explain hpcc.o").stdout)
    image.in_chroot(t, ["gcc", "-frandom-seed=src/a.c", "-Werror=date-time", *flags, "-o", "plain.o"])
    check(t.read("hpcc.o") == t.read("plain.o"), "objects differ")
    check(len(rows(t)) == 1 and rows(t)[0][8] == "0", rows(t))
    os.unlink(t.path("src/hpcc.o"))
    check(compiled(t, ["gcc", *flags, "-o", "hpcc.o"]) == {"local_hit"})
    check(t.read("hpcc.o") == t.read("plain.o"), "the hit differs")
    t.hpcc("-C")
    check(compiled(t, ["gcc", *flags, "-o", "hpcc.o"]) == {"remote_hit"})
    check(t.read("hpcc.o") == t.read("plain.o"), "the worker's hit differs")


@test
def a_header_that_the_scan_cannot_see_is_found_by_the_guests_probes(t):
    up(t)
    project(t)
    # The image's stdio.h asks for features.h: this one hides the system's, and no scan of project files says so.
    t.write("inc/features.h", "#include_next <features.h>\n#define SEEN 7\n")
    t.write("s.c", "#include <stdio.h>\n#ifdef SEEN\nint seen = SEEN;\n#endif\n")
    flags = "-O1 -Iinc -c s.c".split()
    check(compiled(t, ["gcc", *flags, "-o", "hpcc.o"]) == {"remote_compiled"})
    image.in_chroot(t, ["gcc", *flags, "-o", "plain.o"])
    check(t.read("hpcc.o") == t.read("plain.o"), "the header was not taken")
    check(len(rows(t)) == 2, "two rounds:", rows(t))
    check(compiled(t, ["gcc", *flags, "-o", "hpcc.o"]) == {"local_hit"})
    # A header that was absent when the entry was made ends it.
    t.write("inc/bits/types.h", "#include_next <bits/types.h>\n#define EXTRA 1\n")
    t.settle()
    check("local_hit" not in compiled(t, ["gcc", *flags, "-o", "hpcc.o"]))


@test
def errors_of_the_compiler_come_back_with_the_users_paths(t):
    up(t)
    project(t)
    t.write("bad.c", "int f(void) { return undeclared; }\n")
    done = t.hpcc(["gcc", "-c", t.path("src/bad.c"), "-o", "bad.o"], ok=False, timeout=300)
    check(done.returncode == 1 and t.path("src/bad.c").encode() + b":1" in done.stderr, done.stderr)
    check(b"/hpcc/w" not in done.stderr and not t.exists("bad.o"), done.stderr)
    t.write("warn.c", "int f(void) { int unused; return 1; }\n")
    for _ in range(2):
        done = t.hpcc("gcc -Wall -c warn.c -o warn.o", timeout=300)
        check(b"warn.c:1" in done.stderr and b"unused" in done.stderr, done.stderr)
    check(t.counters()["local_hit"] == 1)


@test
def a_dependency_file_names_nothing_that_make_cannot_find(t):
    up(t)
    project(t)
    t.hpcc(["gcc", "-I", t.path("src/inc"), "-MD", "-c", t.path("src/src/a.c"), "-o", "a.o"], timeout=300)
    dep = t.read("a.d").decode()
    check(t.path("src/inc/h.h") in dep and "/hpcc/w" not in dep and dep.startswith("a.o:"), dep)
    for word in dep.replace("\\\n", " ").split()[1:]:
        check(os.path.exists(word), "make would stop for want of", word)


@test
def an_output_outside_of_the_working_directory_comes_to_its_place(t):
    up(t)
    project(t)
    os.makedirs(t.path("src/obj"))
    check(compiled(t, "gcc -I../inc -c a.c -o ../obj/a.o".split(), cwd=t.path("src/src")) == {"remote_compiled"})
    check(t.exists("obj/a.o"))


@test
def a_lost_worker_leaves_the_build_going_with_the_images_compiler(t):
    up(t)
    project(t)
    flags = "-O2 -Iinc -c src/a.c".split()
    check(compiled(t, ["gcc", *flags, "-o", "one.o"]) == {"remote_compiled"})
    with open(os.path.join(t.hpcc_dir_up, "run/worker.pid")) as f:
        os.kill(int(f.read().split()[0]), signal.SIGKILL)
    t.hpcc("-C")
    check(compiled(t, ["gcc", *flags, "-o", "two.o"]) == {"fallback_image"}, t.hpcc("explain two.o").stdout)
    check(t.read("one.o") == t.read("two.o"), "worker and local image differ")
    check("no_worker" in t.hpcc("explain two.o").stdout.decode())


@test
def ctrl_c_ends_the_compile_at_the_worker(t):
    up(t)
    project(t)
    # Long enough to be caught in the middle.
    t.write("slow.cc", "template <int N> struct F { static constexpr unsigned long v = F<N - 1>::v + F<N - 2>::v; };\n"
            "template <> struct F<0> { static constexpr unsigned long v = 0; };\n"
            "template <> struct F<1> { static constexpr unsigned long v = 1; };\n"
            "constexpr unsigned long g(unsigned long n) { unsigned long s = 0; for (unsigned long i = 0; i < n; ++i) s += i * n; return s; }\n"
            + "".join(f"constexpr auto a{i} = g({30000000 + i});\n" for i in range(50)))
    child = t.start([t.hpcc_bin, "g++", "-std=c++20", "-fconstexpr-ops-limit=99999999999", "-fconstexpr-loop-limit=2000000000", "-c",
                     "slow.cc", "-o", "slow.o"])
    busy = lambda: [s for w in json.loads(t.hpcc("status --json").stdout)["workers"] for s in w["sessions"] if s["busy"]]
    deadline = time.time() + 60
    while not busy():
        check(time.time() < deadline and child.poll() is None, "the compile never reached the worker")
        time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    child.wait(timeout=10)
    deadline = time.time() + 30
    while busy():
        check(time.time() < deadline, "the guest's compiler goes on")
        time.sleep(0.2)


@test
def a_killed_worker_is_told_and_up_starts_a_new_one(t):
    up(t)
    project(t)
    status = json.loads(t.hpcc("status --json").stdout)
    check(status["schema"] == 1 and status["up"] and status["workers"][0]["slots"] >= 1, status)
    os.kill(status["worker_pid"], signal.SIGKILL)
    deadline = time.time() + 60
    while json.loads(t.hpcc("status --json", ok=False).stdout)["worker_pid"]:
        check(time.time() < deadline, "the killed worker is still there")
        time.sleep(0.1)
    said = t.hpcc("status", ok=False)
    check(said.returncode == 1 and b"worker     not running" in said.stdout and b"hpcc up" in said.stdout, said.stdout)
    t.hpcc(["up", "--driver", "namespace"], timeout=180)
    again = json.loads(t.hpcc("status --json").stdout)
    check(again["up"] and again["scheduler_pid"] == status["scheduler_pid"] and again["worker_pid"] != status["worker_pid"], again)
    check(compiled(t, "gcc -O1 -Iinc -c src/a.c -o a.o".split()) == {"remote_compiled"}, t.hpcc("explain a.o").stdout)
    # Without its scheduler a worker is of no use either.
    os.kill(again["scheduler_pid"], signal.SIGKILL)
    while json.loads(t.hpcc("status --json", ok=False).stdout)["scheduler_pid"]:
        check(time.time() < deadline, "the killed scheduler is still there")
        time.sleep(0.1)
    t.hpcc(["up", "--driver", "namespace"], timeout=180)
    check(compiled(t, "gcc -O2 -Iinc -c src/a.c -o b.o".split()) == {"remote_compiled"}, t.hpcc("explain b.o").stdout)


@test
def up_starts_nothing_where_its_driver_cannot_run(t):
    down = json.loads(t.hpcc("status --json", ok=False).stdout)
    check(not down["up"] and down["worker_pid"] is None and down["workers"] == [], down)
    said = t.hpcc("up --driver qemu", ok=False, env={"HPCC_GUEST_KERNEL": "/etc/passwd"})
    check(said.returncode == 1 and b"/etc/passwd is no ELF file" in said.stderr and b"./dev guest" in said.stderr, said.stderr)
    if not os.path.exists("/usr/bin/bwrap") or os.path.exists("/usr/local/bin/bwrap"):
        raise Skip("bubblewrap is not where it can be hidden")
    hide = ["bwrap", "--dev-bind", "/", "/", "--bind", "/dev/null", "/usr/bin/bwrap"]
    said = t.run([*hide, t.hpcc_bin, "up", "--driver", "namespace"], ok=False)
    check(said.returncode == 1 and b"install the package bubblewrap" in said.stderr, said.stdout, said.stderr)
    check(json.loads(t.hpcc("status --json", ok=False).stdout)["scheduler_pid"] is None, "nothing was started")


@test
def up_status_and_down_tell_what_they_did(t):
    up(t)
    again = t.hpcc("up")
    check(b"already" in again.stdout, again.stdout)
    status = json.loads(t.hpcc("status --json").stdout)
    check(len(status["workers"]) == 1 and status["workers"][0]["driver"] == "namespace", status)
    pids = [int(open(os.path.join(t.hpcc_dir_up, f"run/{n}.pid")).read().split()[0]) for n in ("scheduler", "worker")]
    t.hpcc("down", timeout=60)
    for pid in pids:
        check(not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read(), "still there:", pid)
    check(t.hpcc("down").returncode == 0)
