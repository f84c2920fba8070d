"""Projects made to make the include scan, or a guest of plain files and directories, see something else than the compiler
would: each object is that of the same command in a chroot of the image."""
import os

import image
import test_remote
from harness import check, test


def start(t):
    test_remote.up(t)
    t.write(".hpcc", f'image = "{t.digest}"\n')


def same(t, argv, cwd="", env=None):
    """Compiles twice through hpcc, the second time perhaps as a hit, and in the chroot."""
    where = os.path.normpath(os.path.join(t.dir, cwd))
    made = []
    for _ in range(2):
        t.settle()
        t.hpcc([*argv, "-o", "hpcc.o"], cwd=where, env=env, timeout=300)
        with open(os.path.join(where, "hpcc.o"), "rb") as f:
            made.append(f.read())
    image.in_chroot(t, [*[word.replace(t.dir, "/hpcc/w") for word in argv], "-o", "plain.o"], cwd=where)
    with open(os.path.join(where, "plain.o"), "rb") as f:
        plain = f.read()
    said = t.hpcc(["explain", "hpcc.o"], cwd=where).stdout
    check(made == [plain, plain], argv, "differs", [m == plain for m in made], said)


@test
def dot_dot_behind_a_link_leads_where_the_link_leads(t):
    start(t)
    t.write("inc/v.h", "int v = 1;\n")
    t.write("other/inc/v.h", "int v = 2;\n")
    t.write("other/deep/x", "")
    t.write("s.c", "int s = 1;\n")
    t.write("other/s.c", "int s = 2;\n")
    t.write("v.h", "int v = 3;\n")
    t.write("other/v.h", "int v = 4;\n")
    os.symlink("other/deep", t.path("src/link"))
    t.write("a.c", "#include <v.h>\n")
    t.write("c.c", "#define S(x) <x/../v.h>\n#include S(link)\n")
    same(t, ["gcc", f"-I{t.dir}/link/../inc", "-c", "a.c"])
    same(t, ["gcc", "-Ilink/../inc", "-c", "a.c"])
    same(t, ["gcc", "-c", f"{t.dir}/link/../s.c"])
    same(t, ["gcc", "-I.", "-c", "c.c"])


@test
def two_names_of_one_directory_are_one(t):
    start(t)
    t.write("a/x.h", "#if __has_include_next(<x.h>)\nint again = 1;\n#else\nint again = 0;\n#endif\n")
    os.symlink("a", t.path("src/b"))
    t.write("m.c", "#include <x.h>\n")
    same(t, ["gcc", "-Ia", "-Ib", "-c", "m.c"])
    same(t, ["clang", "-Ia", "-Ib", "-c", "m.c"])


@test
def clang_calls_two_names_of_one_file_by_one(t):
    start(t)
    t.write("x.h", "int VAR(void);\nint VAR(void) { int q = 3; return q; }\n")
    t.write("l.c", '#define VAR a1\n#include "x.h"\n#undef VAR\n#define VAR a2\n#include "y.h"\n')
    os.symlink("x.h", t.path("src/y.h"))
    same(t, ["clang", "-g", "-c", "l.c"])
    same(t, ["gcc", "-frandom-seed=l.c", "-g", "-c", "l.c"])  # the option is in the object
    os.unlink(t.path("src/y.h"))
    t.write("y.h", t.read("x.h").decode())
    same(t, ["clang", "-g", "-c", "l.c"])
    os.unlink(t.path("src/y.h"))
    os.link(t.path("src/x.h"), t.path("src/y.h"))
    same(t, ["clang", "-g", "-c", "l.c"])


@test
def the_time_of_a_file_is_that_of_the_users(t):
    start(t)
    t.write("sys/s.h", "static const char* header = __TIMESTAMP__;\n")
    t.write("t.c", "#include <s.h>\nconst char* when = __TIMESTAMP__;\nconst char* more(void) { return header; }\n")
    for name in ("sys/s.h", "t.c"):
        os.utime(t.path("src/" + name), (1483228800, 1483228800))
    for compiler in ("gcc", "clang"):
        same(t, [compiler, "-isystem", "sys", "-w", "-c", "t.c"])
    t.write("t.c", "#include <s.h>\nconst char* more(void) { return header; }\n")
    same(t, ["gcc", "-isystem", "sys", "-c", "t.c"])


@test
def an_output_may_leave_a_directory_that_nothing_else_needs(t):
    start(t)
    t.write("obj/keep", "")
    t.write("a.c", "int a;\n")
    for compiler in ("gcc", "clang"):
        argv = [compiler, "-MD", "-MF", "obj/../deps.d", "-c", "a.c", "-o", "a.o"]
        check(test_remote.compiled(t, argv) == {"remote_compiled"}, compiler, t.hpcc("explain a.o").stdout)
        check(t.read("deps.d").startswith(b"a.o: a.c"), t.read("deps.d"))


@test
def a_pwd_of_another_tree_is_not_believed(t):
    start(t)
    t.write("inc/h.h", "int h = 1;\n")
    t.write("sub/a.c", "#include <h.h>\n")
    other = t.path("elsewhere")
    os.makedirs(other + "/inc")
    with open(other + "/inc/h.h", "w") as f:
        f.write("int h = 2;\n")
    os.symlink(t.path("src/sub"), other + "/sub")
    # The directory lies outside of the project: in the image it is not there.
    done = t.hpcc(["gcc", f"-I{other}/inc", "-c", "a.c", "-o", "a.o"], cwd=other + "/sub", env={"PWD": other + "/sub"}, ok=False, timeout=300)
    check(done.returncode != 0 and not t.exists("sub/a.o"), done.stderr)


@test
def a_directory_that_was_asked_for_and_goes_is_missed(t):
    start(t)
    t.write("a.c", "#define P(x) <x>\n#define S(x) P(x/../v.h)\n#if __has_include(S(foo))\nint n = 1;\n#else\nint n = 2;\n#endif\n")
    t.write("v.h", "\n")
    os.mkdir(t.path("src/foo"))
    same(t, ["gcc", "-I.", "-c", "a.c"])
    os.rmdir(t.path("src/foo"))
    same(t, ["gcc", "-I.", "-c", "a.c"])


@test
def equal_headers_are_read_once_or_twice_as_the_compiler_has_it(t):
    start(t)
    t.write("a/h.h", '_Pragma("once")\nint one_more(void);\n')
    t.write("b/h.h", '_Pragma("once")\nint one_more(void);\n')
    t.write("p.c", '#include "a/h.h"\n#include "b/h.h"\nint c = __COUNTER__;\n')
    same(t, ["gcc", "-Wredundant-decls", "-c", "p.c"])
    t.write("a/i.h", "enum { JOIN(e, __COUNTER__) };\n")
    t.write("b/i.h", "enum { JOIN(e, __COUNTER__) };\n")
    t.write("i.c", '#define JOIN2(a, b) a##b\n#define JOIN(a, b) JOIN2(a, b)\n#import "a/i.h"\n#import "b/i.h"\nint c = __COUNTER__;\n')
    same(t, ["gcc", "-c", "i.c"])


@test
def a_compile_that_asks_for_its_own_output_is_not_taken(t):
    start(t)
    t.write("a.c", "#define P(x) #x\n#define S(x) P(x.d)\n#if __has_include(S(a))\nint n = 1;\n#else\nint n = 2;\n#endif\n")
    t.write("a.d", "\n")
    for compiler in ("gcc", "clang"):
        t.write("a.d", "\n")
        t.hpcc([compiler, "-MD", "-MF", "a.d", "-c", "a.c", "-o", "hpcc.o"], timeout=300)
        made = t.read("hpcc.o")
        t.write("a.d", "\n")
        image.in_chroot(t, [compiler, "-MD", "-MF", "a.d", "-c", "a.c", "-o", "plain.o"])
        check(made == t.read("plain.o"), compiler, "differs")


@test
def an_ordinary_rebuild_over_old_outputs_goes_to_the_worker(t):
    start(t)
    t.write("h.h", "#pragma once\n#define N 1\n")
    for i, compiler in enumerate(("gcc", "clang", "gcc", "clang")):
        t.write("a.c", f'#include "h.h"\nint n = N + {i};\n')
        t.settle()
        argv = [compiler, "-MMD", "-c", "a.c", "-o", "a.o"]
        check(test_remote.compiled(t, argv) == {"remote_compiled"}, compiler, t.hpcc("explain a.o").stdout)


@test
def a_project_file_that_cannot_be_used_compiles_nothing(t):
    t.write("a.c", "int n;\n")
    for text in ('image = "sha256:22"\n', "image = sha256:22\n", 'imge = "x"\n', 'fallback = "nothing"\n'):
        t.write(".hpcc", text)
        done = t.hpcc("gcc -c a.c -o a.o", ok=False)
        check(done.returncode == 1 and b".hpcc" in done.stderr and not t.exists("a.o"), text, done.returncode, done.stderr)
    check(t.stats()["bypass_reasons"].get("bad_project_file") == 4, t.stats())


@test
def without_an_engine_an_image_project_is_not_compiled_by_this_machine(t):
    t.write("a.c", "int n;\n")
    digest = "ab" * 32
    t.write(".hpcc", f'image = "sha256:{digest}"\nfallback = "none"\n')
    nowhere = {"HPCC_DIR": "/proc/nope", "HOME": "/proc/nope"}
    done = t.hpcc("gcc -c a.c -o a.o", env=nowhere, ok=False)
    check(done.returncode == 125 and b".hpcc names the image" in done.stderr and not t.exists("a.o"), done.returncode, done.stderr)
    t.hpcc("gcc -c a.c -o a.o", env={**nowhere, "HPCC_DISABLE": "1"})
    check(t.exists("a.o"), "HPCC_DISABLE did not help")
    t.write(".hpcc", f'image = "sha256:{digest}"\nfallback = "host"\n')
    t.hpcc("gcc -c a.c -o b.o", env=nowhere)
    check(t.exists("b.o"), "fallback did not help")
