"""Programs and files behind the driver."""
from scenario import *

S = scenarios("toolchain")
AS = '#!/bin/sh\nexec /usr/bin/as --defsym X={} "$@"\n'
ASC = {"a.s": ".ifndef X\n.set X,0\n.endif\n.long X\n", "t/as": AS.format(1), "u/as": AS.format(2)}
INC = 'asm(".ifndef X\\n.set X,0\\n.endif\\n.long X");\n'
PATHS = "/usr/local/bin:/usr/bin:/bin"


def wrapper(text):
    return sh(f"mkdir -p bin; printf '%s\\n' '#!/bin/sh' '{text}' > bin/gcc; chmod +x bin/gcc", "gcc")


S("-B directory: as edited", ASC, "CC -Bt/ -c a.s -o a.o", change=write("t/as", AS.format(3)), expect=MISS, compilers=GCC)
S("-B directory: as edited, same size and mtime", ASC, "CC -Bt/ -c a.s -o a.o", change=write_same_stat("t/as", AS.format(3)), expect=MISS, compilers=GCC)
S("-B directory: control", ASC, "CC -Bt/ -c a.s -o a.o", compilers=GCC)
S("-B directory: as touched", ASC, "CC -Bt/ -c a.s -o a.o", change=touch("t/as"), compilers=GCC)
S("-B directory: another one", ASC, "CC -Bt/ -c a.s -o a.o", cmd_b="CC -Bu/ -c a.s -o a.o", expect=MISS, compilers=GCC, explain=("-B",))
S("-B directory: two, other order", ASC, "CC -Bt/ -Bu/ -c a.s -o a.o", cmd_b="CC -Bu/ -Bt/ -c a.s -o a.o", expect=MISS, compilers=GCC, explain="the order changed")
S("-B directory: as appears", {**ASC, "e/x": ""}, "CC -Be/ -c a.s -o a.o", change=write("e/as", AS.format(5)), expect=MISS, compilers=GCC, explain=("as", "e"))
S("-B directory: as goes", ASC, "CC -Bt/ -c a.s -o a.o", change=remove("t/as"), expect=MISS, compilers=GCC)
S("-B directory: as is a link that moves", {**ASC, "e/x": ""}, "CC -Be/ -c a.s -o a.o", setup=symlink("../t/as", "e/as"), change=symlink("../u/as", "e/as"), expect=MISS, compilers=GCC)
S("-B directory: as for C", {**ASC, "a.c": INC}, "CC -Bt/ -c a.c -o a.o", change=write("t/as", AS.format(3)), expect=MISS, compilers=GCC, source="a.c")
S("-B directory: as of clang", {**ASC, "a.c": INC}, "CC -fno-integrated-as -Bt/ -c a.c -o a.o", change=write("t/as", AS.format(3)), expect=MISS, compilers=CLANG, source="a.c")
S("-B directory: a file that as reads", {**ASC, "t/as": '#!/bin/sh\nexec /usr/bin/as --defsym X=$(cat @W@/conf) "$@"\n', "conf": "1"}, "CC -Bt/ -c a.s -o a.o",
  change=write("conf", "2"), expect=MISS, compilers=GCC)
S("-B directory: cc1 is a script", {"a.c": "int v = X;\n", "t/cc1": '#!/bin/sh\nexec "$(gcc -print-prog-name=cc1)" -DX=1 "$@"\n'}, "CC -Bt/ -c a.c -o a.o",
  change=write("t/cc1", '#!/bin/sh\nexec "$(gcc -print-prog-name=cc1)" -DX=2 "$@"\n'), expect=MISS, compilers=GCC)
S("-B directory: an include directory in it", {"a.c": "#include <m.h>\nint v = M;\n", "t/include/m.h": "#define M 1\n"}, "CC -Bt/ -c a.c -o a.o",
  change=write("t/include/m.h", "#define M 2\n"), expect=MISS, compilers=GCC)
S("PATH: as appears earlier", {**ASC, "e/x": ""}, "CC -c a.s -o a.o", env={"PATH": "@W@/e:" + PATHS}, change=write("e/as", AS.format(5)), expect=MISS, compilers=GCC, explain=("as",))
S("PATH: as edited", ASC, "CC -c a.s -o a.o", env={"PATH": "@W@/t:" + PATHS}, change=write("t/as", AS.format(5)), expect=MISS, compilers=GCC)
S("PATH: another directory with as", ASC, "CC -c a.s -o a.o", env={"PATH": "@W@/t:" + PATHS}, env_b={"PATH": "@W@/u:" + PATHS}, expect=MISS, compilers=GCC, explain=("PATH", "as"))
S("PATH: as of clang edited", {**ASC, "a.c": INC}, "CC -fno-integrated-as -c a.c -o a.o", env={"PATH": "@W@/t:" + PATHS}, change=write("t/as", AS.format(5)), expect=HIT,
  compilers=CLANG, source="a.c")
S("PATH: as ceases to be executable", ASC, "CC -c a.s -o a.o", env={"PATH": "@W@/t:" + PATHS}, change=chmod("t/as", 0o644), expect=MISS, compilers=GCC)
S("driver: a wrapper script edited, same size and mtime", {"a.c": "int v = X;\n"}, "bin/gcc -c a.c -o a.o", setup=wrapper('exec /usr/bin/@CC@ -DX=1 "$@"'),
  change=sh("touch -r bin/gcc ref; sed -i s/X=1/X=2/ bin/gcc; touch -r ref bin/gcc; rm ref", "gcc"), expect=MISS, explain="driver changed")
S("driver: a wrapper script edited", {"a.c": "int v = X;\n"}, "bin/gcc -c a.c -o a.o", setup=wrapper('exec /usr/bin/@CC@ -DX=1 "$@"'), change=sh("sed -i s/X=1/X=12/ bin/gcc", "gcc"),
  expect=MISS, explain="driver changed")
S("driver: a wrapper script, control", {"a.c": "int v = X;\n"}, "bin/gcc -c a.c -o a.o", setup=wrapper('exec /usr/bin/@CC@ -DX=1 "$@"'), expect=HIT)
S("driver: a wrapper script reads a file", {"a.c": "int v = X;\n", "conf": "1"}, "bin/gcc -c a.c -o a.o", setup=wrapper('exec /usr/bin/@CC@ -DX=$(cat conf) "$@"'),
  change=write("conf", "2"), expect=MISS)
S("driver: a wrapper script lists a directory", {"a.c": "int v = X;\n", "d/one": ""}, "bin/gcc -c a.c -o a.o", setup=wrapper('exec /usr/bin/@CC@ -DX=$(ls d | wc -l) "$@"'),
  change=write("d/two", ""), expect=MISS)
S("driver: a wrapper script tests for a file", {"a.c": "int v = X;\n"}, "bin/gcc -c a.c -o a.o", setup=wrapper('if test -e flag; then X=1; else X=2; fi; exec /usr/bin/@CC@ -DX=$X "$@"'),
  change=write("flag", ""), expect=MISS)
S("driver: a wrapper that reads PWD as it stands", {"a.c": "int v = X;\n", "long/x": ""}, "bin/gcc -c a.c -o a.o",
  setup=(write("bin/gcc", "#!/usr/bin/perl\nexec '/usr/bin/@CC@', '-DX=' . length($ENV{PWD}), @ARGV;\n"), wait(0.02)), env_b={"PWD": "@W@/long"}, expect=MISS,
  explain="pwd", needs=need_program("perl"))
S("driver: found in PATH, another comes earlier", {"a.c": "#ifdef X\nint v = 1;\n#endif\n", "e/x": ""}, "CC -c a.c -o a.o", env={"PATH": "@W@/e:" + PATHS},
  change=sh("printf '%s\\n' '#!/bin/sh' 'exec /usr/bin/@CC@ -DX \"$@\"' > e/@CC@; chmod +x e/@CC@"), expect=MISS, explain="driver changed")
S("driver: a link that moves to another compiler", {"a.c": "#ifdef __clang__\nint v = 1;\n#else\nint v = 2;\n#endif\n"}, "bin/cc -c a.c -o a.o",
  setup=(mkdir("bin"), symlink("/usr/bin/gcc", "bin/cc")), change=symlink("/usr/bin/clang", "bin/cc"), expect=MISS, compilers=GCC, needs=need_program("clang", "gcc"))
S("driver: a link, control", {"a.c": "int v;\n"}, "bin/@CC@ -c a.c -o a.o", setup=(mkdir("bin"), symlink("/usr/bin/@CC@", "bin/@CC@")))
S("driver: cc", {"a.c": "int v;\n"}, "cc -c a.c -o a.o", compilers=GCC)
S("driver: c++", {"a.cc": "int v;\n"}, "c++ -c a.cc -o a.o", compilers=GCC)
S("driver: a target prefix", {"a.c": "int v;\n"}, "x86_64-linux-gnu-gcc -c a.c -o a.o", compilers=GCC, needs=need_program("x86_64-linux-gnu-gcc"))
S("driver: a version suffix", {"a.c": "int v;\n"}, "gcc-12 -c a.c -o a.o", compilers=GCC, needs=need_program("gcc-12"))
S("driver: a version suffix, clang", {"a.c": "int v;\n"}, "clang-14 -c a.c -o a.o", compilers=CLANG, needs=need_program("clang-14"))
S("driver: an absolute path", {"a.c": "int v;\n"}, "/usr/bin/@CC@ -c a.c -o a.o")
S("driver: gcc and g++ on one .cc", {"a.cc": "int v;\n"}, "CC -c a.cc -o a.o", cmd_b="CXX -c a.cc -o a.o", expect=MISS, lost="another driver of the same compiler")
S("driver: gcc, then g++ on a .c file", {"a.c": "int f(int n) { return n; }\n"}, "CC -c a.c -o a.o", cmd_b="CXX -c a.c -o a.o", expect=MISS, explain=("driver changed", "driver @CXX@"))
S("driver: gcc, then clang", {"a.c": "int f(int n) { return n; }\n"}, "gcc -c a.c -o a.o", cmd_b="clang -c a.c -o a.o", expect=MISS, compilers=GCC, explain="clang",
  needs=need_program("clang"))
S("driver: a copy elsewhere", {"a.c": "int v;\n"}, "bin/gcc -c a.c -o a.o", setup=sh("mkdir bin; cp -L /usr/bin/gcc bin/gcc"), compilers=GCC, expect=FAILS, populate=FAILS)
S("driver: clang copy with a config file beside it", {"a.c": "#ifdef X\nint v = 1;\n#endif\n"}, "bin/clang -c a.c -o a.o",
  setup=sh("mkdir bin; cp -L /usr/bin/clang-14 bin/clang"), change=write("bin/clang.cfg", "-DX\n"), expect=HIT, compilers=CLANG, needs=need_program("clang-14"))
S("driver: clang by a target name gets its config file", {"a.c": "#ifdef X\nint v = 1;\n#endif\n"}, "bin/x86_64-linux-gnu-clang -c a.c -o a.o",
  setup=sh("mkdir bin; cp -L /usr/bin/clang-14 bin/x86_64-linux-gnu-clang"), change=write("bin/x86_64-linux-gnu-clang.cfg", "-DX\n"), expect=MISS, compilers=CLANG, needs=need_program("clang-14"))
S("driver: its name is argv[0] of messages", {"a.c": "int x = ;\n"}, "/usr/bin/@CC@ -c a.c -o a.o", expect=FAILS, populate=FAILS)
S("driver: another cache as compiler", {"a.c": "int v;\n"}, "ccache @CC@ -c a.c -o a.o", env={"CCACHE_DIR": "@T@/../p/inner"}, expect="bypass:unknown_compiler", populate="bypass:unknown_compiler",
  needs=need_program("ccache"))
S("driver: not a compiler", {"a.c": "int v;\n"}, "env @CC@ -c a.c -o a.o", expect="bypass:unknown_compiler", populate="bypass:unknown_compiler")
S("-fplugin= comes from a file that is replaced", {"a.c": "int v;\n", "p.c": "int plugin_is_GPL_compatible; int plugin_init(void *a, void *b) { return 0; }\n"},
  "CC -fplugin=./p.so -c a.c -o a.o", setup=sh("@CC@ -shared -fPIC p.c -o p.so"), change=sh("sed -i 's/return 0/return 1/' p.c; @CC@ -shared -fPIC p.c -o p.so", "p.so"),
  expect=FAILS, compilers=GCC)
S("-fplugin=: control", {"a.c": "int v;\n", "p.c": "int plugin_is_GPL_compatible; int plugin_init(void *a, void *b) { return 0; }\n"}, "CC -fplugin=./p.so -c a.c -o a.o",
  setup=sh("@CC@ -shared -fPIC p.c -o p.so"), compilers=GCC, expect=HIT)
S("-specs= appended options", {"a.c": "int f(void) { return X; }\n", "s": "*cpp_unique_options:\n+ -DX=1\n\n"}, "CC -specs=s -c a.c -o a.o", compilers=GCC, expect=HIT)
S("-resource-dir changes", {"a.c": "#include <stddef.h>\nint v = sizeof(size_t);\n", "r/include/stddef.h": "typedef unsigned char size_t;\n"}, "CC -c a.c -o a.o",
  cmd_b="CC -nostdinc -isystem r/include -c a.c -o a.o", expect=MISS, explain=("isystem", "nostdinc"))
S("-resource-dir content", {"a.c": "#include <stddef.h>\nint v = Z;\n", "r/include/stddef.h": "#define Z 1\n"}, "CC -resource-dir=r -c a.c -o a.o", compilers=CLANG,
  change=write("r/include/stddef.h", "#define Z 2\n"), expect=MISS)
S("--gcc-toolchain", {"a.cc": "int v;\n"}, "CXX --gcc-toolchain=/usr -c a.cc -o a.o", compilers=CLANG, expect=HIT)
S("a shared object of the compiler appears in LD_LIBRARY_PATH", {"a.c": "int v;\n", "lib/x": ""}, env={"LD_LIBRARY_PATH": "@W@/lib"},
  change=sh("so=$(ldd $(gcc -print-prog-name=cc1) | sed -n 's/.*=> \\(.*libmpfr[^ ]*\\) .*/\\1/p'); cp -L $so lib/; printf x >> lib/$(basename $so)", "libmpfr"), expect=MISS,
  compilers=GCC, needs=lambda p: None if __import__("os").path.exists("/usr/lib/x86_64-linux-gnu/libmpfr.so.6") else "no libmpfr here", lost="a probe or an identity that turned out not to matter")


def as_script(name, script, files=(), change=(), expect=MISS, **more):
    """An assembler that sets X by some lines of shell, as wrappers do."""
    S(f"-B directory: {name}", {**ASC, "t/as": f'#!/bin/sh\n{script}\nexec /usr/bin/as --defsym X=$X "$@"\n', **dict(files)}, "CC -Bt/ -c a.s -o a.o", change=change,
      expect=expect, compilers=GCC, **more)


INTERPRETER = "#include <unistd.h>\nint main(int n, char **v) { v[1] = \"--defsym=X=1\"; return n ? execv(\"/usr/bin/as\", v) : 0; }\n"
as_script("the interpreter of as", "", {"t/as": "#!@W@/t/sh\n", "sh.c": INTERPRETER}, sh("sed -i s/X=1/X=2/ sh.c; @CC@ sh.c -o t/sh", "t/sh"),
          setup=sh("@CC@ sh.c -o t/sh"))
as_script("a shared object of as", "", {"as.c": INTERPRETER.replace('"--defsym=X=1"', "x").replace("int main", "extern char *x; int main"), "x.c": "char *x = \"--defsym=X=1\";\n",
                                        "b/as": '#!/bin/sh\nexec @W@/t/as one "$@"\n'},
          sh("sed -i s/X=1/X=2/ x.c; @CC@ -shared -fPIC x.c -o t/libx.so", "libx.so"),
          setup=sh("rm t/as; @CC@ -shared -fPIC x.c -o t/libx.so; @CC@ as.c -o t/as -Lt -lx -Wl,-rpath,@W@/t; mv t/as t/real; printf '#!/bin/sh\\nexec @W@/t/real one \"$@\"\\n' > t/as; chmod +x t/as"))
as_script("as leaves a log", "X=1; echo ran >> @W@/log", expect="not stored:output_missing", populate="not stored:output_missing")
as_script("as changes its directory", "X=$(cd @W@/sub && cat conf)", {"sub/conf": "1"}, write("sub/conf", "2"))
as_script("as reads by a directory's descriptor", "X=$(grep -rh . @W@/sub)", {"sub/conf": "1"}, write("sub/conf", "2"))
as_script("as tests for a link, then reads it", "test -L conf && X=$(cat conf)", {"real": "1"}, write("real", "2"), setup=symlink("real", "conf"), explain=("real", "conf"))
as_script("as asks whether a name is a link", "if test -L conf; then X=1; else X=2; fi", {"real": "1"}, (remove("conf"), write("conf", "1")), setup=symlink("real", "conf"))
as_script("as asks where a link leads", "X=$(readlink conf)", {"1": "", "2": ""}, symlink("2", "conf"), setup=symlink("1", "conf"))
as_script("as in a mount namespace", "exec unshare -m @W@/t/inner \"$@\"", {"t/inner": '#!/bin/sh\nmount --bind @W@/two @W@/one\nexec /usr/bin/as --defsym X=$(cat @W@/one/conf) "$@"\n',
                                                                            "one/conf": "0", "two/conf": "1"}, write("two/conf", "2"), expect="not stored:untraced", populate="not stored:untraced", needs=need_unshare)
as_script("as leaves a process behind", "X=1; sleep 3 </dev/null >/dev/null 2>&1 &", expect="not stored:untraced", populate="not stored:untraced")
ASK = """#!/usr/bin/python3 -SE
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("@W@/server")
os.execv("/usr/bin/as", ["as", "--defsym", "X=" + s.recv(9).decode(), *sys.argv[1:]])
"""
as_script("as asks a server", "", {"t/as": ASK, "answer": "1"}, write("answer", "2"), setup=serve("server", "answer"), expect="not stored:volatile_input", populate="not stored:volatile_input")
as_script("as reads its limits", "X=$(sed -n 's/^Max open files *\\([0-9]*\\) .*/\\1/p' /proc/self/limits)", wrap_b="sh -c 'ulimit -n 64; exec \"$@\"' sh", expect="not stored:volatile_input", populate="not stored:volatile_input")
ACCESS = """#!/usr/bin/python3 -SE
import os, sys
os.execv("/usr/bin/as", ["as", "--defsym", "X=%d" % os.access("@W@/flag", os.F_OK), *sys.argv[1:]])
"""
as_script("as asks by access", "", {"t/as": ACCESS}, write("flag", ""))
as_script("as asks for the output", "if test -e a.o; then X=1; else X=2; fi", keep=True, expect="not stored:input_changed", populate="not stored:input_changed")
as_script("as asks for the output by its whole name", "if test -e @W@/a.o; then X=1; else X=2; fi", keep=True, expect="not stored:input_changed", populate="not stored:input_changed")
PROGRAM = """#include <string.h>
#include <unistd.h>
int main(int n, char **v) {
  char *w[64] = {"as", "--defsym", access("a.o", F_OK) ? "X=2" : "X=1"};
  memcpy(w + 3, v + 1, n * sizeof *v);
  return execv("/usr/bin/as", w);
}
"""
as_script("as is a program that asks for the output", "", {"as.c": PROGRAM}, keep=True, setup=sh("@CC@ as.c -o t/as"), expect="not stored:input_changed", populate="not stored:input_changed")
as_script("as asks a program for the output", "X=$(ls a.o 2>/dev/null | wc -l)", keep=True, expect="not stored:input_changed", populate="not stored:input_changed")
