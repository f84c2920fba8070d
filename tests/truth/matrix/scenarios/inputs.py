"""What the compiler reads and where it is named: sources, headers, files behind options."""
from scenario import *

S = scenarios("input")
C = {"a.c": '#include "a.h"\nint f(int n) { return n * K; }\n', "a.h": "#define K 3\n"}

S("source edited", C, change=write("a.c", '#include "a.h"\nint f(int n) { return n + K; }\n'), expect=MISS)
S("source edited, same size and mtime", C, change=write_same_stat("a.c", '#include "a.h"\nint f(int n) { return n + K; }\n'), expect=MISS)
S("header edited", C, change=write("a.h", "#define K 12\n"), expect=MISS)
S("header edited, same size", C, change=write("a.h", "#define K 4\n"), expect=MISS)
S("header edited, same size and mtime", C, change=write_same_stat("a.h", "#define K 4\n"), expect=MISS)
S("header replaced by rename, same size, mtime copied", C, setup=touch("a.h", 1_600_000_000),
  change=(replace("a.h", "#define K 4\n"), touch("a.h", 1_600_000_000)), expect=MISS)
S("nested header edited", {"a.c": '#include "a.h"\nint x = K;\n', "a.h": '#include "b.h"\n', "b.h": "#define K 1\n"},
  change=write("b.h", "#define K 2\n"), expect=MISS)
S("two headers swapped", {"a.c": '#include "a.h"\nint x = K;\n#include "b.h"\nint y = K;\n', "a.h": "#undef K\n#define K 1\n",
                          "b.h": "#undef K\n#define K 2\n"},
  change=(rename("a.h", "t"), rename("b.h", "a.h"), rename("t", "b.h")), expect=MISS, explain=("a.h", "b.h"))
S("header link retargeted", {"a.c": '#include "l.h"\nint x = K;\n', "one.h": "#define K 1\n", "two.h": "#define K 2\n"},
  setup=symlink("one.h", "l.h"), change=symlink("two.h", "l.h"), expect=MISS)
S("header directory link retargeted", {"a.c": '#include "d/x.h"\nint x = K;\n', "one/x.h": "#define K 1\n", "two/x.h": "#define K 2\n"},
  setup=symlink("one", "d"), change=symlink("two", "d"), expect=MISS, explain=("d", "x.h"))
S("link to a header replaced by a file", {"a.c": '#include "l.h"\nint x = K;\n', "one.h": "#define K 1\n"},
  setup=symlink("one.h", "l.h"), change=(remove("l.h"), write("l.h", "#define K 2\n")), expect=MISS)
S("link chain, last target edited", {"a.c": '#include "l.h"\nint x = K;\n', "r.h": "#define K 1\n"},
  setup=(symlink("m.h", "l.h"), symlink("r.h", "m.h")), change=write("r.h", "#define K 2\n"), expect=MISS, explain=("l.h", "r.h"))
S("hard-linked header edited through its other name", {"a.c": '#include "a.h"\nint x = K;\n', "a.h": "#define K 1\n"},
  setup=hardlink("a.h", "z.h"), change=write("z.h", "#define K 2\n"), expect=MISS, explain="a.h")
S("header named by a macro", {"a.c": "#include HDR\nint x = K;\n", "one.h": "#define K 1\n", "two.h": "#define K 2\n"},
  "CC '-DHDR=\"one.h\"' -c a.c -o a.o", cmd_b="CC '-DHDR=\"two.h\"' -c a.c -o a.o", expect=MISS, explain=("two.h",))
S("header named by a macro, edited", {"a.c": '#define H <one.h>\n#include H\nint x = K;\n', "one.h": "#define K 1\n"},
  "CC -I. -c a.c -o a.o", change=write("one.h", "#define K 2\n"), expect=MISS)
S("-include file edited", {"a.c": "int x = K;\n", "p.h": "#define K 1\n"}, "CC -include p.h -c a.c -o a.o",
  change=write("p.h", "#define K 2\n"), expect=MISS)
S("-imacros file edited", {"a.c": "int x = K;\n", "p.h": "#define K 1\nint dropped;\n"}, "CC -imacros p.h -c a.c -o a.o",
  change=write("p.h", "#define K 2\n"), expect=MISS)
S("-include files in another order", {"a.c": "int x = K;\n", "p.h": "#undef K\n#define K 1\n", "q.h": "#undef K\n#define K 2\n"},
  "CC -include p.h -include q.h -c a.c -o a.o", cmd_b="CC -include q.h -include p.h -c a.c -o a.o", expect=MISS, explain="the order changed")
S("system header edited", {"a.c": "#include <s.h>\nint x = K;\n", "sys/s.h": "#define K 1\n"}, "CC -isystem sys -c a.c -o a.o",
  change=write("sys/s.h", "#define K 2\n"), expect=MISS)
S("--sysroot header edited", {"a.c": "#include <s.h>\nint x = K;\n", "r/usr/include/s.h": "#define K 1\n"}, "CC --sysroot=r -c a.c -o a.o",
  change=write("r/usr/include/s.h", "#define K 2\n"), expect=MISS)
S("--sysroot swapped", {"a.c": "#include <s.h>\nint x = K;\n", "r1/usr/include/s.h": "#define K 1\n", "r2/usr/include/s.h": "#define K 2\n"},
  "CC --sysroot=r1 -c a.c -o a.o", cmd_b="CC --sysroot=r2 -c a.c -o a.o", expect=MISS)
S("-isysroot swapped", {"a.c": "#include <s.h>\nint x = K;\n", "r1/usr/include/s.h": "#define K 1\n", "r2/usr/include/s.h": "#define K 2\n"},
  "CC -isysroot r1 -c a.c -o a.o", cmd_b="CC -isysroot r2 -c a.c -o a.o", expect=MISS, compilers=GCC)
S("-I directories in another order", {"a.c": '#include <x.h>\nint v = X;\n', "one/x.h": "#define X 1\n", "two/x.h": "#define X 2\n"},
  "CC -Ione -Itwo -c a.c -o a.o", cmd_b="CC -Itwo -Ione -c a.c -o a.o", expect=MISS, explain="the order changed")
S("-isystem becomes -I", {"a.c": "#include <w.h>\nint v;\n", "one/w.h": "static inline int f(void) { int unused; return 0; }\n"},
  "CC -Wall -isystem one -c a.c -o a.o", cmd_b="CC -Wall -Ione -c a.c -o a.o", expect=MISS, explain=("isystem", "-I"))
S("-iprefix", {"a.c": "#include <x.h>\nint v = X;\n", "p1/i/x.h": "#define X 1\n", "p2/i/x.h": "#define X 2\n"},
  "CC -iprefix p1/ -iwithprefix i -c a.c -o a.o", cmd_b="CC -iprefix p2/ -iwithprefix i -c a.c -o a.o", expect=MISS, explain=("iprefix", "p2"))
S("a comment edited under -Wimplicit-fallthrough",
  {"a.c": "int f(int n) { switch (n) { case 1: n++; /* fall through */ case 2: n++; } return n; }\n"},
  "CC -Wextra -Werror -c a.c -o a.o", compilers=GCC,
  change=write("a.c", "int f(int n) { switch (n) { case 1: n++; /* something   */ case 2: n++; } return n; }\n"), expect=FAILS)
S("a comment edited under -Wdocumentation", {"a.c": "/// @param n the n\nint f(int n) { return n; }\n"}, "CC -Wdocumentation -c a.c -o a.o",
  compilers=CLANG, change=write("a.c", "/// @param m the n\nint f(int n) { return n; }\n"), expect=MISS)
S("a blank line under -g", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -c a.c -o a.o", change=write("a.c", "\nint f(void) { return 1; }\n"),
  expect=MISS)
S("a blank line in a header under -g", {"a.c": '#include "a.h"\n', "a.h": "int f(void) { return 1; }\n"}, "CC -g -c a.c -o a.o",
  change=write("a.h", "\nint f(void) { return 1; }\n"), expect=MISS)
S("a blank under -g: the column", {"a.c": "int f(int n) { return n * n; }\n"}, "CC -g -c a.c -o a.o",
  change=write("a.c", "int f(int n) {   return n * n; }\n"), expect=MISS)
S("a blank line before a warning", {"a.c": "int f(void) { int u; return 1; }\n"}, "CC -Wall -c a.c -o a.o",
  change=write("a.c", "\nint f(void) { int u; return 1; }\n"), expect=MISS)
S("a comment edited, -Wp, present", {"a.c": "int f(void) { int u; return 1; } // one\n"}, "CC -Wp,-D_X -Wall -c a.c -o a.o",
  change=write("a.c", "// one\nint f(void) { int u; return 1; }\n"), expect=MISS)
S("__LINE__ moves", {"a.c": "int x = __LINE__;\n"}, change=write("a.c", "\nint x = __LINE__;\n"), expect=MISS)
S("a macro under -g3", {"a.c": "#define M 1\nint x;\n"}, "CC -g3 -c a.c -o a.o", change=write("a.c", "#define M 2\nint x;\n"), expect=MISS)
S("a macro under -fdebug-macro", {"a.c": "#define M 1\nint x;\n"}, "CC -g -fdebug-macro -c a.c -o a.o", compilers=CLANG,
  change=write("a.c", "#define M 2\nint x;\n"), expect=MISS)
S("an unused macro under -Wunused-macros", {"a.c": "#define M 1\nint x = M;\n"}, "CC -Wunused-macros -c a.c -o a.o",
  change=write("a.c", "#define M 1\nint x = 1;\n"), expect=MISS)
S("#pragma GCC system_header comes in", {"a.c": '#include "a.h"\n', "a.h": "static int f(void) { int u; return 0; }\n"},
  "CC -Wall -c a.c -o a.o", change=write("a.h", "#pragma GCC system_header\nstatic int f(void) { int u; return 0; }\n"), expect=MISS)
S("#line names another file", {"a.c": '#line 1 "x.c"\nconst char *f = __FILE__;\n'},
  change=write("a.c", '#line 1 "y.c"\nconst char *f = __FILE__;\n'), expect=MISS)
S("another header name, equal content", {"a.c": '#include "one.h"\nint x;\n', "one.h": "#warning w\n", "two.h": "#warning w\n"},
  change=write("a.c", '#include "two.h"\nint x;\n'), expect=MISS)
S("another source name, equal content", {"a.c": "int x;\n", "b.c": "int x;\n"}, cmd_b="CC -c b.c -o a.o", expect=MISS, explain="source b.c")
S("./ before the source's name", {"a.c": "const char *f = __FILE__;\n"}, cmd_b="CC -c ./a.c -o a.o", expect=MISS, explain=("./a.c", "a.c"))
S("CRLF", {"a.c": "int x;\nconst char *s = \"a\\\nb\";\n"}, change=write("a.c", "int x;\r\nconst char *s = \"a\\\r\nb\\r\";\r\n"), expect=MISS)
S("a byte order mark", {"a.c": "int x = 1;\n"}, change=write("a.c", "\ufeffint x = 1;\n"), expect=MISS, lost="another text with the same meaning")
S("no newline at the end", {"a.c": "int x;\n"}, "CC -std=c99 -pedantic -Wall -Wnewline-eof -c a.c -o a.o", compilers=CLANG,
  change=write("a.c", "int x;"), expect=MISS)
S("a NUL in the source", {"a.c": "int x;\n"}, change=write("a.c", b"int x;\0\n"), expect=MISS)
S("preprocessed: linemarker", {"a.i": '# 1 "x.c"\nint f(void) { int u; return 0; }\n'}, "CC -Wall -c a.i -o a.o",
  change=write("a.i", '# 7 "x.c"\nint f(void) { int u; return 0; }\n'), expect=MISS)
S("preprocessed C++: edit", {"a.ii": "int f() { return 1; }\n"}, "CXX -c a.ii -o a.o", change=write("a.ii", "int f() { return 2; }\n"), expect=MISS)
S("a template in a header", {"a.cc": '#include "t.h"\nint f() { return g<int>(); }\n', "t.h": "template <class T> int g() { return 1; }\n"},
  "CXX -c a.cc -o a.o", change=write("t.h", "template <class T> int g() { return 2; }\n"), expect=MISS)
S("#pragma GCC dependency turns", {"a.c": '#pragma GCC dependency "d"\nint x;\n', "d": ""}, setup=(touch("a.c", 1_600_000_100), touch("d", 1_600_000_000)),
  change=touch("d", 1_600_000_200), expect="not stored:time_macro", populate="not stored:time_macro", compilers=GCC)
S("#include of itself", {"a.c": "#ifndef D\n#define D\n#include \"a.c\"\nint x = Y;\n#else\n#define Y 1\n#endif\n"},
  change=write("a.c", "#ifndef D\n#define D\n#include \"a.c\"\nint x = Y;\n#else\n#define Y 2\n#endif\n"), expect=MISS)
S("a header becomes unreadable text", {"a.c": '#include "a.h"\nint x;\n', "a.h": ""}, change=write("a.h", "}\n"), expect=FAILS)
S("an error is mended", {"a.c": "int x = ;\n"}, change=write("a.c", "int x = 1;\n"), expect=MISS, populate=FAILS)
S("an error stays", {"a.c": "int x = ;\n"}, expect=FAILS, populate=FAILS)
S("a source through a symlink", {"r.c": "int x = 1;\n"}, setup=symlink("r.c", "a.c"), change=write("r.c", "int x = 2;\n"), expect=MISS, explain=("a.c", "r.c"))
S("a source link retargeted into another directory", {"one/r.c": '#include "k.h"\nint x = K;\n', "two/r.c": '#include "k.h"\nint x = K;\n',
                                                      "one/k.h": "#define K 1\n", "two/k.h": "#define K 2\n"},
  "CC -I. -c d/r.c -o a.o", setup=symlink("one", "d"), change=symlink("two", "d"), expect=MISS, explain=("d", "k.h"))
S("the source is a pipe", {"a.c": "int x;\n"}, setup=(remove("a.c"), sh("mkfifo p")), cmd="CC -E -x c /dev/null -o a.i", expect="bypass:preprocess", populate="bypass:preprocess")

# Files named by options.
COV = {"a.cc": "int f(int n) { return n ? 1 : 2; }\n", "l": "fun:none\n"}
S("-fsanitize-ignorelist= content", {"a.c": "int f(int *p) { return *p; }\n", "l": "fun:none\n"},
  "CC -fsanitize=address -fsanitize-ignorelist=l -c a.c -o a.o", compilers=CLANG, change=write("l", "fun:f\n"), expect=MISS, explain=("l",))
S("-fsanitize-coverage-allowlist= content", COV,
  "CXX -fsanitize-coverage=bb,trace-pc-guard -fsanitize-coverage-allowlist=l -c a.cc -o a.o", compilers=CLANG,
  change=write("l", "src:*\nfun:*\n"), expect=MISS, explain=("l",))
S("-fxray-attr-list= content", {"a.c": "int f(int n) { return n; }\n", "l": "[never]\nfun:f\n"},
  "CC -fxray-instrument -fxray-attr-list=l -c a.c -o a.o", compilers=CLANG, change=write("l", "[always]\nfun:f\n"), expect=MISS, explain=("l",))
S("-fbasic-block-sections=list= content", {"a.c": "int f(int n) { return n ? 1 : 2; }\n", "l": "!g\n"},
  "CC -fbasic-block-sections=list=l -c a.c -o a.o", compilers=CLANG, change=write("l", "!f\n!!0\n"), expect=MISS, explain=("l",))
S("-fprofile-list= content", {"a.c": "int f(int n) { return n; }\n", "l": "fun:none\n"},
  "CC -fprofile-instr-generate -fprofile-list=l -c a.c -o a.o", compilers=CLANG, change=write("l", "fun:f\n"), expect=MISS, explain=("l",))
S("-fprofile-sample-use= content", {"a.c": "int g(int); int f(int n) { if (n) return g(1); return g(2); }\n", "p": "f:100:10\n 0: 100\n"},
  "CC -O2 -g -fprofile-sample-use=p -c a.c -o a.o", compilers=CLANG, change=write("p", "f:9000:9000\n 0: 9000\n 1: 10\n"), expect=MISS, explain=("p",))
S("-fprofile-instr-use= content", {"a.c": "int g(int); int f(int n) { if (n) return g(1); return g(2); }\n",
                                   "p.txt": ":ir\nf\n1\n2\n100\n1\n\n", "q.txt": ":ir\nnone\n1\n2\n1\n100\n\n"},
  "CC -O2 -fprofile-instr-use=p.profdata -c a.c -o a.o", compilers=CLANG, needs=need_program("llvm-profdata"),
  setup=sh("llvm-profdata merge p.txt -o p.profdata"), change=sh("llvm-profdata merge q.txt -o p.profdata", "p.profdata"), expect=MISS)
S("-fprofile-use: the counts appear", {"a.c": "int g(int); int f(int n) { if (n) return g(1); return g(2); }\n"},
  "CC -O2 -fprofile-use -Wmissing-profile -c a.c -o a.o", compilers=GCC, change=write("a.gcda", "junk"), expect=MISS)
S("-fauto-profile= content", {"a.c": "int x;\n", "p": "junk"}, "CC -O2 -fauto-profile=p -c a.c -o a.o", compilers=GCC, change=write("p", "other"),
  expect=FAILS, populate=FAILS)
S("-specs= content", {"a.c": "int f(void) { return X; }\n", "s": "*cpp_unique_options:\n+ -DX=1\n\n"}, "CC -specs=s -c a.c -o a.o", compilers=GCC,
  change=write("s", "*cpp_unique_options:\n+ -DX=2\n\n"), expect=MISS)
S("--config content", {"a.c": "int f(void) { return X; }\n", "c.cfg": "-DX=1\n"}, "CC --config ./c.cfg -c a.c -o a.o", compilers=CLANG,
  change=write("c.cfg", "-DX=2\n"), expect="bypass:unsupported_option", populate="bypass:unsupported_option")
S("--config by name, content", {"a.c": "int f(void) { return X; }\n", "d/c.cfg": "-DX=1\n"}, "CC --config-user-dir=@W@/d --config c -c a.c -o a.o",
  compilers=CLANG, change=write("d/c.cfg", "-DX=2\n"), expect="bypass:unknown_option", populate="bypass:unknown_option")
S("-ivfsoverlay content", {"a.c": '#include "v.h"\nint x = K;\n', "one.h": "#define K 1\n", "two.h": "#define K 2\n",
                           "o.yaml": "{'version': 0, 'roots': [{'name': '@W@', 'type': 'directory', 'contents': [{'name': 'v.h', "
                                     "'type': 'file', 'external-contents': '@W@/one.h'}]}]}\n"},
  "CC -ivfsoverlay o.yaml -I@W@ -c a.c -o a.o", compilers=CLANG, change=sh("sed -i s/one.h/two.h/ o.yaml", "o.yaml"), expect="bypass:unsupported_option", populate="bypass:unsupported_option")
S("-fmodule-map-file content", {"a.c": '#include "m.h"\nint x = K;\n', "m.h": "#define K 1\n", "m.map": 'module M { header "m.h" }\n'},
  "CC -fmodules -fmodules-cache-path=mc -fmodule-map-file=m.map -c a.c -o a.o", compilers=CLANG, change=write("m.h", "#define K 2\n"),
  expect="bypass:unsupported_option", populate="bypass:unsupported_option", nondet=("*.pcm", "*.timestamp", "*modules.idx"))
S("-fplugin= content", {"a.c": "int x;\n"}, "CC -fplugin=./none.so -c a.c -o a.o", compilers=GCC, expect=FAILS, populate=FAILS)
S("precompiled header used, then its header edited", {"a.c": '#include "p.h"\nint v = P;\n', "p.h": "#define P 1\n"},
  setup=sh("@CC@ -x c-header p.h -o p.h.gch"), change=write("p.h", "#define P 2\n"), expect="not stored:time_macro", compilers=GCC, populate="not stored:time_macro")
S("precompiled header made anew", {"a.c": '#include "p.h"\nint v = P;\n', "p.h": "#define P 1\n"}, setup=sh("@CC@ -x c-header p.h -o p.h.gch"),
  change=sh("sed -i s/1/2/ p.h; @CC@ -x c-header p.h -o p.h.gch", "p.h", "p.h.gch"), expect="not stored:time_macro", compilers=GCC, populate="not stored:time_macro")
S("precompiled header by -include-pch made anew", {"a.c": "int v = P;\n", "p.h": "#define P 1\n"}, "CC -include-pch p.pch -c a.c -o a.o",
  setup=sh("@CC@ -x c-header p.h -o p.pch"), change=sh("sed -i s/1/2/ p.h; @CC@ -x c-header p.h -o p.pch", "p.pch", "p.h"), expect="bypass:unsupported_option",
  compilers=CLANG, populate="bypass:unsupported_option")
S("precompiled header goes", {"a.c": '#include "p.h"\nint v = P;\n', "p.h": "#define P 1\n"},
  setup=sh("sed s/1/2/ p.h > q.h; @CC@ -x c-header q.h -o p.h.gch"), change=remove("p.h.gch"), expect=MISS, compilers=GCC, populate="not stored:time_macro")
S("making a precompiled header", {"p.h": "#define P 1\n"}, "CC -x c-header p.h -o p.h.gch", change=write("p.h", "#define P 2\n"), source="p.h",
  expect="bypass:link", populate="bypass:link", nondet=("*.gch",))
S("-fdebug-prefix-map file stays one option", {"a.c": "int f(void) { return 1; }\n"}, "CC -g -fdebug-prefix-map=@W@=/x -c a.c -o a.o")

# Response files.
R = {"a.c": "int x = X;\n", "f": "-DX=1\n"}
S("@file: control", R, "CC @f -c a.c -o a.o")
S("@file content", R, "CC @f -c a.c -o a.o", change=write("f", "-DX=2\n"), expect=MISS, explain=("X=2", "X=1"))
S("@file nested, content", {"a.c": "int x = X;\n", "f": "@g -DY", "g": "-DX=1\n"}, "CC @f -c a.c -o a.o", change=write("g", "-DX=2\n"), expect=MISS,
  explain=("X=2", "X=1"))
S("@file nested: control", {"a.c": "int x = X;\n", "f": "@g -DY", "g": "-DX=1\n"}, "CC @f -c a.c -o a.o")
S("@file with quotes", {"a.c": "const char *s = X;\n", "f": "'-DX=\"a b\"' -DZ=\"1 2\" -DQ=a\\ b\n"}, "CC @f -c a.c -o a.o",
  change=write("f", "'-DX=\"a  b\"' -DZ=\"1 2\" -DQ=a\\ b\n"), expect=MISS, explain=("a  b", "-D", "X="))
S("@file against the same words", R, "CC @f -c a.c -o a.o", cmd_b="CC -DX=1 -c a.c -o a.o", expect=HIT)
S("@file that names source and output", {"a.c": "int x;\n", "f": "-c a.c -o a.o"}, "CC @f", source="a.c")
S("@file that is not there", {"a.c": "int x;\n"}, "CC @none -c a.c -o a.o", expect="bypass:several_sources", populate="bypass:several_sources")
S("@file appears", {"a.c": "int x = X + 0;\n"}, "CC -DX=1 @f -c a.c -o a.o", change=write("f", "-UX -DX=2\n"), expect=MISS, populate="bypass:several_sources", explain=("f", "several_sources"))
S("@file in a directory, relative names stay relative to cwd", {"a.c": '#include "x.h"\nint v = X;\n', "d/f": "-Ione", "one/x.h": "#define X 1\n",
                                                                "d/one/x.h": "#define X 2\n"}, "CC @d/f -c a.c -o a.o")
S("@file with a comment sign", {"a.c": "int x = X;\n", "f": "-DX=1 # -DX=2\n"}, "CC @f -c a.c -o a.o", expect="bypass:several_sources", populate="bypass:several_sources")
S("@file empty", {"a.c": "int x;\n", "f": ""}, "CC @f -c a.c -o a.o")
S("-I directory named like a response file", {"a.c": '#include "x.h"\nint v = X;\n', "@d/x.h": "#define X 1\n"}, "CC -I @d -c a.c -o a.o",
  change=write("@d/x.h", "#define X 2\n"), expect=MISS)
EQUAL = """
import os, sys
for _ in range(100000):
    for name in sys.argv[1:]: os.utime(name, (1600000000, 1600000000))
    if len({os.stat(name).st_ctime_ns for name in sys.argv[1:]}) == 1: sys.exit(0)
sys.exit(0)
"""
S("directories of files with equal stamps are swapped", {"a.c": "#include <x.h>\nint x = K;\n", "d1/x.h": "#define K 1\n", "d2/x.h": "#define K 2\n", "equal.py": EQUAL},
  "CC -Id1 -c a.c -o a.o", setup=sh("python3 equal.py d1/x.h d2/x.h"), change=(rename("d1", "t"), rename("d2", "d1"), rename("t", "d2")), expect=MISS, explain=("x.h",))
TWICE = """
import os, subprocess, sys, time
def put(text):
    with open("a.h", "r+b") as f: f.write(text)
    s = os.stat("a.h")
    return s.st_mtime_ns, s.st_ctime_ns
end = time.time() + 1
while time.time() < end:
    first = put(b"#define K 3\\n")
    subprocess.run(sys.argv[1:])
    if put(b"#define K 4\\n") == first: break
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""
S("header edited twice in one tick", {**C, "twice.py": TWICE}, wrap_b="python3 twice.py", needs=need_coarse_stamps, expect=EITHER, reason="several compiles, hits among them")
S("header held open and edited through mmap", C, setup=hold("a.h"), change=poke("a.h", "#define K 4\n"), expect=MISS)
S("an error stays under -fsyntax-only", {"a.c": "int x = ;\n"}, "CC -fsyntax-only a.c", expect=FAILS, populate=FAILS)
