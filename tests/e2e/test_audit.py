"""The audit log of a real worker: replay, inspect, verification, and what a killed or lying worker leaves behind."""
import glob
import hashlib
import json
import os
import random
import re
import shutil
import signal
import time

import image
import lies
from harness import check, test
from test_remote import compiled, project, rows, up

# Columns of a row, from 0.
FLAGS, OUTPUT, TENANT, VM, DURATION, EXIT, ROW_ID, KIND, DRIVER, ROOTFS, NAME, COMPILED = 2, 3, 4, 6, 7, 8, 9, 12, 13, 14, 24, 26


def replay(t, row, code=0, **more):
    done = t.hpcc(["replay", str(row)], ok=False, timeout=300, **more)
    check(done.returncode == code, "replay", row, "gave", done.returncode, done.stdout.decode(), done.stderr.decode(), worker_log(t))
    return done.stdout.decode() + done.stderr.decode()


def expect_compiled_again(t, before, old, said):
    """The last row is of a compile that ran in a sandbox of its own, and not a look at what is stored."""
    now = rows(t)
    check(len(now) == len(before) + 1, "one more row:", len(before), len(now))
    row = now[-1]
    check(row[KIND] == "replay" and row[COMPILED] == old[ROW_ID], row)
    check(row[VM] not in {r[VM] for r in before} and row[VM] in said, "a sandbox of its own:", row[VM], said)
    check(row[DRIVER] == old[DRIVER] and int(row[DURATION]) > 0, row)
    return row


@test
def a_row_is_replayed_in_a_new_sandbox_and_equal(t):
    up(t)
    project(t)
    check(compiled(t, "gcc -O2 -Iinc -c src/a.c -o a.o".split()) == {"remote_compiled"})
    before = rows(t)
    said = replay(t, 1)
    check("equal" in said, said)
    row = expect_compiled_again(t, before, before[0], said)
    check(row[OUTPUT] == before[0][OUTPUT], row)
    # The row itself names it as well as its number.
    with open(os.path.join(t.hpcc_dir_up, "audit.tsv")) as f:
        line = f.read().splitlines()[1]
    check("equal" in replay(t, line))
    check("rows 1 to 3" in replay(t, 4, code=3))
    # gcc draws names at random for what is preprocessed already as for any other source.
    for number, command in ((4, "g++ -flto -c n.ii -o n.o"), (6, "gcc --coverage -c x.i -o x.o")):
        t.write(command.split()[3], "namespace { int hidden; }\nint* shown() { return &hidden; }\n" if number == 4 else "int x(void) { return 1; }\n")
        t.hpcc(command, timeout=300)
        check(t.counters()["fallback_image"] == 0, t.hpcc("explain " + command.split()[-1]).stdout)
        check("equal" in replay(t, number))
    check(t.hpcc("replay", ok=False).returncode == 2)


@test
def a_row_from_a_microvm_is_replayed_in_another(t):
    up_in_microvms(t)
    project(t)
    check(compiled(t, "gcc -O2 -Iinc -c src/a.c -o a.o".split()) == {"remote_compiled"}, t.hpcc("explain a.o").stdout)
    before = rows(t)
    check(before[0][DRIVER] in ("qemu-tcg", "qemu-kvm") and len(before[0][ROOTFS]) == 64, before)
    said = replay(t, 1)
    check("equal" in said, said)
    check(expect_compiled_again(t, before, before[0], said)[ROOTFS] == before[0][ROOTFS], rows(t))
    return before[0][DRIVER]


# What a look at stored digests could not know: this compile does not repeat itself.
@test
def a_replay_that_comes_out_otherwise_says_so(t):
    up(t)
    project(t, 'date_time = "allow"\n')
    t.write("t.c", 'const char* when = __TIME__;\n')
    check(compiled(t, "gcc -c t.c -o t.o".split()) == {"remote_compiled"})
    stamp = re.search(rb"\d\d:\d\d:\d\d", t.read("t.o")).group()
    t.until(lambda: time.strftime("%H:%M:%S", time.gmtime()).encode() != stamp, "the clock stands still")
    before = rows(t)
    said = replay(t, 1, code=1)
    check("differs   outputs was " + before[0][OUTPUT] in said and "equal" not in said, said)
    check(expect_compiled_again(t, before, before[0], said)[OUTPUT] != before[0][OUTPUT])


@test
def stored_outputs_play_no_part_in_a_replay(t):
    up(t)
    project(t)
    flags = "-O2 -Iinc -c src/a.c -o a.o".split()
    check(compiled(t, ["gcc", *flags]) == {"remote_compiled"})
    digest = hashlib.sha256(t.read("a.o")).hexdigest()
    stored = os.path.join(t.hpcc_dir_up, "cas", rows(t)[0][TENANT], "blobs", digest[:2], digest)
    results = os.path.join(t.hpcc_dir_up, "cas", rows(t)[0][TENANT], "results")
    with open(stored, "rb") as f:
        object_bytes = f.read()

    def after(change):
        change()
        before = rows(t)
        said = replay(t, 1)
        check("equal" in said, said)
        expect_compiled_again(t, before, before[0], said)

    after(lambda: (os.unlink(stored), shutil.rmtree(results)))          # deleted
    after(lambda: place(stored, object_bytes))                          # copied back
    after(lambda: place(stored, object_bytes.replace(b"GCC", b"gcc")))  # and changed
    place(stored, object_bytes)
    check(open(stored, "rb").read() == object_bytes)


def place(path, data):
    if os.path.exists(path):
        os.chmod(path, 0o600)
    with open(path, "wb") as f:
        f.write(data)


@test
def what_cannot_be_replayed_says_why(t):
    up(t)
    project(t)
    flags = "-O2 -Iinc -c src/a.c -o a.o".split()
    check(compiled(t, ["gcc", *flags]) == {"remote_compiled"})
    t.hpcc("-C")
    check(compiled(t, ["gcc", *flags]) == {"remote_hit"})
    said = replay(t, 2)  # of a hit: the compile that it served
    check("hit" in said and "equal" in said and rows(t)[0][ROW_ID] in said, said)
    expect_compiled_again(t, rows(t)[:-1], rows(t)[0], said)

    # A secret never comes into the log; what it stood for is missed when the compile is to be repeated.
    check(compiled(t, ["gcc", "-DAPI_TOKEN=hunter2", *flags]) == {"remote_compiled"})
    with open(os.path.join(t.hpcc_dir_up, "audit.tsv")) as f:
        text = f.read()
    check("hunter2" not in text and "-DAPI_TOKEN=redacted:" in text, text)
    row = rows(t)[-1]
    check(row[26 - 1] == "no:redacted", row)
    first = re.search(r"redacted:\w+", row[FLAGS]).group()
    check("redacted" in replay(t, len(rows(t)), code=3))
    # Keyed: the same secret has the same digest, another one another, and no dictionary finds it without the key.
    for value, same in (("hunter2", True), ("hunter3", False)):
        t.hpcc(["gcc", f"-DAPI_TOKEN={value}", "-O1", *flags], timeout=300)
        check((first in rows(t)[-1][FLAGS]) == same, rows(t)[-1][FLAGS])
    check(hashlib.sha256(b"hunter2").hexdigest()[:32] not in first, first)

    line = text.splitlines()[1]
    check("not as worker local signed it" in replay(t, line.replace("/hpcc/w/src/a.c", "/hpcc/w/src/b.c"), code=3))
    check("column" in replay(t, line.rsplit("\t", 3)[0] + "\t", code=3))
    check("rows 1 to" in replay(t, 99, code=3) and "no row 0" in replay(t, 0, code=3))
    shutil.rmtree(os.path.join(t.hpcc_dir_up, "cas", row[TENANT], "blobs"))
    check("not in this worker's store" in replay(t, 1, code=3))
    t.hpcc("down", timeout=60)
    check("hpcc: not replayed" in replay(t, 1, code=3))


@test
def ten_random_rows_of_a_project_are_replayed_equal(t):
    up(t)
    t.write(".hpcc", f'image = "{t.digest}"\n')
    t.write("inc/common.h", "#pragma once\n#define SCALE 3\n")
    t.write("inc/shape.hpp", "#pragma once\n#include <string>\n#include <vector>\nstruct Shape { std::string name; std::vector<int> sides; };\n")
    objects = []
    for i in range(8):
        t.write(f"c{i}.c", f'#include <stdio.h>\n#include <string.h>\n#include "common.h"\nstatic int twice(int n) {{ return n * {i + 2}; }}\n'
                f'int f{i}(const char* s) {{ printf("%s %d\\n", s, twice(SCALE)); return (int)strlen(s); }}\n')
        objects.append(f"c{i}.o")
    for i in range(4):
        t.write(f"x{i}.cc", f'#include "shape.hpp"\n#include "common.h"\nint g{i}(const Shape& s) {{ return int(s.sides.size()) * SCALE + {i}; }}\n'
                "namespace { int hidden() { return SCALE; } }\nint (*keep)() = hidden;\n")
        objects.append(f"x{i}.o")
    t.write("Makefile", f"all: {' '.join(objects)}\n%.o: %.c\n\t$(CC) -O2 -g -Iinc -MMD -c $< -o $@\n"
            "%.o: %.cc\n\t$(CXX) -O2 -std=c++17 -Iinc -MMD -c $< -o $@\n")
    t.run(["make", "-j2", f"CC={t.hpcc_bin} gcc", f"CXX={t.hpcc_bin} g++"], timeout=600)
    before = rows(t)
    check(len(before) == len(objects), "one row for each compile:", len(before))
    seed = t.options.seed
    for number in random.Random(seed).sample(range(1, len(before) + 1), 10):
        now = rows(t)
        said = replay(t, number)
        check("equal" in said, "seed", seed, "row", number, said)
        expect_compiled_again(t, now, before[number - 1], said)
    check(len({r[VM] for r in rows(t)[len(before):]}) == 10, "each in a sandbox of its own")
    check(b"the tree and all signatures hold" in t.hpcc("audit verify").stdout)


@test
def inspect_finds_rows_by_digest_name_and_prefix(t):
    up(t)
    project(t)
    t.write("src/b.c", "int b;\n")
    flags = "-O2 -Iinc -c".split()
    t.hpcc(["gcc", *flags, "src/a.c", "-o", "a.o"], timeout=300)
    t.hpcc(["gcc", *flags, "src/b.c", "-o", "b.o"], timeout=300)
    a, b = rows(t)
    with open(os.path.join(t.hpcc_dir_up, "audit.tsv")) as f:
        digest = hashlib.sha256(f.read().splitlines()[1].encode()).hexdigest()
    object_digest = hashlib.sha256(t.read("a.o")).hexdigest()
    for wanted in ("a.c", "/hpcc/w/src/a.c", a[OUTPUT], a[11], a[1], digest, object_digest, a[ROW_ID], a[OUTPUT][:12], object_digest[:12]):
        said = t.hpcc(["inspect", wanted]).stdout.decode()
        check(f"row {digest}" in said and "number           1\n" in said and "signed           yes" in said, wanted, said)
        check(b[ROW_ID] not in said, wanted, said)
    # An object is looked up by its content, whatever its name; of several rows the newest comes first, and in full.
    os.rename(t.path("src/a.o"), t.path("src/moved.bin"))
    said = t.hpcc(["inspect", "moved.bin"]).stdout.decode()
    check(f"row {digest}" in said and "name             /hpcc/w/src/a.c\n" in said, said)
    t.hpcc(["gcc", "-MD", *flags, "src/a.c", "-o", "dep.o"], timeout=300)
    newest = rows(t)[-1]
    said = t.hpcc(["inspect", "dep.o"]).stdout.decode()
    check(newest[ROW_ID] in said and f"object_digest    {hashlib.sha256(t.read('dep.o')).hexdigest()}\n" in said, said)
    said = t.hpcc(["inspect", "src/a.c"]).stdout.decode()
    check(newest[ROW_ID] in said and a[ROW_ID] not in said and f"\n  {digest[:12]}  " in said, said)
    check(said.count("row_id") == 1, said)
    check(t.hpcc("inspect nothing.c", ok=False).returncode == 1)
    # What no worker vouches for is marked.
    t.hpcc("down", timeout=60)
    t.write("src/c.c", "int c;\n")
    t.hpcc(["gcc", *flags, "src/c.c", "-o", "c.o"], timeout=300)
    said = t.hpcc("inspect c.c").stdout.decode()
    check("asserted by the client" in said and "fallback" in said and "number" not in said, said)


def verdicts(t, log, code, *words):
    """What hpcc and the verifier without any of its code say of a log."""
    key = os.path.join(t.hpcc_dir_up, "worker/receipt.key")
    with open(key) as f:
        public = lies.secret_of(bytes.fromhex(f.read().strip()))[2].hex()
    done = t.hpcc(["audit", "verify", log], ok=False)
    said = done.stdout.decode() + done.stderr.decode()
    check(done.returncode == code, "hpcc says", done.returncode, said)
    for word in words:
        check(word in said, f"no {word!r} in", said)
    seen = glob.glob(os.path.join(t.hpcc_dir_up, "client/seen/*.checkpoint"))
    check(seen, "no worker was seen")
    own = log.removesuffix(".tsv") + ".checkpoint"
    notes = ([own] if os.path.exists(own) else []) + seen
    alone = t.run(["python3", os.path.join(lies.HERE, "../../tools/audit-verify.py"), log, public, *notes], ok=False)
    check(alone.returncode == code, "the standalone verifier says", alone.returncode, alone.stdout, alone.stderr)


@test
def a_log_that_was_touched_is_found_out(t):
    up(t)
    project(t)
    for n in range(4):
        t.write(f"v{n}.c", f"int v{n};\n")
        t.hpcc(["gcc", "-c", f"v{n}.c", "-o", f"v{n}.o"], timeout=300)
    real = os.path.join(t.hpcc_dir_up, "audit.tsv")
    verdicts(t, real, 0, "4 rows, 4 proved", "the tree and all signatures hold")
    check("keeps no checkpoint" not in t.hpcc("audit verify").stdout.decode())
    with open(real, "rb") as f:
        good = f.read().splitlines(keepends=True)
    with open(real.replace(".tsv", ".checkpoint"), "rb") as f:
        good_note = f.read()
    with open(os.path.join(t.hpcc_dir_up, "worker/receipt.key")) as f:
        seed = bytes.fromhex(f.read().strip())

    def copy(lines, note=good_note):
        log = t.path("copy.tsv")
        place(log, b"".join(lines))
        place(t.path("copy.checkpoint"), note or b"")
        if not note:
            os.unlink(t.path("copy.checkpoint"))
        return log

    changed = good[2].replace(b"/hpcc/w/v1.c", b"/hpcc/w/v9.c")
    check(changed != good[2])
    verdicts(t, copy(good[:2] + [changed] + good[3:]), 1, "row 2", "the signature does not hold")
    verdicts(t, copy(good[:2] + good[3:]), 1, "rows were removed")
    verdicts(t, copy([good[0], good[2], good[1], *good[3:]]), 1, "reordered")
    verdicts(t, copy(good[:-1]), 1, "rows were removed")
    verdicts(t, copy(good[:-1] + [good[-1][:-20]]), 1, "torn")
    # With the worker's own key: what only those find out who keep what they saw.
    leaves = lambda lines: [hashlib.sha256(b"\0" + line.rstrip(b"\n")).digest() for line in lines[1:]]
    signed = lambda lines: lies.sign_note(b"hpcc/local", len(lines) - 1, lies.verifier.root_of(leaves(lines)), seed)
    check(signed(good) == good_note, "the note is made as the worker makes it")
    verdicts(t, copy(good[:-1], signed(good[:-1])), 1, "a client saw 4 rows: the tail of 1 was cut off")
    columns = good[2].rstrip(b"\n").split(b"\t")[:-1]
    columns[8] = b"1"
    rewritten = good[:2] + [lies.sign_row(columns, seed) + b"\n"] + good[3:]
    verdicts(t, copy(rewritten, signed(rewritten)), 1, "the history was rewritten")
    # Without a checkpoint nothing says that there was no more.
    unproved = t.hpcc(["audit", "verify", copy(good, None)]).stdout.decode()
    check("unproved" in unproved and "0 proved" in unproved, unproved)
    # A worker that goes on with a rewritten log is not believed any more, and the client still has what it saw.
    t.hpcc("down", timeout=60)
    place(real, b"".join(rewritten))
    place(real.replace(".tsv", ".checkpoint"), signed(rewritten))
    t.hpcc("up --driver namespace", timeout=180)
    t.write("more.c", "int more;\n")
    t.hpcc("gcc -c more.c -o more.o", timeout=300)
    why = t.hpcc("explain more.o").stdout.decode()
    check("receipt_refused" in why and "history was rewritten" in why, why)
    check(t.counters()["fallback_image"] == 1 and t.exists("more.o"), t.counters())
    verdicts(t, real, 1, "5 rows, 5 proved", "the history was rewritten")


def lying(t):
    """A project and its worker, between them one who may lie. `compile_with(lie, source)` → (what was counted, of the
    interesting; receipts refused)."""
    up(t)
    project(t)
    os.makedirs(t.path("bin"))
    for name in ("hpcc", "hpccd", "hpcc-tool"):
        shutil.copy2(os.path.join(os.path.dirname(t.hpcc_bin), name), t.path("bin", name))
    with open(t.path("bin/hpcc-remote"), "w") as f:
        f.write(f"#!/usr/bin/python3\nimport sys\nsys.path.insert(0, {lies.HERE!r})\nimport lies\n"
                f"lies.proxy({os.path.join(os.path.dirname(t.hpcc_bin), 'hpcc-remote')!r}, {t.path('lie.json')!r})\n")
    os.chmod(t.path("bin/hpcc-remote"), 0o755)
    t.hpcc("daemon stop", ok=False)
    with open(os.path.join(t.hpcc_dir_up, "scheduler/signing.key")) as f:
        scheduler = f.read().strip()

    with open(os.path.join(t.hpcc_dir_up, "worker/receipt.key")) as f:
        worker = f.read().strip()

    def compile_with(lie, source, *options, env=None):
        with open(t.path("lie.json.new"), "w") as f:
            json.dump({"lie": lie, "scheduler": scheduler, "worker": worker, "row": "" if not rows_text(t) else rows_text(t)[0]}, f)
        os.rename(t.path("lie.json.new"), t.path("lie.json"))
        before = t.stats()
        t.run([t.path("bin/hpcc"), "gcc", "-O2", *options, "-c", source, "-o", source[:-2] + ".o"], env=env, timeout=300)
        after = t.stats()
        gone = lambda s, k: s["bypass_reasons"].get(k, 0)
        moved = {k for k in after["counters"] if after["counters"][k] != before["counters"][k]}
        return (moved & {"remote_compiled", "fallback_image", "local_hit", "remote_hit", "verified", "verify_differed"},
                gone(after, "receipt_refused") - gone(before, "receipt_refused"))

    return compile_with


@test
def a_lying_worker_is_refused_and_the_build_goes_on(t):
    compile_with = lying(t)
    t.write("honest.c", "int honest;\n")
    check(compile_with("", "honest.c") == ({"remote_compiled"}, 0), t.hpcc("explain honest.o").stdout)
    for lie in lies.LIES:
        name = lie.__name__
        t.write(name + ".c", f'const char* said_by_{name} = "honest";\n')
        how = compile_with(name, name + ".c")
        why = t.hpcc(["explain", name + ".o"]).stdout.decode()
        check(how == ({"fallback_image"}, 1), name, how, why)
        check("receipt_refused" in why, name, why)
        image.in_chroot(t, ["gcc", f"-frandom-seed={name}.c", "-Werror=date-time", "-O2", "-c", name + ".c", "-o", "plain.o"])
        check(t.read(name + ".o") == t.read("plain.o"), name, "got into the object")
    # None of it is in what the client keeps of the worker's log.
    check(b"the tree and all signatures hold" in t.hpcc("audit verify").stdout)
    # Bytes that are not what their digest says never get as far.
    t.write("damaged.c", "int damaged;\n")
    how = compile_with("damaged_blob", "damaged.c")
    check("fallback_image" in how[0], how)
    check(b"not what" not in t.read("damaged.o") and t.run(["nm", "damaged.o"]).stdout.strip().endswith(b"damaged"))
    # Nothing of all that was kept: an honest worker is believed again.
    t.write("honest2.c", "int honest2;\n")
    check(compile_with("", "honest2.c") == ({"remote_compiled"}, 0), t.hpcc("explain honest2.o").stdout)


def rows_text(t):
    with open(os.path.join(t.hpcc_dir_up, "audit.tsv")) as f:
        return [line.rstrip("\n") for line in f if not line.startswith("#")]


@test
def two_tenants_share_neither_sandbox_nor_entry(t):
    up(t)
    project(t)
    flags = "gcc -O2 -Iinc -c src/a.c -o a.o".split()
    check(compiled(t, flags) == {"remote_compiled"})
    other = t.path("zeta")
    t.dirs.append(other)
    os.makedirs(os.path.join(other, "up"), mode=0o700)
    os.symlink(os.path.join(t.hpcc_dir_up, "images"), os.path.join(other, "up/images"))
    t.run([os.path.join(os.path.dirname(t.hpcc_bin), "hpcc-scheduler"), "--up", t.hpcc_dir_up, "--client", os.path.join(other, "up/client"),
           "--tenant", "zeta"])
    env = {"HPCC_DIR": other}
    honest = t.read("a.o")
    os.unlink(t.path("src/a.o"))
    t.hpcc(flags, env=env, timeout=300)
    counters = t.counters(env)
    check((counters["remote_compiled"], counters["remote_hit"]) == (1, 0), "the other tenant's entry is not served:", counters)
    check(t.read("a.o") == honest, "the same action makes the same object")
    local, zeta = rows(t)
    check((local[TENANT], zeta[TENANT]) == ("local", "zeta") and zeta[KIND] == "compiled", zeta)
    check(local[11] == zeta[11] and local[VM] != zeta[VM], "one action, two sandboxes:", local, zeta)
    # Each sees its own session and that there are others, not whose.
    sessions = lambda e: [(s["tenant"], s["vm"], w["sessions_total"]) for w in json.loads(t.hpcc("status --json", env=e).stdout)["workers"]
                          for s in w["sessions"]]
    t.until(lambda: sessions(env) == [("zeta", zeta[VM], 2)], lambda: sessions(env))
    t.until(lambda: sessions(None) == [("local", local[VM], 2)], lambda: sessions(None))
    # A row is its tenant's.
    check("tenant local" in replay(t, rows_text(t)[0], code=3, env=env))
    check("equal" in replay(t, rows_text(t)[1], env=env))
    check(len({r[VM] for r in rows(t)}) == 3 and rows(t)[2][TENANT] == "zeta", rows(t))
    # The store keeps them apart on disk, too.
    cas = os.path.join(t.hpcc_dir_up, "cas")
    check({"local", "zeta"} <= set(os.listdir(cas)), os.listdir(cas))


def up_in_microvms(t):
    t.digest = image.ready(t)
    t.hpcc_dir_up = os.path.join(t.hpcc_dir, "up")
    t.hpcc("up --driver qemu", timeout=300)


def worker_log(t):
    with open(os.path.join(t.hpcc_dir_up, "log/worker.log"), errors="replace") as f:
        return f.read()[-3000:]


def slow_source(n, steps=30000):
    """Some seconds of a compiler's time, in a file that differs from every other."""
    return ("constexpr unsigned long g(unsigned long n) { unsigned long s = 0; for (unsigned long i = 0; i < n; ++i) s += i * n; return s; }\n"
            + "".join(f"unsigned long a{i} = [] {{ constexpr auto v = g({steps + 100 * n + i}); return v; }}();\n" for i in range(15)))


SLOW = ["-std=c++20", "-fconstexpr-ops-limit=99999999999", "-fconstexpr-loop-limit=2000000000", "-c"]


def in_flight(t):
    return os.listdir(os.path.join(t.hpcc_dir_up, "audit.inflight"))


def worker_pid(t):
    with open(os.path.join(t.hpcc_dir_up, "run/worker.pid")) as f:
        return int(f.read().split()[0])


def descendants(pid):
    children = {}
    for one in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{one}/stat") as f:
                children.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(one))
        except OSError:
            continue
    found, waiting = [], [pid]
    while waiting:
        more = children.get(waiting.pop(), [])
        found += more
        waiting += more
    return found


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read()
    except OSError:
        return b""  # it has ended meanwhile


def expect_slow_objects(t, names):
    for name in names:
        image.in_chroot(t, ["g++", f"-frandom-seed={name}.cc", "-Werror=date-time", *SLOW, f"{name}.cc", "-o", "plain.o"])
        check(t.read(name + ".o") == t.read("plain.o"), name, "is not what the image's compiler makes")


@test
def a_sandbox_killed_in_the_middle_costs_a_row_and_no_object(t):
    up(t)
    project(t)
    t.write("s1.cc", slow_source(1))
    child = t.start([t.hpcc_bin, "g++", *SLOW, "s1.cc", "-o", "s1.o"])
    t.until(lambda: in_flight(t), "the compile never began", lambda: t.hpcc("status").stdout)
    agents = [pid for pid in descendants(worker_pid(t)) if command_of(pid).startswith(b"/init\0")]  # as which hpcc-agent is bound in
    check(agents, "no agent among", descendants(worker_pid(t)))
    for pid in agents:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it went with the one before
    check(child.wait(timeout=300) == 0, t.hpcc("explain s1.o").stdout)
    lost, again = rows(t)
    check((lost[KIND], lost[EXIT], lost[NAME]) == ("lost", "-1", "/hpcc/w/s1.cc"), lost)
    check((again[KIND], again[EXIT]) == ("compiled", "0") and again[VM] != lost[VM], again)
    expect_slow_objects(t, ["s1"])
    check("lost" in replay(t, 1, code=3))
    check(not in_flight(t), in_flight(t))


@test
def a_microvm_killed_in_the_middle_costs_a_row_and_no_object(t):
    up_in_microvms(t)
    project(t)
    t.write("s1.cc", slow_source(1, 2000))
    child = t.start([t.hpcc_bin, "g++", *SLOW, "s1.cc", "-o", "s1.o"])
    t.until(lambda: in_flight(t), "the compile never began", lambda: t.hpcc("status").stdout)
    machines = [pid for pid in descendants(worker_pid(t)) if b"qemu-system" in command_of(pid).split(b"\0")[0]]
    check(len(machines) == 1, "microVMs:", machines, "among", descendants(worker_pid(t)))
    os.kill(machines[0], signal.SIGKILL)
    check(child.wait(timeout=600) == 0, t.hpcc("explain s1.o").stdout)
    lost, again = rows(t)
    check((lost[KIND], lost[EXIT], lost[NAME]) == ("lost", "-1", "/hpcc/w/s1.cc"), lost)
    check((again[KIND], again[EXIT]) == ("compiled", "0") and again[VM] != lost[VM], again, t.hpcc("explain s1.o").stdout, worker_log(t))
    check(lost[DRIVER] == again[DRIVER] and again[DRIVER].startswith("qemu-"), lost, again)
    expect_slow_objects(t, ["s1"])
    check(b"the tree and all signatures hold" in t.hpcc("audit verify").stdout)
    return again[DRIVER]


@test
def a_worker_killed_in_the_middle_of_a_build_leaves_word_of_it(t):
    up(t)
    t.write(".hpcc", f'image = "{t.digest}"\n')
    names = [f"s{n}" for n in range(4)]
    for n, name in enumerate(names):
        t.write(name + ".cc", slow_source(n))
    t.write("Makefile", f"all: {' '.join(n + '.o' for n in names)}\n%.o: %.cc\n\t$(CXX) {' '.join(SLOW)} $< -o $@\n")
    build = t.start(["make", "-j2", f"CXX={t.hpcc_bin} g++"])
    t.until(lambda: in_flight(t), "no compile ever began", lambda: t.hpcc("status").stdout)
    worker = worker_pid(t)
    below = descendants(worker)
    os.kill(worker, signal.SIGKILL)
    t.until(lambda: not os.path.exists(f"/proc/{worker}"), "the worker does not end")
    begun = set(in_flight(t)) - {row[ROW_ID] for row in rows(t)}
    check(build.wait(timeout=600) == 0, t.hpcc("explain s0.o").stdout)
    expect_slow_objects(t, names)
    alive = lambda: [pid for pid in below if os.path.exists(f"/proc/{pid}")]
    t.until(lambda: not alive(), "still there:", alive)
    t.hpcc("down", timeout=60)
    t.hpcc("up --driver namespace", timeout=180)
    lost = [row for row in rows(t) if row[KIND] == "lost"]
    check(begun and {row[ROW_ID] for row in lost} == begun, "begun:", begun, "lost:", lost)
    check(all(row[NAME].startswith("/hpcc/w/s") and row[VM] for row in lost), lost)
    check(not in_flight(t), in_flight(t))
    check(b"the tree and all signatures hold" in t.hpcc("audit verify").stdout)
    # The rest of the story is the client's own: what the image's compiler made here in the worker's place.
    for row in lost:
        check(b"fallback" in t.hpcc(["inspect", row[NAME]]).stdout, row[NAME])
