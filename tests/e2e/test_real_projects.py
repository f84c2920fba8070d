"""Real projects: built plain, then twice through hpcc. Every output is byte-identical, the second build is all hits."""
import os
import re
import shutil
import time

import projects
from harness import Skip, check, test

# Without --slow: a part of each project that compiles in seconds.
PROJECTS = {
    "zstd": dict(package="libzstd", kind="make", directory="lib", quick="libzstd.a-nomt", whole="libzstd.a-mt",
                 small=["common", "decompress"]),
    "redis": dict(package="redis", kind="redis"),
    "leveldb": dict(package="leveldb", kind="cmake", options=["-DLEVELDB_BUILD_TESTS=OFF", "-DLEVELDB_BUILD_BENCHMARKS=OFF"],
                    quick=["libleveldb.a"], whole=["all"]),
    "fmt": dict(package="fmtlib", kind="cmake", options=["-DFMT_TEST=OFF", "-DFMT_DOC=OFF"], quick=["fmt"], whole=["all"],
                slow_options=["-DFMT_TEST=ON", "-DFMT_DOC=OFF"]),
}


def outputs(build):
    """Every object, archive and dependency file below a build directory, by relative path."""
    found = {}
    for base, _, files in os.walk(build):
        for name in files:
            if name.endswith((".o", ".a", ".d", ".so", ".dwo", ".lo")) or ".so." in name:
                full = os.path.join(base, name)
                if not os.path.islink(full):
                    with open(full, "rb") as f:
                        data = f.read()
                    # zstd names its object folder by a hash of its flags, CC among them.
                    path = re.sub(r"conf_[0-9a-f]{32}", "conf", os.path.relpath(full, build))
                    found[path] = re.sub(rb"conf_[0-9a-f]{32}", b"conf", data) if name.endswith(".d") else data
    return found


class Project:
    def __init__(self, t, name, compiler):
        self.t, self.name, self.compiler = t, name, compiler
        self.spec = PROJECTS[name]
        self.cc, self.cxx = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}[compiler]
        self.source = t.path("project")
        try:
            projects.copy(self.spec["package"], self.source)
        except (RuntimeError, OSError) as e:
            raise Skip(str(e))

    def build(self, launcher, env):
        """One build from nothing in the same place; returns its outputs and the seconds it took."""
        t, spec = self.t, self.spec
        started = time.time()
        if spec["kind"] == "cmake":
            build = t.path("build")
            shutil.rmtree(build, ignore_errors=True)
            options = spec.get("slow_options", spec["options"]) if t.slow else spec["options"]
            launch = [f"-DCMAKE_{lang}_COMPILER_LAUNCHER={launcher}" for lang in ("C", "CXX")] if launcher else []
            t.run(["cmake", "-G", "Ninja", "-S", self.source, "-B", build, "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                   f"-DCMAKE_C_COMPILER={self.cc}", f"-DCMAKE_CXX_COMPILER={self.cxx}", *launch, *options], env=env)
            before = t.stats(env) if launcher else None
            t.run(["ninja", "-C", build, *spec["whole" if t.slow else "quick"]], env=env, timeout=3000)
            made = outputs(build)
        else:
            before = t.stats(env) if launcher else None
            cc = f"{launcher} {self.cc}" if launcher else self.cc
            if spec["kind"] == "redis":
                directory = os.path.join(self.source, "deps/lua/src") if not t.slow else os.path.join(self.source, "src")
                if t.slow:
                    t.run(["make", "-C", self.source, "distclean"], env=env, ok=False)
                    t.run(["make", "-C", self.source, "-j2", f"CC={cc}", "MALLOC=libc", "BUILD_TLS=no", "USE_SYSTEMD=no", "USE_SYSTEM_JEMALLOC=no",
                           "USE_SYSTEM_LUA=no", "USE_SYSTEM_HIREDIS=no", "USE_SYSTEM_LZF=no", "V=1"], env=env, timeout=3000)
                else:
                    t.run(["make", "-C", directory, "clean"], env=env)
                    t.run(["make", "-C", directory, "-j2", "liblua.a", f"CC={cc}", "AR=ar rcu", "MYCFLAGS=-DLUA_ANSI -g"], env=env)
                made = outputs(self.source)
            else:
                directory = os.path.join(self.source, spec["directory"])
                t.run(["make", "-C", directory, "clean"], env=env)
                t.run(["make", "-C", directory, "-j2", spec["whole" if t.slow else "quick"], f"CC={cc}"], env=env, timeout=3000)
                made = outputs(directory)
        return made, time.time() - started, before


def differing(a, b):
    return sorted(p for p in {*a, *b} if a.get(p) != b.get(p))


def three_builds(t, name, compiler, env):
    project = Project(t, name, compiler)
    plain, plain_s, _ = project.build(None, env)
    check(any(p.endswith(".o") for p in plain), "the plain build made no object")
    cold, cold_s, before = project.build(t.hpcc_bin, env)
    check(not differing(plain, cold), "first build differs:", differing(plain, cold)[:5])
    t.settle()
    middle = t.stats(env)
    warm, warm_s, start = project.build(t.hpcc_bin, env)
    check(not differing(plain, warm), "second build differs:", differing(plain, warm)[:5])
    end = t.stats(env)
    moved = {k: end["counters"][k] - start["counters"][k] for k in ("local_hit", "local_compiled", "bypass", "error")}
    reasons = {k: v - start["bypass_reasons"].get(k, 0) for k, v in end["bypass_reasons"].items()
               if v != start["bypass_reasons"].get(k, 0)}
    not_compiles = sum(reasons.get(r, 0) for r in ("link", "preprocess", "no_source", "stdin"))
    bypassed = moved["bypass"] - not_compiles
    # Redis's makefile writes foo.c and compiles it at once, to try an option: an input of the last tick is not stored.
    fresh = reasons.get("input_changed", 0) if name == "redis" and t.slow else 0
    steps = moved["local_hit"] + moved["local_compiled"] + bypassed
    note = (f"{moved['local_hit']} hits of {steps} -c steps, bypassed {bypassed} {reasons}; "
            f"plain {plain_s:.1f} s, cold {cold_s:.1f} s, warm {warm_s:.1f} s")
    check(moved["error"] == 0, note)
    check(moved["local_compiled"] == fresh <= 4, "second build compiled", note)
    check(bypassed <= 0.01 * steps, "too many bypasses:", note)
    check(moved["local_hit"] > 0, note)
    return note


def add(name, compiler, daemon, slow):
    def body(t):
        return three_builds(t, name, compiler, {} if daemon else {"HPCC_DAEMON": "0"})
    body.__name__ = f"{name}_with_{compiler}_{'through_the_daemon' if daemon else 'without_a_daemon'}_is_identical_and_then_all_hits"
    test(body, slow=slow)


for _name in PROJECTS:
    for _compiler in ("gcc", "clang"):
        for _daemon in (True, False):
            # CI: each project once, both compilers and both modes among them.
            quick = (_name, _compiler, _daemon) in {("zstd", "gcc", True), ("zstd", "clang", False), ("leveldb", "clang", True),
                                                    ("fmt", "gcc", False), ("redis", "gcc", True)}
            add(_name, _compiler, _daemon, slow=not quick)


@test
def a_second_checkout_of_a_cmake_project_hits_without_configuration(t):
    """Release build, as CMake writes it: absolute names, no debug information."""
    project = Project(t, "leveldb", "gcc")
    second = t.path("elsewhere", "project")
    shutil.copytree(project.source, second, symlinks=True)
    moved = []
    for source in (project.source, second):
        build = source + "-build"
        t.run(["cmake", "-G", "Ninja", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_COMPILER=g++",
               f"-DCMAKE_CXX_COMPILER_LAUNCHER={t.hpcc_bin}", "-DLEVELDB_BUILD_TESTS=OFF", "-DLEVELDB_BUILD_BENCHMARKS=OFF"])
        t.settle()
        before = t.counters()
        t.run(["ninja", "-C", build, "libleveldb.a"], timeout=600)
        after = t.counters()
        moved.append((after["local_hit"] - before["local_hit"], after["local_compiled"] - before["local_compiled"]))
    hits, compiled = moved[1]
    check(hits > 0, "no file crossed:", moved)
    plain = t.path("plain")
    t.run(["cmake", "-G", "Ninja", "-S", second, "-B", plain, "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_COMPILER=g++", "-DLEVELDB_BUILD_TESTS=OFF",
           "-DLEVELDB_BUILD_BENCHMARKS=OFF"])
    t.run(["ninja", "-C", plain, "libleveldb.a"], timeout=600)
    a, b = outputs(plain), outputs(second + "-build")
    check(not [p for p in differing(a, b) if not p.endswith(".d")], differing(a, b)[:5])
    return f"{hits} of {hits + compiled} crossed"
