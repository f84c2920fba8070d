"""Real projects through a farm of one machine: every object is what the same command makes in a chroot of the image."""
import os
import shutil

import image
import projects
import test_remote
from harness import Skip, check, test

COMPILERS = ("gcc", "g++", "cc", "c++", "cpp", "clang", "clang++", "c89", "c99", "as", "ld")


def up(t, driver):
    t.digest = image.ready(t)
    t.hpcc(["up", "--driver", driver], timeout=300)
    t.hpcc_dir_up = os.path.join(t.hpcc_dir, "up")


def fetch(t, package, name):
    try:
        projects.copy(package, t.path("src", name))
    except (RuntimeError, OSError) as e:
        raise Skip(str(e))
    t.write(".hpcc", f'image = "{t.digest}"\n')
    return t.path("src", name)


def path_without_compilers(t):
    """Everything of /usr/bin but compilers, assemblers and linkers: they are not installed, as far as a build can tell."""
    directory = t.path("no-compiler")
    os.makedirs(directory)
    for name in os.listdir("/usr/bin"):
        bare = name[len("x86_64-linux-gnu-"):] if name.startswith("x86_64-linux-gnu-") else name
        if bare.split("-")[0].split(".")[0] not in COMPILERS:
            os.symlink("/usr/bin/" + name, os.path.join(directory, name))
    check(t.run(["sh", "-c", "command -v gcc cc clang"], env={"PATH": directory}, ok=False).returncode != 0, "there is a compiler")
    return directory


def objects(directory):
    found = {}
    for base, _, files in os.walk(directory):
        for name in files:
            if name.endswith(".o"):
                with open(os.path.join(base, name), "rb") as f:
                    found[os.path.relpath(os.path.join(base, name), directory)] = f.read()
    check(found, "no object in", directory)
    return found


def place_of(t, row, output):
    """The working directory of a row's compile: from there its output has its name."""
    for cwd in (t.path("src", "build"), *above(t.path("src", row["name"][len("/hpcc/w/"):]), t.dir)):
        if os.path.exists(os.path.join(cwd, output)):
            return cwd
    raise AssertionError(f"no directory for {row}")


def above(path, top):
    while path != top:
        path = os.path.dirname(path)
        yield path


def same_as_the_chroots(t, made):
    """Each compile of the log once more in a chroot: the row's own words, in the row's own place."""
    compared = 0
    for row in test_remote.columns(t):
        if row["disposition"] != "compiled":
            continue
        words = test_remote.words_of(row["flags"])
        check(row["exit"] == "0" and "-o" in words, row)
        output = words[words.index("-o") + 1]
        cwd = place_of(t, row, output)
        kept = os.path.join(cwd, output)
        with open(kept, "rb") as f:
            hpccs = f.read()
        image.in_chroot(t, words, cwd=cwd)
        with open(kept, "rb") as f:
            check(f.read() == hpccs, row["name"], "differs from the chroot's")
        compared += 1
    check(compared == made, "compared", compared, "of", made)


def counted(t, build):
    before = t.stats()
    build()
    after = t.stats()
    moved = {k: after["counters"][k] - before["counters"][k] for k in after["counters"]}
    reasons = {k: v - before["bypass_reasons"].get(k, 0) for k, v in after["bypass_reasons"].items() if v != before["bypass_reasons"].get(k, 0)}
    return moved, reasons


@test
def a_c_project_is_built_on_a_machine_without_a_compiler(t):
    up(t, "namespace")
    source = fetch(t, "libzstd", "zstd")
    env = {"PATH": path_without_compilers(t)}
    target = "libzstd.a-nomt"
    make = ["make", "-C", os.path.join(source, "lib"), "-j2", target, f"CC={t.hpcc_bin} gcc"]
    if not t.slow:
        make += ["ZSTD_LIB_COMPRESSION=0", "ZSTD_LIB_DICTBUILDER=0", "ZSTD_LIB_DEPRECATED=0"]
    moved, reasons = counted(t, lambda: t.run(make, env=env, timeout=1800))
    made = objects(os.path.join(source, "lib"))
    check(moved["remote_compiled"] == len(made) and moved["local_compiled"] == 0 and moved["error"] == 0, moved, reasons)
    check(set(reasons) <= {"link", "no_source", "stdin", "preprocess"}, reasons)
    same_as_the_chroots(t, len(made))
    return f"{len(made)} objects by workers; {reasons}"


@test
def a_cxx_project_is_built_by_workers_and_then_from_their_cache(t):
    up(t, "namespace")
    source = fetch(t, "leveldb", "leveldb")
    build = t.path("src", "build")
    targets = ["all"] if t.slow else [f"CMakeFiles/leveldb.dir/{name}.cc.o" for name in ("util/status", "util/crc32c", "db/dbformat", "db/log_reader")]

    def whole():
        shutil.rmtree(build, ignore_errors=True)
        t.run(["cmake", "-G", "Ninja", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_COMPILER=g++",
               "-DCMAKE_C_COMPILER=gcc", f"-DCMAKE_CXX_COMPILER_LAUNCHER={t.hpcc_bin}", "-DLEVELDB_BUILD_TESTS=OFF",
               "-DLEVELDB_BUILD_BENCHMARKS=OFF"])
        t.run(["ninja", "-C", build, *targets], timeout=3000)

    moved, reasons = counted(t, whole)
    made = objects(os.path.join(build, "CMakeFiles/leveldb.dir"))
    check(moved["remote_compiled"] >= len(made) and moved["error"] == 0, moved, reasons)
    same_as_the_chroots(t, moved["remote_compiled"])
    t.hpcc("-C")
    moved, _ = counted(t, whole)
    check(moved["remote_hit"] >= len(made) and moved["remote_compiled"] == 0, moved)
    check(objects(os.path.join(build, "CMakeFiles/leveldb.dir")) == made, "the worker's hits differ")
    dispositions = [row["disposition"] for row in test_remote.columns(t)]
    check(dispositions.count("hit") == moved["remote_hit"], dispositions)
    return f"{len(made)} objects"


@test
def parts_of_real_projects_are_compiled_in_a_microvm(t):
    """Emulated where KVM is not usable, so a few files only; the row tells where each was compiled."""
    up(t, "qemu")
    zstd, leveldb = fetch(t, "libzstd", "zstd"), fetch(t, "leveldb", "leveldb")
    more = 8 if t.slow else 2
    compiles = [["gcc", "-O2", "-g", "-DXXH_NAMESPACE=ZSTD_", "-I.", "-c", f"common/{name}.c", "-o", f"common/{name}.o"]
                for name in ["entropy_common", "error_private", "zstd_common", "fse_decompress", "debug", "xxhash", "pool", "threading"][:more]]
    compiles_cxx = [["g++", "-std=c++11", "-O2", "-g", "-I.", "-Iinclude", "-DLEVELDB_PLATFORM_POSIX=1", "-c", f"util/{name}.cc", "-o",
                     f"util/{name}.o"] for name in ["hash", "status", "coding", "crc32c"][:more // 2]]
    for where, commands in ((os.path.join(zstd, "lib"), compiles), (leveldb, compiles_cxx)):
        for command in commands:
            check(test_remote.compiled(t, command, cwd=where) == {"remote_compiled"}, t.hpcc(["explain", command[-1]], cwd=where).stdout)
    rows = test_remote.columns(t)
    check(len(rows) == len(compiles) + len(compiles_cxx), rows)
    check({row["driver"] for row in rows} <= {"qemu-tcg", "qemu-kvm"}, rows)
    check(len({row["vm"] for row in rows}) == 1 and len(rows[0]["vm"]) == 36, rows)
    roots = os.path.join(t.hpcc_dir_up, "images", t.digest[7:], "rootfs")
    with open(roots) as f:
        check(f"root_hash {rows[0]['rootfs_hash']}\n" in f.read(), "another root file system", rows[0])
    same_as_the_chroots(t, len(rows))
    # The same once more in namespaces: another driver, the same bytes.
    by_vm = {command[-1]: test_remote.read_at(zstd, "lib", command[-1]) for command in compiles}
    t.hpcc("down", timeout=120)
    t.hpcc(["up", "--driver", "namespace"], timeout=120)
    for command in compiles:
        check(test_remote.compiled(t, command, cwd=os.path.join(zstd, "lib"), env={"HPCC_RECACHE": "1"}) == {"remote_compiled"},
              t.hpcc(["explain", command[-1]], cwd=os.path.join(zstd, "lib")).stdout)
        check(test_remote.read_at(zstd, "lib", command[-1]) == by_vm[command[-1]], command, "differs between drivers")
    return f"{len(rows)} in {rows[0]['driver']}"
