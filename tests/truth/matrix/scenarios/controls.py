"""What must stay a hit: a cache that never hits proves nothing."""
from scenario import *

S = scenarios("control")
C = {"a.c": '#include "a.h"\n#include <stddef.h>\nint f(int n) { return n * K; }\n', "a.h": "#define K 3\n"}
CPP = {"a.cc": '#include "a.h"\n#include <vector>\nint f(int n) { std::vector<int> v(n); return v.size() * K; }\n',
       "a.h": "#define K 3\n"}

S("run again", C)
S("run again, C++ with a standard header", CPP, "CXX -c a.cc -o a.o")
S("run again, <stdio.h>", {"a.c": '#include <stdio.h>\nint main(void) { puts("hi"); }\n'})
S("run again, <iostream>", {"a.cc": '#include <iostream>\nint main() { std::cout << "hi"; }\n'}, "CXX -O1 -c a.cc")
S("the source is touched", C, change=touch("a.c"))
S("the source is touched to the past", C, change=touch("a.c", 1_000_000_000))
S("a header is touched", C, change=touch("a.h"))
S("source and header rewritten with equal content", C, change=(write("a.c", C["a.c"]), write("a.h", C["a.h"])))
S("header replaced by rename with equal content", C, change=replace("a.h", C["a.h"]))
S("header removed and put back", C, change=(remove("a.h"), write("a.h", C["a.h"])))
S("header's mode changed", C, change=chmod("a.h", 0o600))
S("header becomes a symlink to equal content", C, change=(rename("a.h", "real.h"), symlink("real.h", "a.h")), expect=HIT)
S("another output name", C, cmd_b="CC -c a.c -o b.o")
S("another output directory", {**C, "out/keep": ""}, cmd_b="CC -c a.c -o out/a.o")
S("absolute output name", C, cmd_b="CC -c a.c -o @W@/a.o")
S("output name by default, then given", C, "CC -c a.c", cmd_b="CC -c a.c -o a.o")
S("-o joined", C, cmd_b="CC -c a.c -oa.o")
S("-o before -c", C, cmd_b="CC -o a.o -c a.c")
S("source first", C, cmd_b="CC a.c -c -o a.o", expect=MISS, lost="words in another order")
S("output already there", C, keep=True)
S("output there but stale", C, keep=True, change=write("a.o", "old"))
S("an unrelated file appears beside the source", C, change=write("notes.txt", "x"))
S("an unrelated file appears in an include directory", {**C, "inc/b.h": ""}, "CC -Iinc -c a.c -o a.o",
  change=write("inc/other.h", ""))
S("an unread header is edited", {**C, "b.h": "1"}, change=write("b.h", "2"))
S("an unread header is removed", {**C, "b.h": "1"}, change=remove("b.h"))
S("a conditional header is edited while its condition is false",
  {"a.c": '#ifdef WANT\n#include "b.h"\n#endif\nint x;\n', "b.h": "int y;\n"}, change=write("b.h", "int z;\n"))
S("back to the first content of a header", C, via=write("a.h", "#define K 4\n"), change=write("a.h", C["a.h"]))
S("back to the first content of the source", C, via=write("a.c", "int g;\n"), change=write("a.c", C["a.c"]))
S("back to a header that was away", {"a.c": '#if __has_include("b.h")\n#include "b.h"\n#endif\nint x;\n', "b.h": "int y;\n"},
  via=remove("b.h"), change=write("b.h", "int y;\n"))
S("an unrelated variable appears", C, env_b={"SOME_VARIABLE": "1"})
S("another HOME", C, env_b={"HOME": "@W@"}, compilers=GCC)
S("another HOME, clang", C, env_b={"HOME": "@W@"}, compilers=CLANG, expect=MISS, lost="a variable that this compile does not use")
S("another TMPDIR", {**C, "tmp/keep": ""}, env_b={"TMPDIR": "@W@/tmp"})
S("make's variables", C, env={"MAKEFLAGS": "-j1", "MAKELEVEL": "1"}, env_b={"MAKEFLAGS": "w -j4", "MAKELEVEL": "2"})
S("colour asked for, no messages", C, cmd_b="CC -fdiagnostics-color=always -c a.c -o a.o")
S("colour never, no messages", C, cmd_b="CC -fdiagnostics-color=never -c a.c -o a.o")
S("warnings are replayed", {"a.c": "int f(void) { int unused; return 0; }\n"}, "CC -Wall -c a.c -o a.o")
S("warnings of a header are replayed", {"a.c": '#include "a.h"\n', "a.h": "static int f(void) { int unused; return 0; }\n"},
  "CC -Wall -c a.c -o a.o")
S("warnings with another output name", {"a.c": "int f(void) { int unused; return 0; }\n"}, "CC -Wall -c a.c -o a.o",
  cmd_b="CC -Wall -c a.c -o b.o")
S("#pragma message", {"a.c": '#pragma message "hello"\nint x;\n'})
S("#warning", {"a.c": '#warning hello\nint x;\n'})
S("note on stdout under -H goes to stderr", C, "CC -H -c a.c -o a.o", expect="bypass:unsupported_option", populate="bypass:unsupported_option")
S("empty source", {"a.c": ""})
S("empty header", {"a.c": '#include "a.h"\nint x;\n', "a.h": ""})
S("preprocessed C", {"a.i": '# 1 "a.c"\nint f(void) { return 1; }\n'}, "CC -c a.i -o a.o")
S("preprocessed C++", {"a.ii": '# 1 "a.cc"\nint f() { return 1; }\n'}, "CXX -c a.ii -o a.o")
S("assembler", {"a.s": ".globl f\nf: ret\n"}, "CC -c a.s -o a.o")
S("assembler with cpp", {"a.S": '#include "a.h"\n.globl f\nf: mov $K, %eax\n ret\n', "a.h": "#define K 3\n"}, "CC -c a.S -o a.o")
S("-S", C, "CC -S a.c -o a.s")
S("-S without -o", C, "CC -S a.c")
S("-fsyntax-only", C, "CC -fsyntax-only a.c", expect=HIT)
S("-x c++ on a .c file", {"a.c": "struct A { int f() { return 1; } };\nint g() { return A().f(); }\n"}, "CC -x c++ -c a.c -o a.o")
S("cc's other names: C++ source through the C driver", {"a.cc": "int f() { return 1; }\n"}, "CC -c a.cc -o a.o")
for ext in ("cpp", "cxx", "C", "c++", "cp"):
    S(f"source extension .{ext}", {f"a.{ext}": "int f() { return 1; }\n"}, f"CXX -c a.{ext} -o a.o")
S("source name with blanks and quotes", {"a 'b\" c.c": "int x;\n"}, "CC -c \"a 'b\\\" c.c\" -o 'o ut.o'")
S("source name beyond ASCII", {"größe.c": "int x;\n"}, "CC -c größe.c -o größe.o")
S("source name with $ and #", {"a$b#c.c": "int x;\n"}, "CC -MD -c 'a$b#c.c' -o 'a$b#c.o'")
S("source name starting with a dash", {"-a.c": "int x;\n"}, "CC -c ./-a.c -o a.o")
S("source in a deep directory", {"d/" * 30 + "a.c": "int x;\n"}, "CC -c " + "d/" * 30 + "a.c -o a.o")
S("-include", {**C, "pre.h": "#define P 1\n"}, "CC -include pre.h -c a.c -o a.o")
S("-imacros", {**C, "pre.h": "#define P 1\n"}, "CC -imacros pre.h -c a.c -o a.o")
S("many -I", {**C, **{f"i{n}/x.h": "" for n in range(30)}}, "CC " + " ".join(f"-Ii{n}" for n in range(30)) + " -c a.c -o a.o")
S("-I of a missing directory", C, "CC -Inone -c a.c -o a.o")
S("libraries on a compile line", C, "CC -c a.c -o a.o -L. -lm -Wl,-O1")
S("-march=native on the same processor", C, "CC -O2 -march=native -c a.c -o a.o")
S("-mtune=native on the same processor", C, "CC -O2 -mtune=native -c a.c -o a.o")

# Command lines as build systems write them.
HARD = "-g -O2 -fstack-protector-strong -Wformat -Werror=format-security -Wdate-time -D_FORTIFY_SOURCE=2"
S("Debian's hardening flags", C, f"CC {HARD} -ffile-prefix-map=@W@=. -fdebug-prefix-map=@W@=/usr/src/x-1 -fPIE -c a.c -o a.o")
S("autotools with libtool", {**C, ".deps/x": "", ".libs/x": "", "config.h": ""},
  "CC -DHAVE_CONFIG_H -I. -Wall -g -O2 -MT a.lo -MD -MP -MF .deps/a.Tpo -c a.c -fPIC -DPIC -o .libs/a.o")
S("CMake and Ninja, C++", {**CPP, "build/CMakeFiles/t.dir/x": ""},
  "CXX -DNDEBUG -I@W@ -O3 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -std=gnu++17 -MD -MT CMakeFiles/t.dir/a.cc.o "
  "-MF CMakeFiles/t.dir/a.cc.o.d -o CMakeFiles/t.dir/a.cc.o -c @W@/a.cc", cwd="@W@/build")
S("Meson", {**C, "build/p/x": ""},
  "CC -Ip -I.. -fdiagnostics-color=always -D_FILE_OFFSET_BITS=64 -Wall -Winvalid-pch -Wextra -std=c11 -O0 -g -fPIC -pthread "
  "-MD -MQ p/a.c.o -MF p/a.c.o.d -o p/a.c.o -c ../a.c", cwd="@W@/build")
S("Bazel", CPP, "CXX -U_FORTIFY_SOURCE -fstack-protector -Wall -Wunused-but-set-parameter -Wno-free-nonheap-object "
  "-fno-omit-frame-pointer -g0 -O2 -D_FORTIFY_SOURCE=1 -DNDEBUG -ffunction-sections -fdata-sections -std=c++14 -MD -MF a.pic.d "
  "-frandom-seed=a.pic.o -fPIC -iquote . -fno-canonical-system-headers -Wno-builtin-macro-redefined "
  "'-D__DATE__=\"redacted\"' '-D__TIMESTAMP__=\"redacted\"' '-D__TIME__=\"redacted\"' -c a.cc -o a.pic.o", compilers=GCC)
KBUILD = ("CC -Wp,-MMD,./.a.o.d -nostdinc -I./inc -include ./inc/k.h -D__KERNEL__ -fmacro-prefix-map=./= -Wall -Wundef "
          "-Werror=strict-prototypes -Wno-trigraphs -fno-strict-aliasing -fno-common -fshort-wchar -fno-PIE -std=gnu11 -mno-sse "
          "-mno-mmx -mno-sse2 -mno-3dnow -mno-avx -fcf-protection=none -m64 -falign-loops=1 -mno-80387 -mtune=generic "
          "-mno-red-zone -mcmodel=kernel -Wno-sign-compare -fno-asynchronous-unwind-tables -fno-jump-tables "
          "-fno-delete-null-pointer-checks -O2 -fstack-protector-strong -Wframe-larger-than=2048 -fomit-frame-pointer "
          "-ftrivial-auto-var-init=zero{more} -falign-functions=16 -Wdeclaration-after-statement -Wvla -Wno-pointer-sign "
          "-fno-strict-overflow -Werror=date-time -Werror=incompatible-pointer-types '-DKBUILD_MODFILE=\"k/a\"' "
          "'-DKBUILD_BASENAME=\"a\"' -D__KBUILD_MODNAME=kmod_a -c -o a.o a.c")
K = {"a.c": '#include "k.h"\nint f(int n) { return n * KK; }\n', "inc/k.h": "#define KK 1\n"}
S("Kbuild with gcc", K, KBUILD.format(more=" -falign-jumps=1 -mno-fp-ret-in-387 -mpreferred-stack-boundary=3 -mskip-rax-setup "
  "-mindirect-branch=thunk-extern -mindirect-branch-register -mfunction-return=thunk-extern -fno-allow-store-data-races "
  "-fno-stack-clash-protection -fno-inline-functions-called-once -fconserve-stack -Werror=designated-init "
  "-Wno-packed-not-aligned"), compilers=GCC)
S("Kbuild with clang", K, KBUILD.format(more=" -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang "
  "-mstack-alignment=8 -mretpoline-external-thunk -Wno-gnu -Wno-format-invalid-specifier -no-integrated-as"), compilers=CLANG)
S("qmake", CPP, "CXX -c -pipe -O2 -std=gnu++11 -Wall -W -D_REENTRANT -fPIC -DQT_NO_DEBUG -DQT_GUI_LIB -I. -isystem inc -o a.o a.cc")
S("Rust's cc crate", C, "CC -O3 -ffunction-sections -fdata-sections -fPIC -m64 -Wall -Wextra -o @W@/a.o -c a.c")
S("Python's distutils", C, "CC -Wsign-compare -DNDEBUG -g -fwrapv -O2 -Wall -g -fPIC -I/usr/include/python3.11 -c a.c -o a.o")
S("Go's cgo", C, "CC -I . -fPIC -m64 -pthread -Wl,--no-gc-sections -fmessage-length=0 -ffile-prefix-map=@W@=/tmp/go-build "
  "-gno-record-gcc-switches -g -O2 -frandom-seed=abc -o a.o -c a.c")
S("back to the first content of a header, twice", C, via=write("a.h", "#define K 4\n"), change=write("a.h", C["a.h"]), again=True)
S("back to a header whose warning was away", {"a.c": '#include "a.h"\nint x;\n', "a.h": "#warning one\n"}, via=write("a.h", "#warning two\n"),
  change=write("a.h", "#warning one\n"))
