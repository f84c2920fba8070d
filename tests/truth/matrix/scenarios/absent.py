"""Files that were not there: a path that was looked for and is absent is an input, too."""
from scenario import *

S = scenarios("absent")
PROBE = '#if __has_include("opt.h")\nint has = 1;\n#else\nint has = 0;\n#endif\n'
TWO = {"a.c": '#include "x.h"\nint v = X;\n', "one/keep": "", "two/x.h": "#define X 2\n"}

S("__has_include: the header appears", {"a.c": PROBE}, change=write("opt.h", ""), expect=MISS)
S("__has_include: the header disappears", {"a.c": PROBE, "opt.h": ""}, change=remove("opt.h"), expect=MISS)
S("__has_include: appears and goes again", {"a.c": PROBE}, change=(write("opt.h", ""), remove("opt.h")))
S("__has_include <> in an -I directory", {"a.c": PROBE.replace('"opt.h"', "<opt.h>"), "inc/x": ""}, "CC -Iinc -c a.c -o a.o",
  change=write("inc/opt.h", ""), expect=MISS)
S("__has_include in a subdirectory that is not there", {"a.c": PROBE.replace("opt.h", "sub/opt.h")},
  change=write("sub/opt.h", ""), expect=MISS)
S("__has_include in an -I directory that is not there", {"a.c": PROBE}, "CC -Inone -c a.c -o a.o",
  change=write("none/opt.h", ""), expect=MISS)
S("__has_include by macro", {"a.c": '#define H "opt.h"\n#if __has_include(H)\nint has = 1;\n#else\nint has = 0;\n#endif\n'},
  change=write("opt.h", ""), expect=MISS)
S("__has_include in a header", {"a.c": '#include "a.h"\n', "a.h": PROBE}, change=write("opt.h", ""), expect=MISS)
S("__has_include beside a header elsewhere", {"a.c": '#include "d/a.h"\n', "d/a.h": PROBE}, change=write("d/opt.h", ""), expect=MISS)
S("__has_include of a name that becomes a directory", {"a.c": PROBE}, change=mkdir("opt.h"), expect=MISS, lost="a probe or an identity that turned out not to matter")
S("__has_include through a dangling link", {"a.c": PROBE}, setup=symlink("real.h", "opt.h"), change=write("real.h", ""), expect=MISS, explain=("real.h", "opt.h"))
S("__has_include: link target goes", {"a.c": PROBE, "real.h": ""}, setup=symlink("real.h", "opt.h"), change=remove("real.h"), expect=MISS, explain=("real.h", "opt.h"))
S("__has_include of an absolute path", {"a.c": '#if __has_include("@W@/z/opt.h")\nint has = 1;\n#else\nint has = 0;\n#endif\n'},
  change=write("z/opt.h", ""), expect=MISS)
S("__has_include with ..", {"s/a.c": PROBE.replace("opt.h", "../opt.h")}, "CC -c s/a.c -o a.o", change=write("opt.h", ""), expect=MISS)
S("__has_include_next", {"a.c": "#include <p.h>\n", "one/p.h": "#if __has_include_next(<p.h>)\nint n = 1;\n#else\nint n = 0;\n#endif\n",
                         "two/keep": ""}, "CC -Ione -Itwo -c a.c -o a.o", change=write("two/p.h", ""), expect=MISS)
S("#include_next finds an earlier one", {"a.c": "#include <p.h>\n", "one/p.h": "#include_next <p.h>\n", "two/keep": "",
                                         "three/p.h": "int n = 3;\n"}, "CC -Ione -Itwo -Ithree -c a.c -o a.o",
  change=write("two/p.h", "int n = 2;\n"), expect=MISS)
S("shadow in an earlier -I directory", TWO, "CC -Ione -Itwo -c a.c -o a.o", change=write("one/x.h", "#define X 1\n"), expect=MISS)
S("shadow in an earlier -I directory that was not there", {k: v for k, v in TWO.items() if k != "one/keep"},
  "CC -Ione -Itwo -c a.c -o a.o", change=write("one/x.h", "#define X 1\n"), expect=MISS)
S("shadow beside the source", TWO, "CC -Itwo -c a.c -o a.o", change=write("x.h", "#define X 1\n"), expect=MISS)
S("shadow in an earlier -iquote directory", TWO, "CC -iquote one -iquote two -c a.c -o a.o", change=write("one/x.h", "#define X 1\n"),
  expect=MISS)
S("shadow of an -isystem directory by -I", TWO, "CC -isystem two -Ione -c a.c -o a.o", change=write("one/x.h", "#define X 1\n"),
  expect=MISS)
S("shadow in an earlier -isystem directory", TWO, "CC -isystem one -isystem two -c a.c -o a.o",
  change=write("one/x.h", "#define X 1\n"), expect=MISS)
S("shadow of an -idirafter directory", TWO, "CC -idirafter two -Ione -c a.c -o a.o", change=write("one/x.h", "#define X 1\n"),
  expect=MISS)
S("shadow by CPATH", TWO, "CC -idirafter two -c a.c -o a.o", env={"CPATH": "one"}, change=write("one/x.h", "#define X 1\n"), expect=MISS)
S("shadow by C_INCLUDE_PATH", TWO, "CC -idirafter two -c a.c -o a.o", env={"C_INCLUDE_PATH": "@W@/one"},
  change=write("one/x.h", "#define X 1\n"), expect=MISS)
S("shadow beside a header", {"a.c": '#include "lib/a.h"\n', "lib/a.h": '#include "b.h"\nint v = B;\n', "b.h": "#define B 1\n"},
  "CC -I. -c a.c -o a.o", change=write("lib/b.h", "#define B 2\n"), expect=MISS)
S("shadow of a header by path", {"a.c": '#include "sub/x.h"\nint v = X;\n', "one/sub/keep": "", "two/sub/x.h": "#define X 2\n"},
  "CC -Ione -Itwo -c a.c -o a.o", change=write("one/sub/x.h", "#define X 1\n"), expect=MISS)
S("shadow of a system header", {"a.c": "#include <limits.h>\n#ifdef MINE\nint v = 1;\n#else\nint v = 2;\n#endif\n", "one/keep": ""},
  "CC -Ione -c a.c -o a.o", change=write("one/limits.h", "#define MINE\n"), expect=MISS)
S("shadow of a C++ standard header", {"a.cc": "#include <cstddef>\n#ifdef MINE\nint v = 1;\n#else\nint v = 2;\n#endif\n", "one/keep": ""},
  "CXX -Ione -c a.cc -o a.o", change=write("one/cstddef", "#define MINE\n"), expect=MISS)
S("shadow by a symlink", TWO, "CC -Ione -Itwo -c a.c -o a.o", change=(write("m.h", "#define X 1\n"), symlink("../m.h", "one/x.h")),
  expect=MISS)
S("shadow by renaming a directory", {**TWO, "other/x.h": "#define X 7\n"}, "CC -Inew -Itwo -c a.c -o a.o",
  change=rename("other", "new"), expect=MISS, explain=("x.h", "new"))
S("shadow by a symlinked directory", {**TWO, "other/x.h": "#define X 7\n"}, "CC -Inew -Itwo -c a.c -o a.o",
  change=symlink("other", "new"), expect=MISS, explain=("x.h", "new"))
S("shadow goes away", {**TWO, "one/x.h": "#define X 1\n"}, "CC -Ione -Itwo -c a.c -o a.o", change=remove("one/x.h"), expect=MISS)
S("a directory goes and comes back", {**TWO, "one/x.h": "#define X 1\n"}, "CC -Ione -Itwo -c a.c -o a.o",
  via=rename("one", "gone"), change=rename("gone", "one"))
S("a directory goes, comes back with other content", {**TWO, "one/x.h": "#define X 1\n"}, "CC -Ione -Itwo -c a.c -o a.o",
  via=remove("one"), change=write("one/x.h", "#define X 5\n"), expect=MISS)
S("-include found in cwd before -I", {"a.c": "int v = X;\n", "inc/p.h": "#define X 1\n"}, "CC -Iinc -include p.h -c a.c -o a.o",
  change=write("p.h", "#define X 2\n"), expect=MISS)
S("a missing header is added", {"a.c": '#include "x.h"\n'}, change=write("x.h", "int v;\n"), expect=MISS, populate=FAILS, explain=("x.h", "failed"))
S("a needed header goes", {"a.c": '#include "x.h"\n', "x.h": "int v;\n"}, change=remove("x.h"), expect=FAILS)
S("the source goes", {"a.c": "int v;\n"}, change=remove("a.c"), expect="bypass:no_source")
S("a header becomes a directory", {"a.c": '#include "x.h"\nint v;\n', "x.h": ""}, change=(remove("x.h"), mkdir("x.h")), expect=FAILS)
S("a precompiled header appears", {"a.c": '#include "p.h"\nint v = P;\n', "p.h": "#define P 1\n"},
  change=sh("sed s/1/2/ p.h > q.h; @CC@ -x c-header q.h -o p.h.gch", "p.h.gch"), expect="not stored:time_macro", compilers=GCC)
S("a precompiled header in a .gch directory appears", {"a.c": '#include "p.h"\nint v = P;\n', "p.h": "#define P 1\n"},
  change=sh("sed s/1/2/ p.h > q.h; mkdir p.h.gch; @CC@ -x c-header q.h -o p.h.gch/one", "p.h.gch"), expect="not stored:time_macro", compilers=GCC)
S("a precompiled header for -include appears", {"a.c": "int v = P;\n", "p.h": "#define P 1\n"}, "CC -include p.h -c a.c -o a.o",
  change=sh("cp -p p.h keep; sed -i s/1/2/ p.h; @CC@ -x c-header p.h -o p.h.pch; cat keep > p.h; touch -r keep p.h", "p.h.pch"),
  setup=sh("touch -d @1600000000 p.h"), expect=FAILS, compilers=CLANG)
S("an assembler include appears earlier", {"a.s": '.include "k.inc"\n', "one/keep": "", "two/k.inc": ".long 2\n"},
  "CC -Wa,-Ione -Wa,-Itwo -c a.s -o a.o", change=write("one/k.inc", ".long 1\n"), expect=MISS)
S("an .incbin file appears beside", {"a.c": 'asm(".incbin \\"d.bin\\"");\n', "two/d.bin": "22"}, "CC -Wa,-Itwo -c a.c -o a.o",
  change=write("d.bin", "1"), expect=MISS)
S("the name of a header changes case", {"a.c": '#include "X.h"\nint v = V;\n', "one/keep": "", "two/X.h": "#define V 1\n"},
  "CC -Ione -Itwo -c a.c -o a.o", change=write("one/x.h", "#define V 2\n"))
S("a middle directory is a link that moves", {"a.c": '#include "x.h"\nint v = X;\n', "v1/keep": "", "v2/x.h": "#define X 9\n",
                                              "std/x.h": "#define X 0\n"}, "CC -Icur -Istd -c a.c -o a.o",
  setup=symlink("v1", "cur"), change=symlink("v2", "cur"), expect=MISS, explain=("cur", "x.h"))
S("a directory on the path becomes a file", {**TWO, "one/x.h": "#define X 1\n"}, "CC -Ione -Itwo -c a.c -o a.o",
  change=(remove("one"), write("one", "")), expect=MISS, explain=("one", "x.h"))
S("a file on the path becomes a directory", {"a.c": TWO["a.c"], "one": "", "two/x.h": TWO["two/x.h"]},
  "CC -Ione -Itwo -c a.c -o a.o", change=(remove("one"), write("one/x.h", "#define X 1\n")), expect=MISS, explain=("one", "x.h"))
S("created and the directory's mtime put back", TWO, "CC -Ione -Itwo -c a.c -o a.o", setup=touch("one", 1_500_000_000),
  change=(write("one/x.h", "#define X 1\n"), touch("one", 1_500_000_000)), expect=MISS)
S("created in a directory behind a symlink", TWO, "CC -Il -Itwo -c a.c -o a.o", setup=symlink("one", "l"),
  change=write("one/x.h", "#define X 1\n"), expect=MISS)
S("config file beside -B appears: specs", {"a.c": "int f(int n) { return n; }\n", "b/keep": ""}, "CC -Bb/ -c a.c -o a.o",
  change=write("b/specs", "*cc1:\n+ -ffunction-sections\n\n"),
  expect=MISS, compilers=GCC)
S("several headers are probed in one directory", {"a.c": PROBE + '#if __has_include("a-first.h") || __has_include("zz-last.h")\nint more;\n#endif\n'},
  change=write("zz-last.h", ""), expect=MISS)
S("shadow after a hit", TWO, "CC -Ione -Itwo -c a.c -o a.o", via=wait(0), change=write("one/x.h", "#define X 1\n"), expect=MISS)
S("a dangling link's target appears elsewhere, after a hit", {"a.c": PROBE, "e/keep": "", "o/keep": ""}, "CC -c a.c -o o/a.o", setup=symlink("e/real.h", "opt.h"), via=wait(0),
  change=write("e/real.h", ""), expect=MISS, explain=("real.h", "opt.h"))
S("__has_include of the output", {"a.c": '#if __has_include("a.o")\nint x = 1;\n#else\nint x = 2;\n#endif\n'}, keep=True, expect="not stored:input_changed", populate="not stored:input_changed")
S("__has_include of the output, its name made of macros", {"a.c": "#define A a\n#define H <A.o>\n#if __has_include(H)\nint x = 1;\n#else\nint x = 2;\n#endif\n"}, "CC -I. -c a.c -o a.o", keep=True,
  expect="not stored:input_changed", populate="not stored:input_changed")
S("__has_include of the .d under -fsyntax-only", {"a.c": "#define A a\n#define H <A.d>\n#if __has_include(H)\n#warning there\n#endif\nint x;\n"}, "CC -I. -fsyntax-only -MD -MF a.d a.c", keep=True,
  expect="not stored:input_changed", populate="not stored:input_changed")
