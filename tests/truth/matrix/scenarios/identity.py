"""Inputs that are equal: gcc merges #pragma once headers of equal content, size and mtime, clang merges inodes."""
from scenario import *

S = scenarios("identity")
T1, T2 = 1_600_000_000, 1_600_000_777
ONCE = {"a.c": 'int n = 0\n#include "d1/h.h"\n#include "d2/h.h"\n;\n', "d1/h.h": "#pragma once\n+ 1\n", "d2/h.h": "#pragma once\n+ 1\n"}
BOTH = (touch("d1/h.h", T1), touch("d2/h.h", T1))
APART = (touch("d1/h.h", T1), touch("d2/h.h", T2))

S("equal #pragma once headers: mtimes become equal", ONCE, setup=APART, change=touch("d2/h.h", T1), expect=MISS, compilers=GCC, explain=("h.h",))
S("equal #pragma once headers: mtimes part", ONCE, setup=BOTH, change=touch("d2/h.h", T2), expect=MISS, compilers=GCC, explain=("h.h",))
S("equal #pragma once headers: both moved alike", ONCE, setup=BOTH, change=(touch("d1/h.h", T2), touch("d2/h.h", T2)))
S("equal #pragma once headers apart: both moved, still apart", ONCE, setup=APART, change=(touch("d1/h.h", T2), touch("d2/h.h", T1)))
S("equal #pragma once headers: one becomes a hard link", ONCE, setup=APART, change=hardlink("d1/h.h", "d2/h.h"), expect=MISS, explain=("h.h",))
S("equal #pragma once headers: a hard link becomes a copy", ONCE, setup=hardlink("d1/h.h", "d2/h.h"),
  change=(remove("d2/h.h"), write("d2/h.h", ONCE["d2/h.h"]), touch("d2/h.h", T2)), expect=MISS, explain=("h.h",))
S("equal #pragma once headers: one becomes a symlink", ONCE, setup=APART, change=symlink("../d1/h.h", "d2/h.h"), expect=MISS, explain=("h.h",))
S("equal headers with guards: one touched", {**ONCE, "a.c": '#include "d1/h.h"\n#include "d2/h.h"\nint n;\n', "d1/h.h": "#ifndef H\n#define H\n#endif\n",
                                             "d2/h.h": "#ifndef H\n#define H\n#endif\n"}, setup=BOTH, change=touch("d2/h.h", T2),
  expect=MISS, lost="a probe or an identity that turned out not to matter")
S("#import", {**ONCE, "a.c": 'int n = 0\n#import "d1/h.h"\n#import "d2/h.h"\n;\n', "d1/h.h": "+ 1\n", "d2/h.h": "+ 1\n"}, "CC -w -c a.c -o a.o",
  setup=APART, change=touch("d2/h.h", T1), expect=MISS, compilers=GCC, explain=("h.h",))
S("#import after #include", {**ONCE, "a.c": 'int n = 0\n#include "d1/h.h"\n#import "d2/h.h"\n;\n', "d1/h.h": "+ 1\n", "d2/h.h": "+ 1\n"},
  "CC -w -c a.c -o a.o", setup=APART, change=touch("d2/h.h", T1), expect=MISS, compilers=GCC, lost="a probe or an identity that turned out not to matter")
S("_Pragma once in a macro", {**ONCE, "d1/h.h": '_Pragma("once")\n+ 1\n', "d2/h.h": '_Pragma("once")\n+ 1\n'}, setup=APART,
  change=touch("d2/h.h", T1), expect=MISS, lost="a probe or an identity that turned out not to matter")
S("equal sizes, other content, equal mtimes", {**ONCE, "d2/h.h": "#pragma once\n+ 2\n"}, setup=APART, change=touch("d2/h.h", T1))
S("source and header equal", {"a.c": "#pragma once\n#ifndef D\n#define D\n#include \"d/a.c\"\nint x = Y;\n#else\n#define Y 1\n#endif\n",
                              "d/a.c": "#pragma once\n#ifndef D\n#define D\n#include \"d/a.c\"\nint x = Y;\n#else\n#define Y 1\n#endif\n"},
  "CC -w -c a.c -o a.o", setup=(touch("a.c", T1), touch("d/a.c", T2)), change=touch("d/a.c", T1), expect=FAILS, compilers=GCC)
NEXT = {"a.c": "#include <p.h>\n", "one/p.h": "int a;\n#ifndef G\n#define G\n#include_next <p.h>\n#endif\n",
        "two/p.h": "int a;\n#ifndef G\n#define G\n#include_next <p.h>\n#endif\n", "three/p.h": "int last;\n"}
S("include directories become one directory", NEXT, "CC -Ione -Itwo -Ithree -c a.c -o a.o",
  change=(remove("two"), symlink("one", "two")), expect=MISS, explain=("two", "p.h"))
S("one include directory becomes two", {k: v for k, v in NEXT.items() if not k.startswith("two")}, "CC -Ione -Itwo -Ithree -c a.c -o a.o",
  setup=symlink("one", "two"), change=(remove("two"), write("two/p.h", NEXT["two/p.h"])), expect=MISS, explain=("two", "p.h"))
S("a checkout with other mtimes", ONCE, setup=BOTH, change=(copytree("@W@", "@X@"), touch("@X@/d1/h.h", T1), touch("@X@/d2/h.h", T2)),
  cwd_b="@X@", expect=MISS, compilers=GCC, explain=("h.h",))
S("a checkout with equal mtimes", ONCE, setup=BOTH, change=(copytree("@W@", "@X@"), touch("@X@/d1/h.h", T2), touch("@X@/d2/h.h", T2)), cwd_b="@X@")
