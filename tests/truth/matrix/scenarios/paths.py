"""Directories: what crosses checkouts, and what must not because a path is in an output in whatever form."""
from scenario import *

S = scenarios("path")
REL = {"src/a.c": '#include "a.h"\n#include "b.h"\nint f(int n) { return n * K; }\n', "src/a.h": "#define K 3\n", "inc/b.h": "", "build/x": ""}
FILE = "const char *p = __FILE__;\n"
TWO, LONG = copytree("@W@", "@X@"), copytree("@W@", "@L@")
PLACE = ("directory", "checkout", "root", "path", "place", "a.c", "@X@", "@L@", "cwd")


def cross(name, files, cmd="CC -c a.c -o a.o", expect=HIT, to="@X@", sub="", **more):
    """Compiled in @W@, then in a copy of the tree at `to`, with the tree's path replaced in the command."""
    more.setdefault("explain", PLACE)
    S(name, files, cmd, change=copytree("@W@", to) if "change" not in more else more.pop("change"), cwd="@W@" + sub, cwd_b=to + sub, cmd_b=cmd.replace("@W@", to),
      expect=expect, **more)


A = {"a.c": '#include "a.h"\nint f(int n) { return n * K; }\n', "a.h": "#define K 3\n"}
ABS = "CC -I@W@/inc -c @W@/src/a.c -o a.o"

# Must cross, without configuration.
cross("checkout: relative names", A)
cross("checkout: relative names, longer path", A, to="@L@")
cross("checkout: relative names, -O2", A, "CC -O2 -Wall -c a.c -o a.o")
cross("checkout: ../src from a build directory", REL, "CC -I../inc -c ../src/a.c -o a.o", sub="/build")
cross("checkout: absolute names as CMake writes them", REL, ABS, sub="/build")
cross("checkout: absolute names, longer path", REL, ABS, sub="/build", to="@L@")
cross("checkout: absolute output name", REL, "CC -Iinc -c src/a.c -o @W@/build/a.o")
cross("checkout: absolute -I, relative source", REL, "CC -I@W@/inc -c src/a.c -o a.o")
cross("checkout: absolute -isystem and -include", {**A, "sys/s.h": "", "p.h": ""}, "CC -isystem @W@/sys -include @W@/p.h -c a.c -o a.o")
cross("checkout: the first one was deleted", A, change=movetree("@W@", "@X@"))
cross("checkout: a C++ file", {"a.cc": "#include <vector>\nint f(int n) { return std::vector<int>(n).size(); }\n"}, "CXX -c a.cc -o a.o")
cross("checkout: warnings with relative names", {"a.c": "int f(void) { int u; return 0; }\n"}, "CC -Wall -c a.c -o a.o")
cross("checkout: -MD with relative names", A, "CC -MD -c a.c -o a.o")
cross("checkout: a C++ file with an absolute name", {"a.cc": "#include <vector>\nint f(int n) { return std::vector<int>(n).size(); }\n"}, "CXX -O2 -c @W@/a.cc -o a.o")
cross("checkout: assert under NDEBUG", {"a.c": "#include <assert.h>\nint f(int n) { assert(n); return n; }\n"}, "CC -DNDEBUG -c @W@/a.c -o a.o")
cross("checkout: __FILE__ of a relative name", {"a.c": FILE}, expect=HIT)
cross("checkout: preprocessed, relative", {"a.i": '# 1 "a.c"\nint x;\n'}, "CC -c a.i -o a.o")
cross("checkout: assembler", {"a.S": ".globl f\nf: ret\n"}, "CC -c a.S -o a.o")
cross("checkout: a header differs there", A, change=(TWO, write("@X@/a.h", "#define K 4\n")), expect=MISS, explain=("a.h", "known command", "first compile"))
cross("checkout: a header differs there, after a hit here", A, change=(TWO, write("@X@/a.h", "#define K 4\n")), via=wait(0), expect=MISS,
      explain=("a.h", "known command", "first compile"))
cross("checkout: a header by an absolute name differs there", REL, ABS, sub="/build", change=(TWO, write("@X@/src/a.h", "#define K 4\n")), expect=MISS,
      explain=("a.h", "known command", "first compile"))
cross("checkout: the source differs there", A, change=(TWO, write("@X@/a.c", "int g;\n")), expect=MISS, explain=("a.c", "known command", "first compile"))
cross("checkout: a probed header exists there", {"a.c": '#if __has_include("o.h")\nint x = 1;\n#endif\n'}, change=(TWO, write("@X@/o.h", "")), expect=MISS, explain=("o.h", "known command", "first compile"))
cross("checkout: a shadowing header exists there", REL, "CC -I@W@/build -I@W@/inc -c @W@/src/a.c -o a.o", change=(TWO, write("@X@/build/b.h", "#undef K\n#define K 5\n")), expect=MISS,
      explain=("b.h", "known command", "first compile"))
cross("checkout: its header is a link back into the first", {**A}, change=(TWO, symlink("@W@/a.h", "@X@/a.h")), expect=HIT)
cross("checkout: absolute names with -MD", REL, ABS.replace("-c", "-MD -MF a.d -c"), sub="/build", expect=HIT)
cross("checkout: -g with a prefix map to .", A, "CC -g -ffile-prefix-map=@W@=. -c a.c -o a.o", expect=MISS, lost="a prefix map of the user's own, in another checkout")
cross("checkout: -fdebug-compilation-dir=.", A, "CC -g -fdebug-compilation-dir=. -c a.c -o a.o", compilers=CLANG, expect=HIT)

# Must not, or not wrongly: the path is in an output.
leak = dict(expect=MISS)
cross("leak: __FILE__ of an absolute name", {"a.c": FILE}, "CC -c @W@/a.c -o a.o", **leak)
cross("leak: __FILE__ of a header by absolute -I", {"a.c": '#include "h.h"\n', "i/h.h": FILE}, "CC -I@W@/i -c a.c -o a.o", **leak)
cross("leak: __BASE_FILE__", {"a.c": "const char *p = __BASE_FILE__;\n"}, "CC -c @W@/a.c -o a.o", **leak)
cross("leak: __builtin_FILE()", {"a.c": "const char *f(void) { return __builtin_FILE(); }\n"}, "CC -c @W@/a.c -o a.o", **leak)
cross("leak: std::source_location", {"a.cc": "#include <source_location>\nconst char *f() { return std::source_location::current().file_name(); }\n"},
      "CXX -std=c++20 -c @W@/a.cc -o a.o", compilers=GCC, **leak)
cross("leak: assert", {"a.c": "#include <assert.h>\nint f(int n) { assert(n); return n; }\n"}, "CC -c @W@/a.c -o a.o", **leak)
cross("leak: -g", A, "CC -g -c a.c -o a.o", **leak)
cross("leak: -g, absolute source", A, "CC -g -c @W@/a.c -o a.o", **leak)
cross("leak: -g1", A, "CC -g1 -c a.c -o a.o", **leak)
cross("leak: -g, C++", {"a.cc": "int f() { return 1; }\n"}, "CXX -g -c a.cc -o a.o", **leak)
cross("leak: -g with compressed sections", {"a.c": "\n".join(f"int f{i}(int n) {{ return n + {i}; }}" for i in range(80))}, "CC -g -gz -c a.c -o a.o", **leak)
cross("leak: -g with zlib sections", {"a.c": "\n".join(f"int f{i}(int n) {{ return n + {i}; }}" for i in range(80))}, "CC -g -gz=zlib -c @W@/a.c -o a.o", **leak)
cross("leak: -gsplit-dwarf", A, "CC -g -gsplit-dwarf -c a.c -o a.o", **leak)
cross("leak: -Wa,-g", A, "CC -Wa,-g -c a.c -o a.o", compilers=GCC, expect="bypass:unsupported_option", populate="bypass:unsupported_option", nondet=("*.o",))
cross("leak: .s with -g", {"a.s": "f: ret\n"}, "CC -g -c a.s -o a.o", **leak)
cross("leak: -ggdb3", A, "CC -ggdb3 -c a.c -o a.o", **leak)
cross("leak: -flto with -g", A, "CC -flto -g -frandom-seed=1 -c a.c -o a.o", expect=MISS)
cross("leak: -flto, __FILE__", {"a.c": FILE}, "CC -flto -frandom-seed=1 -c @W@/a.c -o a.o", expect=MISS)
cross("leak: -flto, absolute source", A, "CC -flto -frandom-seed=1 -c @W@/a.c -o a.o", expect=MISS, lost="an object that cannot be searched for paths (LTO), in another checkout")
cross("leak: -ffat-lto-objects", {"a.c": FILE}, "CC -flto -ffat-lto-objects -frandom-seed=1 -c @W@/a.c -o a.o", compilers=GCC, expect=MISS)
cross("leak: only the path's length", {"a.c": "int n = sizeof(__FILE__);\n"}, "CC -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the path's length, equal here", {"a.c": "int n = sizeof(__FILE__);\n"}, "CC -c @W@/a.c -o a.o", expect=MISS, lost="a path that the source may have seen, in another checkout")
cross("leak: only the length, in a header", {"a.c": '#include "h.h"\n', "i/h.h": "int n = sizeof(__FILE__);\n"}, "CC -I@W@/i -c a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, __BASE_FILE__", {"a.c": "int n = sizeof(__BASE_FILE__);\n"}, "CC -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, __builtin_FILE", {"a.c": "int n(void) { return __builtin_strlen(__builtin_FILE()); }\n"}, "CC -O1 -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, pasted macro name", {"a.c": "#define P(a, b) a##b\nint n = sizeof(P(__FI, LE__));\n"}, "CC -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, spliced macro name", {"a.c": "int n = sizeof(__FI\\\nLE__);\n"}, "CC -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, spliced __builtin_FILE", {"a.c": "int n(void) { return __builtin_strlen(__builtin_FI\\\nLE()); }\n"}, "CC -O1 -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, -D", {"a.c": "int n = sizeof(X);\n"}, "CC -DX=__FILE__ -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, -D in a response file", {"a.c": "int n = sizeof(X);\n", "f": "-DX=__FILE__"}, "CC @f -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, -D pasted", {"a.c": "#define P(a, b) a##b\n#define Q(a, b) P(a, b)\nint n = sizeof(Q(X, LE__));\n"}, "CC -DX=__FI -c @W@/a.c -o a.o", to="@L@", **leak)
cross("leak: only the length, assembler with cpp", {"a.S": ".macro len s\n.long 1\n.endm\n.asciz __FILE__\n"}, "CC -c @W@/a.S -o a.o", to="@L@", **leak)
cross("leak: one character of the path", {"a.c": "char c = __FILE__[sizeof(__FILE__) - 8];\n"}, "CC -O1 -c @W@/a.c -o a.o", compilers=CLANG, **leak)
cross("leak: one character of the path, C++", {"a.cc": "constexpr char c = __FILE__[sizeof(__FILE__) - 8]; char d = c;\n"}, "CXX -c @W@/a.cc -o a.o", **leak)
cross("leak: a hash of the path", {"a.cc": "constexpr unsigned h(const char *s) { return *s ? *s + 31 * h(s + 1) : 7; }\nconstexpr unsigned v = h(__FILE__); unsigned w = v;\n"},
      "CXX -c @W@/a.cc -o a.o", **leak)
cross("leak: a hash of the path by source_location", {"a.cc": "#include <source_location>\nconstexpr unsigned h(const char *s) { return *s ? *s + 31 * h(s + 1) : 7; }\n"
                                                      "constexpr unsigned v = h(std::source_location::current().file_name()); unsigned w = v;\n"},
      "CXX -std=c++20 -c @W@/a.cc -o a.o", compilers=GCC, **leak)
cross("leak: the path as UTF-16", {"a.c": "#include <uchar.h>\n#define U2(x) u##x\n#define U(x) U2(x)\nconst char16_t *p = U(__FILE__);\n"}, "CC -c @W@/a.c -o a.o", **leak)
cross("leak: the path as wide text", {"a.c": "#define U2(x) L##x\n#define U(x) U2(x)\nconst int *p = U(__FILE__);\n"}, "CC -w -c @W@/a.c -o a.o", **leak)
cross("leak: the path in EBCDIC", {"a.c": FILE}, "CC -fexec-charset=IBM1047 -c @W@/a.c -o a.o", compilers=GCC, expect=MISS)
cross("leak: the path in a diagnostic", {"a.c": "int f(void) { int u; return 0; }\n"}, "CC -Wall -c @W@/a.c -o a.o", **leak)
cross("leak: the path in a static_assert's note", {"a.cc": "[[deprecated(__FILE__)]] int f();\nint x = f();\n"}, "CXX -c @W@/a.cc -o a.o", expect=MISS)
cross("leak: -Wnonnull-like decision by the path", {"a.c": "_Static_assert(sizeof(__FILE__) < 20000, \"long\");\nint a[sizeof(__FILE__) & 1 ? 1 : 2];\n"}, "CC -c @W@/a.c -o a.o", to="@L@",
      expect=MISS)
cross("leak: -D with the path", {"a.c": "const char *p = DIR;\n"}, "CC '-DDIR=\"@W@\"' -c a.c -o a.o", **leak)
cross("leak: coverage", A, "CC --coverage -frandom-seed=1 -c a.c -o a.o", expect=MISS)
cross("leak: -fsanitize=undefined, absolute source", {"a.c": "int f(int a, int b) { return a / b; }\n"}, "CC -fsanitize=undefined -c @W@/a.c -o a.o", **leak)
cross("leak: -fsanitize=address, absolute source", {"a.c": "int g; int f(int a) { return a + g; }\n"}, "CC -fsanitize=address -c @W@/a.c -o a.o", expect=MISS)
cross("leak: clang's unique internal names", {"a.c": "static int s(int n) { return n * n; }\nint (*p)(int) = s;\n"}, "CC -funique-internal-linkage-names -c @W@/a.c -o a.o",
      compilers=CLANG, expect=MISS)
cross("leak: clang's profile names of static functions", {"a.c": "static int s(int n) { return n * n; }\nint (*p)(int) = s;\n"}, "CC -fprofile-instr-generate -c @W@/a.c -o a.o",
      compilers=CLANG, expect=MISS)
cross("leak: clang's IR profile names", {"a.c": "static int s(int n) { return n * n; }\nint (*p)(int) = s;\n"}, "CC -O1 -fprofile-generate -c @W@/a.c -o a.o",
      compilers=CLANG, expect=MISS)
cross("leak: clang's coverage mapping", {"a.c": "int s(int n) { return n * n; }\n"}, "CC -fprofile-instr-generate -fcoverage-mapping -c a.c -o a.o", compilers=CLANG, expect=MISS)
cross("leak: gcc's name of a file-local constructor", {"a.cc": "int g();\nnamespace { struct A { A() { g(); } } a; }\n"}, "CXX -c @W@/a.cc -o a.o", expect=HIT)
cross("leak: the name of a global constructor", {"a.cc": "int g();\nint x = g();\n"}, "CXX -c @W@/a.cc -o a.o", expect=HIT)
cross("leak: -fprofile-use path", {"a.c": "int f(int n) { return n; }\n"}, "CC -O1 -fprofile-use=@W@/p -Wmissing-profile -c a.c -o a.o", compilers=GCC, expect=MISS)
cross("leak: -Wp,-MD with absolute source", A, "CC -Wp,-MD,a.d -c @W@/a.c -o a.o", expect=HIT)
cross("leak: __FILE_NAME__ does not", {"a.c": "const char *p = __FILE_NAME__;\n"}, "CC -c @W@/a.c -o a.o", expect=HIT)
cross("leak: -fmacro-prefix-map hides it", {"a.c": FILE}, "CC -fmacro-prefix-map=@W@=/src -c @W@/a.c -o a.o", expect=MISS, lost="a prefix map of the user's own, in another checkout")
cross("leak: -fdebug-prefix-map does not hide __FILE__", {"a.c": FILE}, "CC -fdebug-prefix-map=@W@=/src -c @W@/a.c -o a.o", expect=MISS)
cross("leak: -S", A, "CC -S -g a.c -o a.s", **leak)
cross("leak: -fverbose-asm", A, "CC -S -fverbose-asm @W@/a.c -o a.s", expect=MISS)
cross("leak: -frecord-gcc-switches", A, "CC -frecord-gcc-switches -I@W@/x -c a.c -o a.o", compilers=GCC, expect=MISS)
cross("leak: .incbin of an absolute path", {"a.c": 'asm(".incbin \\"" DIR "/d.bin\\"");\n', "d.bin": "one"}, "CC '-DDIR=\"@W@\"' -c a.c -o a.o",
      change=(TWO, write("@X@/d.bin", "two")), expect=MISS)
cross("leak: .file in assembler", {"a.c": 'asm(".file \\"" __FILE__ "\\"");\n'}, "CC -c @W@/a.c -o a.o", expect=MISS)

# The working directory.
SUB = {"one/a.c": '#include "k.h"\nint v = K;\n', "two/a.c": '#include "k.h"\nint v = K;\n', "one/k.h": "#define K 1\n", "two/k.h": "#define K 1\n"}
S("two directories of one tree, equal files", SUB, cwd="@W@/one", cwd_b="@W@/two", expect=HIT)
S("two directories of one tree, other header", {**SUB, "two/k.h": "#define K 2\n"}, cwd="@W@/one", cwd_b="@W@/two", expect=MISS, explain=("k.h", "known command", "first compile", "directory"))
S("two directories of one tree, -g", SUB, "CC -g -c a.c -o a.o", cwd="@W@/one", cwd_b="@W@/two", expect=MISS)
S("two directories of one tree, -MD", SUB, "CC -MD -c a.c -o a.o", cwd="@W@/one", cwd_b="@W@/two", expect=HIT)
S("absolute source, relative -I, another directory", {"s/a.c": '#include "k.h"\nint v = K;\n', "one/i/k.h": "#define K 1\n", "two/i/k.h": "#define K 2\n"}, "CC -Ii -c @W@/s/a.c -o a.o",
  cwd="@W@/one", cwd_b="@W@/two", expect=MISS, explain=("k.h", "directory"))
S("relative source by another route", {"d/a.c": "const char *p = __FILE__;\n"}, "CC -c d/a.c -o a.o", cmd_b="CC -c ./d/a.c -o a.o", expect=MISS)
S("the working directory through a link, -g", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -c a.c -o a.o", setup=symlink("@W@", "@T@/link"), cwd_b="@T@/link", expect=MISS)
S("the working directory through a link, no -g", {"a.c": "int f(void) { return 1; }\n"}, setup=symlink("@W@", "@T@/link"), cwd_b="@T@/link", expect=MISS, lost="another spelling of the working directory")
S("the tree moved, -g", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -c a.c -o a.o", change=movetree("@W@", "@X@"), cwd_b="@X@", expect=MISS)

# Prefix maps.
for option in ("-ffile-prefix-map", "-fdebug-prefix-map"):
    S(f"{option} value changes", {"a.c": "int f(void) { return 1; }\n"}, f"CC -g {option}=@W@=/one -c a.c -o a.o", cmd_b=f"CC -g {option}=@W@=/two -c a.c -o a.o", expect=MISS,
      explain=("prefix-map",))
S("-fmacro-prefix-map value changes", {"a.c": FILE}, "CC -fmacro-prefix-map=@W@=/one -c @W@/a.c -o a.o", cmd_b="CC -fmacro-prefix-map=@W@=/two -c @W@/a.c -o a.o", expect=MISS,
  explain=("prefix-map",))
S("-ffile-prefix-map twice, order", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -ffile-prefix-map=@W@=/one -ffile-prefix-map=@W@=/two -c a.c -o a.o",
  cmd_b="CC -g -ffile-prefix-map=@W@=/two -ffile-prefix-map=@W@=/one -c a.c -o a.o", expect=MISS, explain="the order changed")
S("-fdebug-compilation-dir changes", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -fdebug-compilation-dir=/one -c a.c -o a.o",
  cmd_b="CC -g -fdebug-compilation-dir=/two -c a.c -o a.o", expect=MISS, compilers=CLANG, explain=("compilation-dir",))
S("-fcoverage-prefix-map", {"a.c": "int f(void) { return 1; }\n"}, "CC -fprofile-instr-generate -fcoverage-mapping -fcoverage-prefix-map=@W@=/one -c a.c -o a.o",
  cmd_b="CC -fprofile-instr-generate -fcoverage-mapping -fcoverage-prefix-map=@W@=/two -c a.c -o a.o", expect=MISS, explain="prefix-map", compilers=CLANG)

# A .hpcc file at the root: paths become logical, the reference compile gets the same map.
MAP = dict(plain_extra="-ffile-prefix-map=@W@=/hpcc/w")
H = {**A, ".hpcc": ""}


def rooted(name, files, cmd, expect=HIT, to="@X@", sub="", **more):
    S(name, files, cmd, change=copytree("@W@", to), cwd="@W@" + sub, cwd_b=to + sub, cmd_b=cmd.replace("@W@", to), expect=expect,
      plain_extra="-ffile-prefix-map=@W@=/hpcc/w", plain_extra_b=f"-ffile-prefix-map={to}=/hpcc/w", **more)


S(".hpcc root: the map is injected", H, "CC -g -c a.c -o a.o", **MAP)
rooted(".hpcc root: -g crosses", H, "CC -g -c a.c -o a.o")
rooted(".hpcc root: -g crosses to a longer path", H, "CC -g -c a.c -o a.o", to="@L@")
rooted(".hpcc root: -g, absolute source", H, "CC -g -c @W@/a.c -o a.o")
rooted(".hpcc root: __FILE__ of an absolute name", {"a.c": FILE, ".hpcc": ""}, "CC -c @W@/a.c -o a.o")
rooted(".hpcc root: the length of __FILE__", {"a.c": "int n = sizeof(__FILE__);\n", ".hpcc": ""}, "CC -c @W@/a.c -o a.o", to="@L@")
rooted(".hpcc root: from a build directory", {**REL, ".hpcc": ""}, "CC -g -I@W@/inc -c @W@/src/a.c -o a.o", sub="/build")
rooted(".hpcc root: -MD names real paths", {**REL, ".hpcc": ""}, "CC -g -MD -I@W@/inc -c @W@/src/a.c -o a.o", sub="/build", expect=HIT)
rooted(".hpcc root: warnings name real paths", {"a.c": "int f(void) { int u; return 0; }\n", ".hpcc": ""}, "CC -Wall -c @W@/a.c -o a.o", expect=MISS)
rooted(".hpcc root: coverage does not cross wrongly", H, "CC --coverage -frandom-seed=1 -c a.c -o a.o", expect=MISS)
rooted(".hpcc root: -fprofile-generate does not cross wrongly", H, "CC -O1 -fprofile-generate -frandom-seed=1 -c @W@/a.c -o a.o", expect=MISS)
rooted(".hpcc root: -flto does not cross wrongly", H, "CC -flto -g -frandom-seed=1 -c @W@/a.c -o a.o", expect=MISS)
rooted(".hpcc root: ASan with an absolute source", {"a.c": "int g; int f(int a) { return a + g; }\n", ".hpcc": ""}, "CC -fsanitize=address -c @W@/a.c -o a.o", expect=MISS)
rooted(".hpcc root: the user's own map comes after", H, "CC -g -ffile-prefix-map=@W@=/mine -c a.c -o a.o", expect=HIT)
S(".hpcc file appears", A, "CC -g -c a.c -o a.o", change=write(".hpcc", ""), expect=MISS, plain_extra_b="-ffile-prefix-map=@W@=/hpcc/w")
S(".hpcc file goes", H, "CC -g -c a.c -o a.o", change=remove(".hpcc"), expect=MISS, plain_extra="-ffile-prefix-map=@W@=/hpcc/w", plain_extra_b="")
S(".hpcc file nearer appears", {"sub/a.c": "int f(void) { return 1; }\n", ".hpcc": ""}, "CC -g -c a.c -o a.o", cwd="@W@/sub", change=write("sub/.hpcc", ""), expect=MISS,
  plain_extra="-ffile-prefix-map=@W@=/hpcc/w", plain_extra_b="-ffile-prefix-map=@W@/sub=/hpcc/w")

# gcc names system headers in the .d by their real path when that is shorter.
FAR = {"a.c": "#include <s.h>\nint x;\n", "r1/s.h": "", "r2/s.h": ""}
S("a link on the way to a system header moves", FAR, "CC -MD -isystem @W@/a_long_name_of_a_link -c a.c -o a.o", setup=symlink("r1", "a_long_name_of_a_link"),
  change=symlink("r2", "a_long_name_of_a_link"), expect=MISS, compilers=GCC, explain=("a_long_name_of_a_link",))
S("a system header becomes a link", {**FAR, "a_long_name_of_a_directory/s.h": ""}, "CC -MD -isystem @W@/a_long_name_of_a_directory -c a.c -o a.o",
  change=(remove("a_long_name_of_a_directory/s.h"), symlink("../r1/s.h", "a_long_name_of_a_directory/s.h")), expect=MISS, compilers=GCC, explain=("s.h",))
S("a sibling of the root whose name begins like it", {"a.c": "#include <k.h>\nint x = K;\n", "k.h": "#define K 1\n", "@W@2/k.h": "#define K 1\n"}, "CC -I@W@2 -c a.c -o a.o",
  change=write("@W@2/k.h", "#define K 2\n"), expect=MISS)
