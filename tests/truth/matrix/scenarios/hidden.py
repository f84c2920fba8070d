"""Inputs that no reading of the sources shows: names made by macros, headers that system headers ask for, identity of files, what
lies behind links. An include scan cannot see them; who compiles elsewhere must find out."""
from scenario import *

S = scenarios("hidden")
PASTE = "#define CAT2(a, b) a##b\n#define CAT(a, b) CAT2(a, b)\n"
NAME = PASTE + "#define H <CAT(x, y).h>\n#include H\nint v = K;\n"
STR = "#define S2(x) #x\n#define S(x) S2(x)\n"
XY = {"a.c": NAME, "one/xy.h": "#define K 1\n"}

S("a header whose name is pasted, edited", XY, "CC -Ione -c a.c -o a.o", change=write("one/xy.h", "#define K 2\n"), expect=MISS)
S("a header whose name is pasted, control", XY, "CC -Ione -c a.c -o a.o", change=touch("one/xy.h"))
S("a header whose name is pasted, shadowed", {**XY, "two/x": ""}, "CC -Itwo -Ione -c a.c -o a.o", change=write("two/xy.h", "#define K 2\n"), expect=MISS)
S("a header whose name is pasted, shadow goes", {**XY, "two/xy.h": "#define K 2\n"}, "CC -Itwo -Ione -c a.c -o a.o", change=remove("two/xy.h"), expect=MISS)
S("a header whose name is pasted goes", XY, "CC -Ione -c a.c -o a.o", change=remove("one/xy.h"), expect=FAILS)
S("a header whose name is pasted, after a hit", XY, "CC -Ione -c a.c -o a.o", via=wait(0), change=write("one/xy.h", "#define K 2\n"), expect=MISS)
S("a header whose name is pasted becomes a link", {**XY, "z.h": "#define K 3\n"}, "CC -Ione -c a.c -o a.o", change=symlink("../z.h", "one/xy.h"), expect=MISS)
S("a header whose name is pasted, with -MD", XY, "CC -MD -Ione -c a.c -o a.o", change=write("one/xy.h", '#include "k.h"\n'), expect=MISS, setup=sh("echo '#define K 5' > one/k.h"))
S("__has_include of a pasted name", {"a.c": PASTE + "#define H <CAT(x, y).h>\n#if __has_include(H)\nint v = 1;\n#else\nint v = 2;\n#endif\n", "one/x": ""},
  "CC -Ione -c a.c -o a.o", change=write("one/xy.h", ""), expect=MISS)
S("a header named by pieces of -D", {"a.c": STR + "#include S(DIR/F.h)\nint v = K;\n", "d/f.h": "#define K 1\n"}, "CC -DDIR=d -DF=f -c a.c -o a.o",
  change=write("d/f.h", "#define K 2\n"), expect=MISS)
CHAIN = {f"n{i}_x.h": PASTE.replace("CAT", f"C{i}") + f"#define H{i} <C{i}(n{i + 1}, _x).h>\n#include H{i}\n" for i in range(1, 7)}
S("seven headers, each named by the last", {"a.c": PASTE + "#define H <CAT(n1, _x).h>\n#include H\nint v = K;\n", **CHAIN, "n7_x.h": "#define K 1\n"},
  "CC -I. -c a.c -o a.o", change=write("n7_x.h", "#define K 2\n"), expect=MISS)
SYSTEM = {"a.c": "#include <stdio.h>\n#ifdef SEEN\nint v = SEEN;\n#endif\nint w;\n", "one/x": ""}
MINE = "#include_next <features.h>\n#define SEEN {}\n"
S("a header that a system header asks for appears", SYSTEM, "CC -Ione -c a.c -o a.o", change=write("one/features.h", MINE.format(1)), expect=MISS)
S("a header that a system header asks for is edited", {**SYSTEM, "one/features.h": MINE.format(1)}, "CC -Ione -c a.c -o a.o",
  change=write("one/features.h", MINE.format(2)), expect=MISS)
S("a header that a system header asks for goes", {**SYSTEM, "one/features.h": MINE.format(1)}, "CC -Ione -c a.c -o a.o", change=remove("one/features.h"), expect=MISS)
S("a header that a system header asks for, in a new directory", SYSTEM, "CC -Ione -c a.c -o a.o",
  change=write("one/bits/types.h", "#include_next <bits/types.h>\n#define SEEN 3\n"), expect=MISS)
S("a header that a C++ standard header asks for appears", {"a.cc": "#include <string>\n#ifdef SEEN\nint v = 1;\n#endif\nint w;\n", "one/x": ""}, "CXX -Ione -c a.cc -o a.o",
  change=write("one/bits/c++config.h", "#include_next <bits/c++config.h>\n#define SEEN\n"), expect=MISS)
S("a directory of a needed system header's name appears", SYSTEM, "CC -Ione -c a.c -o a.o", change=mkdir("one/features.h"), expect=MISS,
  lost="a probe or an identity that turned out not to matter")

# The assembler's own language.
MACRO = {"a.s": '.macro inc f\n.incbin "\\f\\().bin"\n.endm\ninc d\n', "d.bin": "one"}
S(".incbin by an assembler macro", MACRO, "CC -c a.s -o a.o", change=write("d.bin", "two"), expect=MISS)
S(".incbin by an assembler macro, the file goes", MACRO, "CC -c a.s -o a.o", change=remove("d.bin"), expect=FAILS, any_stderr=True)
S(".include by an assembler macro", {"a.s": '.macro inc f\n.include "\\f\\().inc"\n.endm\ninc k\n', "k.inc": ".long 1\n"}, "CC -c a.s -o a.o",
  change=write("k.inc", ".long 2\n"), expect=MISS)
S(".incbin in pieces, through a directory that is left again", {"a.c": 'asm(".section .d\\n.inc" "bin \\"e/../d.bin\\"\\n.text");\nint x;\n', "e/x": "", "d.bin": "one"},
  change=write("d.bin", "two"), expect=MISS)
S(".incbin in pieces, the directory that is left again goes", {"a.c": 'asm(".section .d\\n.inc" "bin \\"e/../d.bin\\"\\n.text");\nint x;\n', "e/x": "", "d.bin": "one"},
  change=remove("e"), expect=FAILS, any_stderr=True)
S("a header through a directory that is left again; it goes", {"a.c": '#include "e/../k.h"\nint v = K;\n', "e/x": "", "k.h": "#define K 1\n"}, change=remove("e"), expect=FAILS)
S("a pasted name through a directory that is left again", {"a.c": STR + "#define E e\n#include S(E/../k.h)\nint v = K;\n", "e/x": "", "k.h": "#define K 1\n"},
  change=write("k.h", "#define K 2\n"), expect=MISS)

# Which files are one file.
GUARDED = "#ifdef A\n#define B 2\n#else\n#define A\n#endif\n"
TWICE = {"a.c": '#import "x.h"\n#import "y.h"\n#ifdef B\nint v = B;\n#else\nint v = 1;\n#endif\n', "x.h": GUARDED, "y.h": GUARDED}
T1, T2 = 1_600_000_000, 1_600_000_100
S("#import of two equal headers, times become equal", TWICE, "CC -w -c a.c -o a.o", setup=(touch("x.h", T1), touch("y.h", T2)), change=touch("y.h", T1),
  expect=MISS, compilers=GCC, explain=("identical", "x.h", "y.h"))
S("#import of two equal headers, times become different", TWICE, "CC -w -c a.c -o a.o", setup=(touch("x.h", T1), touch("y.h", T1)), change=touch("y.h", T2),
  expect=MISS, compilers=GCC, explain=("identical", "x.h", "y.h"))
ONCE = {**TWICE, "a.c": TWICE["a.c"].replace("import", "include"), "x.h": "P(once)\n" + GUARDED, "y.h": "P(once)\n" + GUARDED}
PRAGMA = "-D'P(x)=_Pragma(#x)'"
S("_Pragma once by macro, times become equal", ONCE, f"CC -w {PRAGMA} -c a.c -o a.o", setup=(touch("x.h", T1), touch("y.h", T2)), change=touch("y.h", T1),
  expect=MISS, compilers=GCC, explain=("identical", "x.h", "y.h"))
PLAIN = {**TWICE, "a.c": TWICE["a.c"].replace("import", "include"), "x.h": "#pragma once\n" + GUARDED, "y.h": "#pragma once\n" + GUARDED}
S("#pragma once in two equal headers, times become equal", PLAIN, setup=(touch("x.h", T1), touch("y.h", T2)), change=touch("y.h", T1),
  expect=MISS, compilers=GCC, explain=("identical", "x.h", "y.h"))
S("#pragma once in two equal headers, one becomes a link to the other", PLAIN, setup=(touch("x.h", T1), touch("y.h", T2)), change=hardlink("x.h", "y.h"),
  expect=MISS, explain=("identical", "x.h", "y.h"))
S("#pragma once in two equal headers of pasted names", {**PLAIN, "a.c": PASTE + "#define X <CAT(x, ).h>\n#define Y <CAT(y, ).h>\n#include X\n#include Y\n#ifdef B\nint v = B;\n#else\nint v = 1;\n#endif\n"},
  "CC -I. -c a.c -o a.o", setup=(touch("x.h", T1), touch("y.h", T2)), change=touch("y.h", T1), expect=MISS, compilers=GCC, explain=("identical", "x.h", "y.h"))

# What lies behind names.
HAS = '#if __has_include("h.h")\n#include "h.h"\nint v = 1;\n#else\nint v = 2;\n#endif\n'
S("a header that is a device", {"a.c": HAS}, setup=symlink("/dev/null", "h.h"), change=remove("h.h"), expect=MISS, populate=ANY, explain=("h.h", "not stored"))
S("a header becomes a device", {"a.c": HAS, "h.h": "int w;\n"}, change=symlink("/dev/null", "h.h"), expect=EITHER, reason="devices are not stored, but this one is empty")
S("a link out of the tree", {"a.c": HAS, "@T@/other/h.h": "int w = 1;\n"}, setup=symlink("../other/h.h", "h.h"), change=write("@T@/other/h.h", "int w = 2;\n"), expect=MISS)
S("a link by an absolute path", {"a.c": HAS, "d/h.h": "int w = 1;\n"}, setup=symlink("@W@/d/h.h", "h.h"), change=write("d/h.h", "int w = 2;\n"), expect=MISS)
S("a directory that is a link out of the tree", {"a.c": '#include "l/h.h"\nint v = K;\n', "@T@/other/h.h": "#define K 1\n"}, setup=symlink("../other", "l"),
  change=write("@T@/other/h.h", "#define K 2\n"), expect=MISS)
S("an include directory that is a link by an absolute path", {"a.c": '#include <h.h>\nint v = K;\n', "d/h.h": "#define K 1\n"}, "CC -Il -c a.c -o a.o", setup=symlink("@W@/d", "l"),
  change=write("d/h.h", "#define K 2\n"), expect=MISS)
S("a link to a system header", {"a.c": '#include "l.h"\nint v = INT_MAX;\n'}, setup=symlink("/usr/include/limits.h", "l.h"), change=(remove("l.h"), write("l.h", "#define INT_MAX 5\n")), expect=MISS)
S("a link to a system header that is not there", {"a.c": HAS}, setup=symlink("/usr/include/hpcc-none.h", "h.h"), change=(remove("h.h"), write("h.h", "")), expect=MISS)
S("a header behind two links", {"a.c": HAS, "d/h.h": "int w = 1;\n"}, setup=(symlink("d", "l"), symlink("l/h.h", "h.h")), change=write("d/h.h", "int w = 2;\n"), expect=MISS)
S("a header beside a linked source's name", {"a.c": HAS.replace("h.h", "../h.h"), "d/e/x": "", "h.h": "int w;\n", "d/e/s.c": HAS.replace("h.h", "../h.h")}, "CC -c l/s.c -o a.o",
  setup=symlink("d/e", "l"), change=write("d/h.h", "int z;\n"), expect=MISS)
S("a .gch directory beside a header of a pasted name appears", XY, "CC -Ione -c a.c -o a.o",
  change=sh("cd one; sed s/1/2/ xy.h > q.h; mkdir xy.h.gch; @CC@ -x c-header q.h -o xy.h.gch/c", "xy.h.gch"), expect="not stored:time_macro", compilers=GCC)

# Directories that only have to be there.
S("-Wmissing-include-dirs: the directory appears", {"a.c": "int x;\n"}, "CC -Wmissing-include-dirs -Inone -c a.c -o a.o", change=mkdir("none"), expect=MISS, explain=("none",))
S("-Wmissing-include-dirs: the directory goes", {"a.c": "int x;\n", "none/x": ""}, "CC -Wmissing-include-dirs -Inone -c a.c -o a.o", change=remove("none"), expect=MISS, explain=("none",))
S("-I names a file", {"a.c": "int x;\n", "f": ""}, "CC -If -c a.c -o a.o", change=remove("f"), expect=MISS, explain=("f",), lost="a probe or an identity that turned out not to matter")
S("--sysroot in the tree: its header is edited", {"a.c": "#include <k.h>\nint v = K;\n", "sys/inc/k.h": "#define K 1\n"}, "CC --sysroot=@W@/sys -isystem =/inc -c a.c -o a.o",
  change=write("sys/inc/k.h", "#define K 2\n"), expect=MISS, compilers=GCC)
S("--sysroot in the tree: a header appears", {"a.c": "#include <k.h>\nint v = K;\n", "sys/usr/include/x": "", "late/k.h": "#define K 1\n"},
  "CC --sysroot=@W@/sys -idirafter late -c a.c -o a.o", change=write("sys/usr/include/k.h", "#define K 2\n"), expect=MISS)
S("one directory as -I and -isystem", {"a.c": "#include <k.h>\nint v = K;\n", "one/k.h": "#define K 1\n", "two/k.h": "#define K 2\n"}, "CC -Ione -Itwo -isystem one -c a.c -o a.o",
  change=write("two/k.h", "#define K 3\n"), expect=MISS)
S("an -I directory by two names, other order", {"a.c": "#include <k.h>\nint v = K;\n", "one/k.h": "#define K 1\n", "two/k.h": "#define K 2\n"}, "CC -I./one/../two -Ione -c a.c -o a.o",
  cmd_b="CC -I./two/../one -Itwo -c a.c -o a.o", expect=MISS)
