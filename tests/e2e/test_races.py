"""A header edited and compiled at once: always the new object."""
import mmap
import os
import random
import time

from harness import check, test


def hurry(t, edit, rounds, env=None):
    t.write("a.c", '#include "h.h"\nint v = K;\n')
    t.write("h.h", "#define K 1000\n")
    t.settle()
    path = t.path("src", "h.h")
    rng = random.Random(t.options.seed)
    for i in range(rounds):
        value = 1000 + rng.randrange(40) if i % 3 else 1000 + i % 40
        edit(path, b"#define K %d\n" % value)
        time.sleep(0.001)
        t.hpcc("gcc -c a.c -o a.o", env=env)
        # The value stands in .data of the object: read it rather than compile again.
        check(value.to_bytes(4, "little") in t.read("a.o"), f"round {i} (seed {t.options.seed}): not {value}")
    c = t.counters(env)
    return f"{c['local_hit']} hits, {c['local_compiled']} compiled"


def in_place(path, text):
    with open(path, "r+b") as f:
        f.write(text)


def by_truncation(path, text):
    with open(path, "wb") as f:
        f.write(text)


def by_mmap(path, text):
    with open(path, "r+b") as f:
        with mmap.mmap(f.fileno(), len(text)) as m:
            m[:] = text


def by_mmap_with_the_old_mtime(path, text):
    st = os.stat(path)
    by_mmap(path, text)
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def by_rename(path, text):
    with open(path + "~", "wb") as f:
        f.write(text)
    os.rename(path + "~", path)


def by_rename_with_the_old_mtime(path, text):
    st = os.stat(path)
    with open(path + "~", "wb") as f:
        f.write(text)
    os.utime(path + "~", ns=(st.st_atime_ns, st.st_mtime_ns))
    os.rename(path + "~", path)


def count(t, part=1.0):
    return int((1000 if t.slow else 60) * part)


@test
def a_header_edited_in_place_and_compiled_a_millisecond_later(t):
    return hurry(t, in_place, count(t))


@test
def a_header_truncated_and_compiled_a_millisecond_later(t):
    return hurry(t, by_truncation, count(t, 0.5))


@test
def a_header_edited_by_mmap_and_compiled_a_millisecond_later(t):
    return hurry(t, by_mmap, count(t))


@test
def a_header_edited_by_mmap_with_its_mtime_put_back(t):
    return hurry(t, by_mmap_with_the_old_mtime, count(t, 0.5))


@test
def a_header_replaced_by_rename_and_compiled_a_millisecond_later(t):
    return hurry(t, by_rename, count(t))


@test
def a_header_replaced_by_rename_with_its_mtime_put_back(t):
    return hurry(t, by_rename_with_the_old_mtime, count(t, 0.5))


@test
def a_header_edited_without_a_daemon(t):
    return hurry(t, in_place, count(t, 0.5), env={"HPCC_DAEMON": "0"})


@test
def a_header_edited_while_the_compiler_runs(t):
    """The edit falls somewhere into the compile; the next compile must see it."""
    t.write("a.c", '#include "h.h"\n' + "".join(f"int f{i}(int n) {{ return n * {i} + K; }}\n" for i in range(200)) + "int v = K;\n")
    t.write("h.h", "#define K 1000\n")
    rng = random.Random(t.options.seed)
    for i in range(100 if t.slow else 15):
        first, second = 1000 + rng.randrange(20), 2000 + rng.randrange(20)
        in_place(t.path("src", "h.h"), b"#define K %d\n" % first)
        t.settle()
        process = t.start([t.hpcc_bin, "gcc", "-O1", "-c", "a.c", "-o", "a.o"])
        time.sleep(rng.random() * 0.04)
        in_place(t.path("src", "h.h"), b"#define K %d\n" % second)
        check(process.wait(60) == 0)
        t.started.clear()
        t.hpcc("gcc -O1 -c a.c -o a.o")
        t.run("gcc -O1 -c a.c -o plain.o")
        check(t.read("a.o") == t.read("plain.o"), f"round {i} (seed {t.options.seed})")


@test
def a_header_appears_a_millisecond_before_the_compile(t):
    t.write("a.c", '#if __has_include("o.h")\nint has = 1;\n#else\nint has = 0;\n#endif\n')
    t.settle()
    path = t.path("src", "o.h")
    for i in range(count(t)):
        if i % 2:
            os.unlink(path)
        else:
            open(path, "w").close()
        time.sleep(0.001)
        t.hpcc("gcc -c a.c -o a.o")
        t.run("gcc -c a.c -o plain.o") if i < 2 else None
        if i < 2:
            (t.__dict__.setdefault("want", {}))[i % 2] = t.read("plain.o")
        check(t.read("a.o") == t.want[i % 2], f"round {i}")


@test
def two_builds_race_on_one_store(t):
    names = t.program(20)
    second = t.path("second")
    t.run(["cp", "-r", t.dir, second])
    t.settle()
    for env in ({}, {"HPCC_DAEMON": "0"}):
        t.hpcc("-C", env=env)
        builds = [t.start(["make", "-j2", f"CC={t.hpcc_bin} gcc"], cwd=d, env=env) for d in (t.dir, second)]
        check([b.wait(120) for b in builds] == [0, 0])
        t.started.clear()
        t.expect_objects(names)
        for name in names:
            with open(os.path.join(second, name), "rb") as f:
                check(f.read() == t.read(name), name)
        for d in (t.dir, second):
            t.run("make clean", cwd=d)


@test
def a_daemon_and_engines_of_their_own_share_one_store(t):
    names = t.program(10)
    t.settle()
    builds = [t.start(["make", "-j2", f"CC={t.hpcc_bin} gcc", "all"], env=env, cwd=d) for env, d in
              (({}, t.dir), ({"HPCC_DAEMON": "0"}, t.run(["cp", "-r", t.dir, t.path("two")]) and t.path("two")))]
    check([b.wait(120) for b in builds] == [0, 0])
    t.expect_objects(names)
