"""Projects whose .hpcc names an image, on a machine without a worker: the image's own compiler, or what .hpcc allows."""
import glob
import hashlib
import json
import os
import subprocess
import tempfile
import time

from harness import Skip, check, test

IMAGE = "ab" * 32


def link_tree(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if subprocess.run(["cp", "-al", source, target], capture_output=True).returncode:
        subprocess.run(["cp", "-a", source, target], check=True)


def make_image(t):
    """This machine's own toolchain as an image: what runs in it must still be told apart by where it ran."""
    if not os.path.exists("/usr/bin/bwrap"):
        raise Skip("bubblewrap is not installed")
    tree = os.path.join(t.hpcc_dir, "up/images", IMAGE, "tree")
    libs = "/usr/lib/x86_64-linux-gnu"
    for path in ["/usr/lib/gcc", "/usr/include", *glob.glob("/usr/bin/*g++*"), *glob.glob("/usr/bin/*gcc*"), *glob.glob("/usr/bin/*-ld*"),
                 *glob.glob("/usr/bin/*-as"), "/usr/bin/as", "/usr/bin/ld", *glob.glob("/usr/bin/ld.*"), "/usr/bin/x86_64-linux-gnu-as",
                 *glob.glob(f"{libs}/*.so*"), *glob.glob(f"{libs}/*.o"), *glob.glob(f"{libs}/*.a"), "/usr/lib64"]:
        if os.path.lexists(path) and not os.path.lexists(tree + path):
            link_tree(path, tree + path)
    for name in ["bin", "lib", "lib64"]:
        os.symlink("usr/" + name, f"{tree}/{name}")
    os.makedirs(f"{tree}/etc")
    open(f"{tree}/etc/marker", "w").close()
    return tree


def project(t, extra=""):
    tree = make_image(t)
    t.write(".hpcc", f'image = "sha256:{IMAGE}"\n{extra}')
    t.write("inc/h.h", "#pragma once\n#define N 3\n")
    t.write("src/a.c", '#include <stdio.h>\n#include "h.h"\nconst char* where(void) { return __FILE__; }\nint n = N;\n')
    return tree


def in_chroot(t, tree, argv):
    """The same command in a chroot of the image with the project at /hpcc/w."""
    words = ["bwrap", "--unshare-all", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--clearenv"]
    for name in sorted(os.listdir(tree)):
        path = os.path.join(tree, name)
        words += ["--symlink", os.readlink(path), "/" + name] if os.path.islink(path) else ["--ro-bind", path, "/" + name]
    return t.run([*words, "--bind", t.dir, "/hpcc/w", "--chdir", "/hpcc/w", *argv])


def local_rows(t):
    """The client's own rows, by the names of their columns."""
    with open(os.path.join(t.hpcc_dir, "up/local.tsv")) as f:
        lines = [line.rstrip("\n").split("\t") for line in f]
    return [dict(zip(lines[0][1:], line)) for line in lines[1:]]


@test
def without_a_worker_the_images_compiler_compiles_here(t):
    tree = project(t)
    flags = "-O2 -g -Iinc -c".split()
    t.hpcc(["gcc", *flags, t.path("src/src/a.c"), "-o", "hpcc.o"], env={"PATH": "/nowhere"})
    in_chroot(t, tree, ["/usr/bin/gcc", "-frandom-seed=src/a.c", "-Werror=date-time", *flags, "/hpcc/w/src/a.c", "-o", "plain.o"])
    check(t.read("hpcc.o") == t.read("plain.o"), "objects differ")
    check(b"/hpcc/w/src/a.c" in t.read("hpcc.o") and t.top.encode() not in t.read("hpcc.o"), "the object holds this machine's path")
    stats = t.stats()
    check(stats["counters"]["fallback_image"] == 1, stats)
    rows = local_rows(t)
    check(len(rows) == 1 and rows[0]["driver"] == "namespace" and rows[0]["name"] == "/hpcc/w/src/a.c", rows)
    check(b"no_worker" in t.hpcc("explain hpcc.o").stdout, t.hpcc("explain hpcc.o").stdout)


def digest_of(t, path):
    return hashlib.sha256(t.read(path)).hexdigest()


@test
def a_row_says_what_was_compiled_here_and_what_came_out(t):
    project(t)
    t.hpcc(["gcc", "-Iinc", "-DAPI_TOKEN=hunter2", "-MD", "-c", "src/a.c", "-o", "a.o"])
    row = local_rows(t)[-1]
    check(row["object_digest"] == digest_of(t, "a.o") and row["exit"] == "0" and row["disposition"] == "fallback", row)
    check(len(row["output_digest"]) == len(row["action_digest"]) == len(row["source_digest"]) == len(row["stdio_digest"]) == 64, row)
    check("src/a.c" in row["flags"] and "hunter2" not in row["flags"] and row["replayable"] == "no:local", row)
    said = t.hpcc("inspect a.o").stdout.decode()
    check("no: asserted by the client" in said and "no: no worker ran it" in said, said)
    t.write("bad.c", "int f(void) { return undeclared; }\n")
    t.hpcc("gcc -c bad.c -o bad.o", ok=False)
    row = local_rows(t)[-1]
    check(row["exit"] == "1" and row["object_digest"] == "-" and row["name"] == "/hpcc/w/bad.c", row)
    done = t.hpcc(["audit", "verify", os.path.join(t.hpcc_dir, "up/local.tsv"), "--key", "00" * 32], ok=False)
    check(done.returncode == 1 and b"no row is signed" in done.stdout and b"WRONG" not in done.stdout, done)


@test
def a_link_is_recorded_and_does_not_hide_the_compiles_of_its_objects(t):
    project(t)
    t.write("m.c", "int main(void) { return 0; }\n")
    t.hpcc("gcc -c m.c -o m.o")
    before = t.hpcc("explain m.o").stdout
    t.hpcc("gcc m.o -o m")
    check(t.hpcc("explain m.o").stdout == before and b"bypass" not in before, before)
    said = t.hpcc("explain m").stdout.decode()
    check(f"input {digest_of(t, 'm.o')} {t.path('src/m.o')}" in said and f"output {digest_of(t, 'm')}" in said, said)
    check(t.counters()["links_recorded"] == 1, t.counters())
    row = local_rows(t)[-1]
    check(row["object_digest"] == digest_of(t, "m") and row["disposition"] == "bypass", row)


@test
def a_compiler_that_the_image_lacks_is_named(t):
    project(t)
    done = t.hpcc("gcc-1 -c src/a.c -Iinc -o a.o", ok=False)
    check(done.returncode != 0 and done.stderr.decode() == f"hpcc: gcc-1 is not in image sha256:{IMAGE}\n", done)


@test
def no_fallback_also_stops_a_compile_that_links_at_once(t):
    project(t, 'fallback = "none"\n')
    t.write("m.c", "int main(void) { return 0; }\n")
    done = t.hpcc("gcc m.c -o m", ok=False)
    check(done.returncode == 1 and not t.exists("m") and b"links in one command" in done.stderr, done)
    check(t.counters()["error"] == 1, t.counters())
    check(b"gcc" in t.hpcc("gcc --version").stdout)


@test
def messages_and_dependency_files_name_the_users_paths(t):
    project(t)
    t.write("bad.c", '#include "h.h"\nint f(void) { return undeclared; }\n')
    done = t.hpcc(["gcc", "-I", t.path("src/inc"), "-c", t.path("src/bad.c"), "-o", "bad.o"], ok=False)
    check(done.returncode == 1 and t.path("src/bad.c").encode() + b":2" in done.stderr and b"/hpcc/w" not in done.stderr, done.stderr)
    t.hpcc(["gcc", "-I", t.path("src/inc"), "-MD", "-c", t.path("src/src/a.c"), "-o", "a.o"])
    dep = t.read("a.d").decode()
    check(t.path("src/inc/h.h") in dep and "/hpcc/w" not in dep and dep.startswith("a.o:"), dep)
    for word in dep.replace("\\\n", " ").split()[1:]:
        check(os.path.exists(word), "make would stop for want of", word)


@test
def a_project_without_image_and_worker_does_not_silently_use_the_host(t):
    t.write(".hpcc", f'image = "sha256:{IMAGE}"\n')
    t.write("a.c", "int a;\n")
    done = t.hpcc("gcc -c a.c -o a.o", ok=False)
    check(done.returncode == 1 and not t.exists("a.o") and b"hpcc image add" in done.stderr, done.stderr)
    t.write(".hpcc", f'image = "sha256:{IMAGE}"\nfallback = "host"\n')
    t.hpcc("gcc -c a.c -o a.o")
    check(t.exists("a.o"))
    check(t.counters()["fallback_host"] == 1, t.counters())
    row = local_rows(t)[-1]
    check(row["driver"] == "host" and row["object_digest"] == digest_of(t, "a.o") and row["exit"] == "0" and "a.c" in row["flags"], row)
    check("/hpcc/w/a.c" in t.hpcc("stats").stdout.decode(), "stats names every object of the host's compiler")
    time.sleep(1.1)  # the counters' time has whole seconds
    t.hpcc("-z")
    check("/hpcc/w/a.c" not in t.hpcc("stats").stdout.decode(), "since the counters were zero there was none")


@test
def the_time_is_an_error_unless_it_is_allowed_or_fixed(t):
    project(t)
    t.write("d.c", "const char* d = __DATE__;\n")
    done = t.hpcc("gcc -c d.c -o d.o", ok=False)
    check(done.returncode == 1 and b"SOURCE_DATE_EPOCH" in done.stderr, done.stderr)
    t.hpcc("gcc -c d.c -o d.o", env={"SOURCE_DATE_EPOCH": "1"})
    check(b"Jan  1 1970" in t.read("d.o"))
    t.write(".hpcc", f'image = "sha256:{IMAGE}"\ndate_time = "allow"\n')
    t.hpcc("gcc -c d.c -o d.o")


@test
def links_and_queries_run_in_the_image_too(t):
    project(t)
    t.write("m.c", "int main(void) { return 0; }\n")
    t.hpcc("gcc -c m.c -o m.o", env={"PATH": "/nowhere"})
    t.hpcc("gcc m.o -o m", env={"PATH": "/nowhere"})
    t.run([t.path("src/m")])
    check(b"gcc" in t.hpcc("gcc --version", env={"PATH": "/nowhere"}).stdout)
    check(t.stats()["bypass_reasons"].get("link") == 1, t.stats())


# A compiler's driver that looks around first, then compiles.
NOSY = """#!/bin/sh
read -r stat < /proc/self/stat
set_words() { session=$6; }
set_words $stat
echo "session $session" >&2
while read -r name value; do
  [ "$name" = CapEff: ] && echo "rights $value" >&2
done < /proc/self/status
for f in /tmp/*; do echo "sees $f" >&2; done
while read -r line; do echo "reads $line" >&2; done
for f in .git/hooks/post-commit .git/config sub/.git .hpcc sub/plain; do
  (echo x >> "PROJECT/$f") 2> /dev/null && echo "writes $f" >&2
done
exec /usr/bin/gcc "$@"
"""


def nosy(t):
    tree = project(t)
    link_tree("/usr/bin/dash", f"{tree}/usr/bin/sh")
    path = f"{tree}/usr/bin/nosy-gcc"
    with open(path, "w") as f:
        f.write(NOSY.replace("PROJECT", t.dir))
    os.chmod(path, 0o755)
    t.write("m.c", "int main(void) { return 0; }\n")
    t.write(".git/hooks/pre-commit", "")
    t.write(".git/config", "")
    t.write("sub/.git", "gitdir: ../.git/modules/sub\n")
    with open(t.path("typed"), "w") as f:
        f.write("typed by the user\n")


def words_of(done):
    return done.stderr.decode().splitlines()


@test
def the_images_programs_see_no_terminal_nor_tmp_and_cannot_plant_hooks(t):
    nosy(t)
    with open(t.path("typed")) as typed:
        said = words_of(t.hpcc(["nosy-gcc", "../m.c", "-o", "m"], cwd=t.path("src/sub"), stdin=typed))
    check("session 1" in said, "in the terminal's session", said)
    check("rights 0000000000000000" in said, said)
    # Of /tmp only the directories that lead to the project.
    check([w for w in said if w.startswith("sees")] == ["sees /tmp/" + t.dir.split("/")[2]], "files of /tmp", said)
    check(not [w for w in said if w.startswith("reads")], said)
    check([w for w in said if w.startswith("writes")] == ["writes sub/plain"], said)
    with open(t.path("typed")) as typed:
        said = words_of(t.hpcc(["nosy-gcc", "-x", "c", "-", "-o", "m"], stdin=typed, ok=False))
    check("reads typed by the user" in said, "a source of - has its input", said)
    check([w for w in said if w.startswith("writes")] == ["writes sub/.git", "writes sub/plain"], said)


@test
def what_runs_here_as_it_was_given_names_the_users_paths(t):
    tree = project(t)
    r = t.dir
    # Rules for make: a second one finds every prerequisite.
    t.write("Makefile", f"a.o: {r}/src/a.c\n\t{t.hpcc_bin} gcc -MMD -MP -save-temps=obj -Iinc -c $< -o $@\n-include a.d\n")
    for _ in range(2):
        t.run("make a.o")
    check(b"/hpcc/w" not in t.read("a.d") and f"{r}/src/a.c".encode() in t.read("a.d"), t.read("a.d"))
    t.hpcc(["gcc", "-MM", f"-I{r}/inc", f"{r}/src/a.c", "-MF", "mm.d"])
    check(t.read("mm.d").split() == [b"a.o:", f"{r}/src/a.c".encode(), b"\\", f"{r}/inc/h.h".encode()], t.read("mm.d"))
    # The object names them as every other place does.
    t.hpcc("gcc -O2 -g -Iinc -save-temps=obj -c src/a.c -o here.o")
    in_chroot(t, tree, "/usr/bin/gcc -O2 -g -Iinc -save-temps=obj -c src/a.c -o here.o".split())
    there = t.read("here.o")
    t.hpcc("gcc -O2 -g -Iinc -save-temps=obj -c src/a.c -o here.o")
    check(t.read("here.o") == there, "the object is not that of a chroot")
    # A program finds its library where it was linked.
    os.mkdir(t.path("src/lib"))
    t.write("lib.c", "int lib(void) { return 0; }\n")
    t.write("m.c", "int lib(void);\nint main(void) { return lib(); }\n")
    t.hpcc("gcc -fPIC -shared lib.c -o lib/libx.so")
    t.hpcc(["gcc", "m.c", "-o", "m", f"-L{r}/lib", "-lx", f"-Wl,-rpath,{r}/lib"])
    t.run([t.path("src/m")])
    os.unlink(t.path("src/m"))
    t.hpcc("gcc m.c -o m -lx", env={"LIBRARY_PATH": r + "/lib", "LD_RUN_PATH": r + "/lib"})
    t.run([t.path("src/m")])
    t.hpcc("gcc -c lib.c -o lib.o", env={"DEPENDENCIES_OUTPUT": "deps lib.o"})
    check(t.read("deps").startswith(b"lib.o: lib.c"), t.read("deps"))


@test
def sources_that_include_by_absolute_paths_compile(t):
    """As CMake's unity builds do; whatever keeps the command from a worker."""
    tree = project(t)
    with open(f"{tree}/usr/include/only_in_the_image.h", "w"):
        pass
    root = t.path("src")
    t.write("part.c", "#include <only_in_the_image.h>\nconst char* part(void) { return __FILE__; }\n")
    t.write("unity.c", f'#include "{root}/part.c"\n')
    t.write("pasted.c", "#define TEXT(x) #x\n#define NAME(x) TEXT(x/part.c)\n#include NAME(HERE)\n")
    os.symlink("b.o", t.path("src/link.o"))
    for source in ("unity.c", "pasted.c"):
        for more in (["-o", "a.o"], ["-march=native", "-o", "a.o"], ["-o", "link.o"]):
            t.hpcc(["gcc", "-g", "-O2", "-MD", "-MF", "a.d", "-c", source, f"-DHERE={root}", *more])
            dep = t.read("a.d")
            check(f"{root}/part.c".encode() in dep and b"only_in_the_image" not in dep, dep)
    t.hpcc(["gcc", "-g", "-O2", "-c", "unity.c", "-o", "a.o"])
    there = t.read("a.o")
    check(b"/hpcc/w/part.c" in there and t.dir.encode() not in there, "the object names this checkout")
    said = t.hpcc("explain a.o").stdout
    check(b"absolute_include" in said and f"{root}/part.c".encode() in said, said)
    # By another name of the same directory.
    alias = os.path.join(os.path.dirname(t.dir), "alias")
    os.symlink(t.dir, alias)
    t.hpcc(["gcc", "-c", "pasted.c", f"-DHERE={alias}", "-o", "a.o"], cwd=alias, env={"PWD": alias})
    # A slash at its end makes no other name.
    t.hpcc(["gcc", "-g", "-c", "unity.c", "-o", "a.o"], cwd=root, env={"PWD": root + "/"})
    check(b"/hpcc/w/part.c" in t.read("a.o"), "a wrong prefix was mapped")


@test
def root_builds_in_the_checkout_of_another(t):
    if os.geteuid() != 0:
        raise Skip("needs root")
    project(t)
    t.write("m.c", "int main(void) { return 0; }\n")
    os.chmod(t.path("src/m.c"), 0o600)
    t.run(["chown", "-R", "1000:1000", t.dir])
    t.hpcc("gcc -c m.c -o m.o")
    t.hpcc("gcc m.o -o m")
    t.run([t.path("src/m")])
    check(os.stat(t.path("src/m.o")).st_uid == 0 and os.stat(t.path("src/m")).st_uid == 0, "as without hpcc")


@test
def outputs_and_sources_in_tmp_work_in_the_image(t):
    project(t)
    t.write("m.c", "int main(void) { return 0; }\n")
    with tempfile.TemporaryDirectory(dir="/tmp") as probe, tempfile.NamedTemporaryFile(dir="/tmp", suffix=".c") as lone:
        os.makedirs(f"{probe}/inc/deep")
        os.makedirs(f"{probe}/out")
        with open(f"{probe}/conftest.c", "w") as f:
            f.write('#include "v.h"\nint main(void) { return V; }\n')
        with open(f"{probe}/inc/deep/v.h", "w") as f:
            f.write("#define V 0\n")
        t.hpcc(["gcc", f"-I{probe}/inc/deep", f"{probe}/conftest.c", "-o", f"{probe}/out/conftest"])
        t.run([f"{probe}/out/conftest"])
        t.hpcc(["gcc", f"-I{probe}/inc/deep", "-c", f"{probe}/conftest.c", "-o", f"{probe}/out/conftest.o"])
        check(os.path.getsize(f"{probe}/out/conftest.o") > 0)
        # Directly in /tmp: a source, and outputs that are not there yet.
        lone.write(b"int main(void) { return 0; }\n")
        lone.flush()
        program = f"{probe}-program"
        try:
            t.hpcc(["gcc", lone.name, "-o", program])
            t.run([program])
            t.hpcc(["gcc", "m.c", "-o", program])
            t.run([program])
            t.hpcc(["gcc", "-c", "m.c", "-o", program])
            check(t.hpcc(["gcc", lone.name, "-lnowhere", "-o", program + "2"], ok=False).returncode == 1)
            check(not os.path.exists(program + "2"), "an output of a failed link is left")
        finally:
            for path in (program, program + "2"):
                if os.path.exists(path):
                    os.unlink(path)
