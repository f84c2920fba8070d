"""Variables the compiler reads."""
from scenario import *

S = scenarios("environment")
X = {"a.c": "#include <x.h>\nint v = X;\n", "one/x.h": "#define X 1\n", "two/x.h": "#define X 2\n"}
XX = {"a.cc": X["a.c"], "one/x.h": X["one/x.h"], "two/x.h": X["two/x.h"]}
WARN = {"a.c": "int f(void) { int unused; return 0; }\n"}
ONE = {"a.c": "int f(int n) { return n; }\n"}

for name in ("CPATH", "C_INCLUDE_PATH"):
    S(f"{name} changes", X, env={name: "one"}, env_b={name: "two"}, expect=MISS)
    S(f"{name} in another order", X, env={name: "one:two"}, env_b={name: "two:one"}, expect=MISS)
    S(f"{name}: control", X, env={name: "@W@/one"})
S("CPATH's empty element is the working directory", {"d/a.c": "#include <x.h>\nint v = X;\n", "x.h": "#define X 3\n", "one/x.h": "#define X 1\n"}, "CC -c d/a.c -o a.o",
  env={"CPATH": "one"}, env_b={"CPATH": ":one"}, expect=MISS)
S("CPLUS_INCLUDE_PATH changes", XX, "CXX -c a.cc -o a.o", env={"CPLUS_INCLUDE_PATH": "one"}, env_b={"CPLUS_INCLUDE_PATH": "two"}, expect=MISS)
S("CPLUS_INCLUDE_PATH does not touch C", {"a.c": "int x;\n"}, env_b={"CPLUS_INCLUDE_PATH": "two"}, expect=MISS, lost="a variable that this compile does not use")
S("OBJC_INCLUDE_PATH does not touch C", {"a.c": "int x;\n"}, env_b={"OBJC_INCLUDE_PATH": "two"}, expect=MISS, lost="a variable that this compile does not use")
S("CPATH content", X, env={"CPATH": "one"}, change=write("one/x.h", "#define X 7\n"), expect=MISS)
AS = '#!/bin/sh\nexec /usr/bin/as --defsym X={} "$@"\n'
ASC = {"a.s": ".ifndef X\n.set X,0\n.endif\n.long X\n", "t/as": AS.format(1), "u/as": AS.format(2)}
S("COMPILER_PATH appears", ASC, "CC -c a.s -o a.o", env_b={"COMPILER_PATH": "@W@/t"}, expect=MISS, compilers=GCC)
S("COMPILER_PATH changes", ASC, "CC -c a.s -o a.o", env={"COMPILER_PATH": "@W@/t"}, env_b={"COMPILER_PATH": "@W@/u"}, expect=MISS, compilers=GCC)
S("COMPILER_PATH content", ASC, "CC -c a.s -o a.o", env={"COMPILER_PATH": "@W@/t"}, change=write_same_stat("t/as", AS.format(3)), expect=MISS, compilers=GCC)
S("COMPILER_PATH: control", ASC, "CC -c a.s -o a.o", env={"COMPILER_PATH": "@W@/t"}, compilers=GCC)
S("GCC_EXEC_PREFIX set", ASC, "CC -c a.s -o a.o", env_b={"GCC_EXEC_PREFIX": "@W@/t/"}, expect=MISS, compilers=GCC)
S("CCC_OVERRIDE_OPTIONS adds -D", {"a.c": "#ifdef X\nint v = 1;\n#else\nint v = 0;\n#endif\n"}, env_b={"CCC_OVERRIDE_OPTIONS": "# +-DX"}, expect="bypass:unsupported_environment", compilers=CLANG)
S("CCC_OVERRIDE_OPTIONS changes -O", {"a.c": "int f(int n) { return n * 8; }\n"}, "CC -O0 -c a.c -o a.o", env={"CCC_OVERRIDE_OPTIONS": "# O1"},
  env_b={"CCC_OVERRIDE_OPTIONS": "# O0"}, expect="bypass:unsupported_environment", compilers=CLANG, populate="bypass:unsupported_environment")
S("LC_ALL: quotes in messages", WARN, "CC -Wall -c a.c -o a.o", env={"LC_ALL": "C"}, env_b={"LC_ALL": "C.UTF-8"}, expect=MISS, compilers=GCC)
S("LANG: quotes in messages", WARN, "CC -Wall -c a.c -o a.o", env={"LC_ALL": None, "LANG": "C"}, env_b={"LC_ALL": None, "LANG": "C.UTF-8"}, expect=MISS, compilers=GCC)
S("LC_CTYPE: quotes in messages", WARN, "CC -Wall -c a.c -o a.o", env={"LC_ALL": None, "LC_CTYPE": "C"}, env_b={"LC_ALL": None, "LC_CTYPE": "C.UTF-8"}, expect=MISS, compilers=GCC)
S("LC_MESSAGES changes", WARN, "CC -Wall -c a.c -o a.o", env={"LC_ALL": None}, env_b={"LC_ALL": None, "LC_MESSAGES": "C"}, expect=MISS, lost="a variable that this compile does not use")
S("LANGUAGE changes", WARN, "CC -Wall -c a.c -o a.o", env={"LANGUAGE": "de"}, env_b={"LANGUAGE": "fr"}, expect=MISS, lost="a variable that this compile does not use")
S("LC_ALL without messages", ONE, env={"LC_ALL": "C"}, env_b={"LC_ALL": "C.UTF-8"}, expect=MISS, lost="a variable that this compile does not use")
S("GCC_COLORS with colour", WARN, "CC -Wall -fdiagnostics-color=always -c a.c -o a.o", env={"GCC_COLORS": "warning=01;31"}, env_b={"GCC_COLORS": "warning=01;32"},
  expect=MISS, compilers=GCC)
S("GCC_COLORS without colour", WARN, "CC -Wall -fdiagnostics-color=never -c a.c -o a.o", env={"GCC_COLORS": "warning=01;31"}, env_b={"GCC_COLORS": "warning=01;32"},
  expect=MISS, compilers=GCC, lost="a variable that this compile does not use")
S("GCC_URLS", WARN, "CC -Wall -fdiagnostics-urls=always -c a.c -o a.o", env={"GCC_URLS": "bel"}, env_b={"GCC_URLS": "st"}, expect=MISS, compilers=GCC)
S("TERM_URLS", WARN, "CC -Wall -fdiagnostics-urls=always -c a.c -o a.o", env={"TERM_URLS": "bel"}, env_b={"TERM_URLS": "st"}, expect=MISS, compilers=GCC)
S("DEPENDENCIES_OUTPUT: the file is made", ONE, env={"DEPENDENCIES_OUTPUT": "deps.txt"}, expect="bypass:unsupported_environment", populate="bypass:unsupported_environment")
S("DEPENDENCIES_OUTPUT appears", ONE, env_b={"DEPENDENCIES_OUTPUT": "deps.txt"}, expect="bypass:unsupported_environment", compilers=GCC)
S("SUNPRO_DEPENDENCIES: the file is made", ONE, env={"SUNPRO_DEPENDENCIES": "deps.txt tgt"}, expect="bypass:unsupported_environment", populate="bypass:unsupported_environment", compilers=CLANG)
S("SUNPRO_DEPENDENCIES appears", ONE, env_b={"SUNPRO_DEPENDENCIES": "deps.txt tgt"}, expect="bypass:unsupported_environment", compilers=GCC)
S("PWD is a symlink, -g", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -c a.c -o a.o", setup=symlink("@W@", "@T@/link"), env_b={"PWD": "@T@/link"}, expect=MISS,
  explain=("PWD", "pwd", "directory", "cwd", "place"))
S("PWD is a symlink, no -g", {"a.c": "int f(void) { return 1; }\n"}, setup=symlink("@W@", "@T@/link"), env_b={"PWD": "@T@/link"}, expect=MISS, lost="another spelling of the working directory")
S("PWD is wrong, -g", {"a.c": "int f(void) { return 1; }\n", "d/x": ""}, "CC -g -c a.c -o a.o", env_b={"PWD": "@W@/d"})
S("PWD unset, -g", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -c a.c -o a.o", env_b={"PWD": None}, expect=HIT)
S("PWD with a dot, -g", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -c a.c -o a.o", env_b={"PWD": "@W@/."}, expect=MISS)
S("GCC_EXTRA_DIAGNOSTIC_OUTPUT", {"a.c": "struct s { int colour; }; int f(struct s *p) { return p->color; }\n"}, "CC -c a.c -o a.o",
  env_b={"GCC_EXTRA_DIAGNOSTIC_OUTPUT": "fixits-v1"}, expect=FAILS, populate=FAILS, compilers=GCC)
S("GCC_EXTRA_DIAGNOSTIC_OUTPUT with a warning", {"a.c": "#include <stdint.h>\nint f(int a) { if ((a = 1, a)) return 1; int b[2] = {1, 2}; return a == 1 & 2 == a; }\nstatic x;\n"},
  "CC -Wall -Wmissing-field-initializers -c a.c -o a.o", env_b={"GCC_EXTRA_DIAGNOSTIC_OUTPUT": "fixits-v2"}, expect=MISS, compilers=GCC, lost="a variable that this compile does not use")
S("GCC_COMPARE_DEBUG", ONE, env_b={"GCC_COMPARE_DEBUG": "1"}, expect="bypass:unsupported_environment", compilers=GCC)
S("COLUMNS does not matter without a terminal", WARN, "CC -Wall -c a.c -o a.o", env={"COLUMNS": "80"}, env_b={"COLUMNS": "20"}, expect=MISS, lost="a variable that this compile does not use")
S("TERM does not matter without a terminal", WARN, "CC -Wall -c a.c -o a.o", env={"TERM": "xterm"}, env_b={"TERM": "dumb"}, expect=HIT)
S("TZ without time macros", ONE, env={"TZ": "UTC"}, env_b={"TZ": "Asia/Tokyo"}, expect=MISS, lost="a variable that this compile does not use")
S("LIBRARY_PATH does not touch a compile", ONE, env_b={"LIBRARY_PATH": "one"}, expect=MISS, lost="a variable that this compile does not use")
S("COLLECT_AS_OPTIONS", ONE, env_b={"COLLECT_AS_OPTIONS": "'--noexecstack'"}, expect=MISS, compilers=GCC, lost="a variable that this compile does not use")
S("CC_PRINT_OPTIONS writes a file", ONE, env={"CC_PRINT_OPTIONS": "1", "CC_PRINT_OPTIONS_FILE": "@W@/opts"}, expect="bypass:unsupported_environment", populate="bypass:unsupported_environment", compilers=CLANG,
  nondet=("*opts",))
S("CC_PRINT_HEADERS writes a file", {"a.c": '#include "a.h"\n', "a.h": "int x;\n"}, env={"CC_PRINT_HEADERS": "1", "CC_PRINT_HEADERS_FILE": "@W@/hdrs"}, expect="bypass:unsupported_environment",
  populate="bypass:unsupported_environment", compilers=CLANG)
S("CC_PRINT_HEADERS to stderr", {"a.c": '#include "a.h"\n', "a.h": "int x;\n"}, env_b={"CC_PRINT_HEADERS": "1"}, expect="bypass:unsupported_environment", compilers=CLANG)
S("CC_LOG_DIAGNOSTICS writes a file", WARN, "CC -Wall -c a.c -o a.o", env={"CC_LOG_DIAGNOSTICS": "1", "CC_LOG_DIAGNOSTICS_FILE": "@W@/log"}, expect="bypass:unsupported_environment", populate="bypass:unsupported_environment",
  compilers=CLANG)
S("CC_PRINT_PROC_STAT writes a file", ONE, env={"CC_PRINT_PROC_STAT": "1", "CC_PRINT_PROC_STAT_FILE": "@W@/stat"}, expect="bypass:unsupported_environment", populate="bypass:unsupported_environment", compilers=CLANG,
  nondet=("*stat",))
S("LLVM_OVERRIDE_PRODUCER", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -c a.c -o a.o", env_b={"LLVM_OVERRIDE_PRODUCER": "mine"}, expect=MISS, compilers=CLANG, lost="a variable that this compile does not use")
S("AS_SECURE_LOG_FILE", {"a.s": '.secure_log_unique "once"\n.long 1\n'}, "CC -c a.s -o a.o", env={"AS_SECURE_LOG_FILE": "@W@/slog"}, expect="bypass:unsupported_environment", populate="bypass:unsupported_environment",
  compilers=CLANG, needs=need_program("clang"))
S("LD_PRELOAD changes the compiler", {"a.c": "int x;\n", "p.c": "int unused;\n"}, setup=sh("@CC@ -shared -fPIC p.c -o p.so"), env_b={"LD_PRELOAD": "@W@/p.so"}, expect=MISS, lost="a variable that this compile does not use")
S("LD_PRELOAD library changes", {"a.c": '#include "x.h"\nint v = X;\n', "x.h": "#define X 1\n",
                                 "p.c": "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { setenv(\"CPATH\", \"/nonexistent\", 1); }\n"},
  setup=sh("@CC@ -shared -fPIC p.c -o p.so"), env={"LD_PRELOAD": "@W@/p.so"}, change=sh("sed -i s/nonexistent/other/ p.c; @CC@ -shared -fPIC p.c -o p.so", "p.so"),
  expect=MISS, lost="a variable that this compile does not use")
S("LD_LIBRARY_PATH appears", ONE, env_b={"LD_LIBRARY_PATH": "@W@/lib"}, expect=MISS, lost="a variable that this compile does not use")
S("PATH gets a directory without compilers", {**ONE, "bin/other": ""}, env_b={"PATH": "@W@/bin:/usr/local/bin:/usr/bin:/bin"}, expect=MISS, lost="a variable that this compile does not use")
S("a variable of the user's that a wrapper reads", {"a.c": "int v = X;\n"},
  cmd="@W@/bin/gcc -c a.c -o a.o", setup=sh("mkdir -p bin; printf '#!/bin/sh\\nexec /usr/bin/@CC@ -DX=${LEVEL:-0} \"$@\"\\n' > bin/gcc; chmod +x bin/gcc"),
  env={"LEVEL": "1"}, env_b={"LEVEL": "2"}, expect=MISS)
S("CPATH: the second element changes", {**X, "none/x": ""}, env={"CPATH": "none:one"}, env_b={"CPATH": "none:two"}, expect=MISS)
