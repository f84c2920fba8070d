"""The store under a full, read-only or damaged disk: builds succeed, and nothing wrong is ever served."""
import os
import random
import shutil
import subprocess

from harness import Skip, check, test


def build(t, names, env=None):
    t.run(["make", "-j2", f"CC={t.hpcc_bin} gcc"], env=env)
    t.expect_objects(names)
    t.run("make clean")


@test
def a_full_disk_does_not_fail_a_build(t):
    names = t.program(12)
    t.settle()
    for size in ("64k", "512k", "2m"):
        small = t.path("small" + size)
        t.tmpfs(small, size)
        t.dirs.append(small)
        for env in ({"HPCC_DIR": small}, {"HPCC_DIR": small, "HPCC_DAEMON": "0"}):
            for _ in range(2):
                build(t, names, env)
        t.hpcc("daemon stop", env={"HPCC_DIR": small}, ok=False)


@test
def a_disk_that_fills_up_during_the_build_does_not_fail_it(t):
    names = t.program(12)
    t.settle()
    small = t.path("small")
    t.tmpfs(small, "6m")
    t.dirs.append(small)
    env = {"HPCC_DIR": small}
    build(t, names, env)
    with open(os.path.join(small, "filler"), "wb") as f:
        try:
            while True:
                f.write(b"x" * 65536)
                f.flush()
        except OSError:
            pass
    build(t, names, env)
    t.write("m0.c", "int other;\n")
    t.settle()
    build(t, names, env)
    os.unlink(os.path.join(small, "filler"))
    build(t, names, env)
    before = t.hits(env)
    build(t, names, env)
    check(t.hits(env) - before == len(names), "no recovery after space came back", t.stats(env))


@test
def a_read_only_state_directory_still_serves_and_never_fails(t):
    names = t.program(4)
    t.settle()
    store = t.path("ro")
    t.tmpfs(store, "64m")
    t.dirs.append(store)
    env = {"HPCC_DIR": store}
    build(t, names, env)
    t.hpcc("daemon stop", env=env)
    if subprocess.run(["mount", "-o", "remount,ro", store], capture_output=True).returncode:
        raise Skip("cannot remount")
    for more in ({}, {"HPCC_DAEMON": "0"}):
        build(t, names, {**env, **more})
    t.write("m0.c", "int other;\n")
    t.settle()
    build(t, names, env)
    subprocess.run(["mount", "-o", "remount,rw", store], check=True)


@test
def a_state_directory_that_cannot_be_made_does_not_fail_a_build(t):
    t.write("a.c", "int x;\n")
    for bad in ("/proc/hpcc", t.path("file", "below"), "/dev/null", "/proc/hpcc\n/x"):
        if bad.startswith(t.top):
            with open(t.path("file"), "w"):
                pass
        for more in ({}, {"HPCC_DAEMON": "0"}):
            done = t.hpcc("gcc -c a.c", env={"HPCC_DIR": bad, **more}, timeout=60)
            check(t.exists("a.o") and done.stderr == b"", bad, done)
            os.unlink(t.path("src", "a.o"))


def store_files(t):
    found = []
    for base, dirs, files in os.walk(t.hpcc_dir):
        dirs[:] = [d for d in dirs if d != "run"]
        found += [os.path.join(base, f) for f in files]
    return sorted(found)


def damage(t, how, rounds):
    names = t.program(6)
    t.settle()
    rng = random.Random(t.options.seed)
    kinds = set()
    for i in range(rounds):
        build(t, names)
        t.hpcc("daemon stop")
        files = [f for f in store_files(t) if os.path.getsize(f)]
        # Each kind of file in turn: by the name of its directory and its extension.
        by_kind = {}
        for f in files:
            rel = os.path.relpath(f, t.hpcc_dir)
            parts = rel.split(os.sep)
            inner = parts[1] if len(parts) > 2 else os.path.basename(rel)
            by_kind.setdefault((parts[0], inner), []).append(f)
        kind = sorted(by_kind)[i % len(by_kind)]
        kinds.add("/".join(kind))
        for victim in by_kind[kind]:
            how(victim, rng)
        for more in ({}, {"HPCC_DAEMON": "0"}):
            build(t, names, more)
        t.hpcc("stats")
        t.hpcc("explain m0.c", ok=False)
        before = t.hits()
        build(t, names)
        check(t.hits() - before == len(names), f"round {i}, {kind}: not repaired", t.stats())
    return "damaged: " + ", ".join(sorted(kinds))


def flip(path, rng):
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        for _ in range(max(1, min(64, size // 512))):
            at = rng.randrange(size)
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ (1 << rng.randrange(8))]))


@test
def flipped_bytes_in_every_kind_of_store_file_are_never_served(t):
    return damage(t, flip, 60 if t.slow else 8)


@test
def every_single_byte_region_of_a_blob_is_checked(t):
    t.write("a.c", "int f(int n) { return n; }\nconst char text[] = \"" + "x" * 3000 + "\";\n")
    t.settle()
    t.run("gcc -c a.c -o plain.o")
    t.hpcc("gcc -c a.c")
    t.hpcc("daemon stop")
    rng = random.Random(t.options.seed)
    for i in range(40 if t.slow else 8):
        for path in store_files(t):
            if "blob" in path or "cas" in path:
                size = os.path.getsize(path)
                with open(path, "r+b") as f:
                    f.seek(size * i // 40 if size else 0)
                    f.write(bytes([rng.randrange(256)]))
        t.hpcc("gcc -c a.c", env={"HPCC_DAEMON": "0"} if i % 2 else None)
        check(t.read("a.o") == t.read("plain.o"), "round", i)


@test
def truncated_store_files_are_never_served(t):
    return damage(t, lambda path, rng: os.truncate(path, rng.randrange(os.path.getsize(path))), 40 if t.slow else 6)


@test
def store_files_of_length_zero_are_never_served(t):
    return damage(t, lambda path, rng: os.truncate(path, 0), 20 if t.slow else 5)


@test
def foreign_files_in_place_of_store_files_are_never_served(t):
    def foreign(path, rng):
        with open(path, "wb") as f:
            f.write(rng.randbytes(rng.choice((1, 100, 5000, 40000))))
    return damage(t, foreign, 40 if t.slow else 6)


@test
def removed_store_files_are_misses(t):
    return damage(t, lambda path, rng: os.unlink(path), 20 if t.slow else 5)


@test
def swapped_blobs_are_never_served(t):
    names = t.program(6)
    t.settle()
    build(t, names)
    t.hpcc("daemon stop")
    blobs = [f for f in store_files(t) if "blob" in f or "cas" in f]
    if len(blobs) < 2:
        raise Skip(f"no blobs found among {store_files(t)[:5]}")
    for a, b in zip(blobs[::2], blobs[1::2]):
        os.rename(a, a + ".x")
        os.rename(b, a)
        os.rename(a + ".x", b)
    build(t, names)
    build(t, names, {"HPCC_DAEMON": "0"})


@test
def damage_under_a_running_daemon_is_never_served(t):
    names = t.program(6)
    t.settle()
    build(t, names)
    rng = random.Random(t.options.seed)
    for path in store_files(t):
        if not path.endswith((".mdb", "lock")) and os.path.getsize(path) and ("blob" in path or "cas" in path):
            flip(path, rng)
    build(t, names)


@test
def the_whole_state_directory_vanishes_in_the_middle(t):
    names = t.program(6)
    t.settle()
    build(t, names)
    shutil.rmtree(t.hpcc_dir)
    build(t, names)
    build(t, names)


@test
def the_size_limit_is_kept(t):
    t.write("h.h", "")
    t.hpcc("-M 4M")
    for i in range(24):
        t.write(f"big{i}.c", f"char b{i}[400000] = {{ 1 }};\n" + f"const char *r{i} = \"{random.Random(i).randbytes(300000).hex()}\";\n")
    t.settle()
    for i in range(24):
        t.hpcc(["gcc", "-c", f"big{i}.c", "-o", "b.o"])
    t.hpcc("-c")
    total = sum(os.path.getsize(f) for f in store_files(t) if "blob" in f or "cas" in f)
    check(total < 8 << 20, f"{total} bytes of blobs with a limit of 4 MiB", t.stats().get("store"))
    return f"{total >> 10} KiB"


@test
def a_newer_or_older_format_version_is_set_aside(t):
    names = t.program(2)
    t.settle()
    build(t, names)
    t.hpcc("daemon stop")
    versions = [d for d in os.listdir(t.hpcc_dir) if d.startswith("v") and d[1:].isdigit()]
    if not versions:
        raise Skip(f"no version directory in {os.listdir(t.hpcc_dir)}")
    os.rename(os.path.join(t.hpcc_dir, versions[0]), os.path.join(t.hpcc_dir, "v999"))
    build(t, names)
    build(t, names)
