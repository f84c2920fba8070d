"""One option more, less, changed or moved. Each pair gives different results: `plain` in tools.py checks that."""
from scenario import *

S = scenarios("option")
G = {"a.c": """#include "a.h"
#ifndef X
#define X 2
#endif
typedef struct { char c; int i; } pair;
enum small { A, B };
int g(int), table[4], common;
pair p = { (char)200, sizeof(enum small) };
static int s(int n) { return n * X; }
double d(double a, double b) { return a / b + a * b - b; }
int f(int n) { int t = 0; for (int i = 0; i < n; i++) t += s(table[i & 3]) + p.c / 3 + g(i); return t; }
int big(void) { char buf[300]; for (int i = 0; i < 300; i++) buf[i] = (char)g(i); return buf[g(1)]; }
""", "a.h": "int h(void);\n"}
PRE = {"a.c": "int v = X + 0;\nconst char *strict =\n#ifdef __STRICT_ANSI__\n\"s\"\n#else\n\"g\"\n#endif\n;\nlong std = __STDC_VERSION__;\n"}
NO_EFFECT = "an option without effect on this source"
CC, CX, BOTH = GCC, CLANG, GCC + CLANG


def pair(a, b, files=G, compilers=BOTH, cmd="CC {} -c a.c -o a.o", expect=MISS, **more):
    name = f"{a or 'nothing'} → {b or 'nothing'}"
    reordered = sorted(a.split()) == sorted(b.split())
    more.setdefault("explain", "the order changed" if reordered else tuple(dict.fromkeys((a + " " + b).split())) or None)
    S(name, files, cmd.format(a), cmd_b=cmd.format(b), expect=expect, compilers=compilers, **more)


# Values that are easily lost.
pair("", "-O")
pair("", "-g")
pair("-O", "-O2", compilers=CC)
pair("-O0", "-O1")
pair("-O2", "-O3", files={"a.c": "void f(float *a, float *b, int n) { for (int i = 0; i < n; i++) a[i] = b[i] * 2; for (int i = 0; i < 4; i++) b[i] += a[i]; }\n"}, compilers=CC)
pair("-O2", "-Os")
pair("-O2", "-Ofast", files={"a.c": "double f(double *a, int n) { double s = 0; for (int i = 0; i < n; i++) s += a[i] / 3; return s; }\n"})
pair("-O2", "-Og", compilers=CC)
pair("-Os", "-Oz", compilers=CX, expect=MISS)
pair("-O0 -O2", "-O2 -O0")
pair("-g", "-g0")
pair("-g1", "-g2")
pair("-g", "-g3", compilers=CC)
pair("-g", "-gdwarf-4")
pair("-gdwarf-4", "-gdwarf-3", compilers=CC)
pair("-g", "-gstrict-dwarf -gdwarf-3", compilers=CC)
pair("-g", "-gline-tables-only", compilers=CX)
pair("-g", "-gz", files={"a.c": "\n".join(f"int f{i}(int n) {{ return n + {i}; }}" for i in range(80))})
pair("-gz=none -g", "-gz=zlib -g", files={"a.c": "\n".join(f"int f{i}(int n) {{ return n + {i}; }}" for i in range(80))})
pair("-g", "-ggdb3", compilers=CC)
pair("-g", "-g -fdebug-types-section", compilers=CC)
pair("-g", "-g -fno-eliminate-unused-debug-types", compilers=CC, files={"a.c": "typedef struct { int q; } unused_t;\nint x;\n"})
pair("-g", "-g -grecord-gcc-switches -O1", compilers=CC)
pair("-g -gcolumn-info", "-g -gno-column-info")

# -D and -U.
pair("-DX=1", "-DX=2", files=PRE)
pair("-DX", "-DX=", files=PRE)
pair("-DX=5", "-D X=6", files=PRE)
pair("-D X=1", "-D X=2", files=PRE)
pair("-DX=1 -UX -DX=3", "-DX=1 -DX=3 -UX -DX=4", files=PRE)
pair("-DX=1 -DX=3 -w", "-DX=3 -DX=1 -w", files=PRE)
pair("-DY -UY", "-UY -DY", files={"a.c": "#ifdef Y\nint y = 1;\n#else\nint y = 0;\n#endif\n"})
pair("-DX=1", "-DX=1 -D__STRICT_ANSI__", files=PRE)
pair("-DX=1", "-D X=1", files=PRE, expect=HIT)
pair("-Wp,-DX=1", "-Wp,-DX=2", files=PRE)
pair("-Xpreprocessor -DX=1", "-Xpreprocessor -DX=2", files=PRE)
pair("'-DX=\"a b\"[0]'", "'-DX=\"a  b\"[2]'", files=PRE, explain=("X=",))
pair("-undef -DX=1", "-DX=1", files={"a.c": "#ifdef __GNUC__\nint v = 7;\n#else\nint v = X;\n#endif\n"})
pair("-DX=1 -ansi", "-DX=1", files={"a.c": "#ifdef __STRICT_ANSI__\nint v = 1;\n#else\nint v = 2;\n#endif\n"})
pair("-std=c11 -DX", "-std=gnu11 -DX", files=PRE)
pair("-std=c99 -DX", "-std=c11 -DX", files=PRE)
pair("-std=c++14", "-std=c++17", files={"a.cc": "long v = __cplusplus;\n"}, cmd="CXX {} -c a.cc -o a.o")
pair("-trigraphs", "", files={"a.c": "const char *s = \"??=\";\n"}, cmd="CC -w {} -c a.c -o a.o")

# Language and code generation.
for flag in ("-fPIC", "-funsigned-char", "-ffunction-sections", "-fdata-sections", "-fcommon", "-fshort-enums", "-fwrapv", "-ftrapv", "-finstrument-functions",
             "-fstack-protector-all", "-fno-asynchronous-unwind-tables", "-fvisibility=hidden", "-ffast-math", "-fomit-frame-pointer", "-mno-red-zone",
             "-fcf-protection=full", "-fsanitize=undefined", "-fsanitize=address", "-fno-ident", "-mcmodel=large", "-fverbose-asm", "-mavx2", "-march=x86-64-v3",
             "-m32", "-fsplit-stack", "-ftls-model=local-exec", "-fno-jump-tables", "-fno-builtin", "-fno-inline", "-fpack-struct=1", "-pg", "-pthread", "-fopenmp",
             "-fno-plt", "-mtune=atom", "-falign-functions=64", "-fsanitize=thread", "-frounding-math", "-fno-math-errno", "-fstack-clash-protection",
             "-ftrivial-auto-var-init=zero", "-fzero-call-used-regs=all", "-fexceptions", "-mstackrealign", "-msoft-float", "-fno-zero-initialized-in-bss"):
    toothless = {"-fverbose-asm": BOTH, "-fno-builtin": BOTH, "-fno-plt": BOTH, "-mtune=atom": CX, "-fno-jump-tables": BOTH, "-ftls-model=local-exec": BOTH,
                 "-fno-math-errno": BOTH, "-frounding-math": BOTH, "-fopenmp": BOTH, "-pthread": BOTH, "-fexceptions": BOTH, "-fno-inline": BOTH, "-fwrapv": CX,
                 "-fomit-frame-pointer": BOTH, "-mno-red-zone": CX, "-fstack-clash-protection": CC, "-msoft-float": CC, "-fno-zero-initialized-in-bss": CC}.get(flag, ())
    files = {**G, "a.c": G["a.c"] + "double sqrt(double); double q(double a) { return sqrt(a); }\n"
             "_Thread_local int tl; int *tlp(void) { return &tl; }\n#ifdef _REENTRANT\nint re;\n#endif\n#ifdef _OPENMP\nint omp;\n#endif\n"}
    for compiler in BOTH:
        # what a compiler does not know is an error on both sides
        only = {"-msoft-float": CC, "-fno-zero-initialized-in-bss": CC, "-fcommon": BOTH, "-fsplit-stack": CC, "-ftrivial-auto-var-init=zero": BOTH,
                "-fzero-call-used-regs=all": CC, "-fstack-clash-protection": BOTH}.get(flag, BOTH)
        if compiler in only:
            S(f"{flag} comes in, {compiler}", files, "CC -O1 -c a.c -o a.o", cmd_b=f"CC -O1 {flag} -c a.c -o a.o",
              expect=MISS, lost=NO_EFFECT if compiler in toothless else "",
              compilers=(compiler,), explain=flag, needs=need_option("-O1 " + flag))
for flag in ("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fvisibility-inlines-hidden", "-fno-sized-deallocation", "-fabi-version=11",
             "-D_GLIBCXX_USE_CXX11_ABI=0", "-fchar8_t", "-fno-use-cxa-atexit"):
    S(f"{flag} comes in", {"a.cc": "#include <string>\nstruct V { virtual ~V(); }; struct W : V { inline int k() { return 3; } };\nvoid may();\n"
                           "std::string f() { static W w; std::string s; may(); return s; }\nvoid del(W *w) { delete w; }\nint g(W &w) { return w.k(); }\n"
                           "#ifdef __cpp_char8_t\nint u8;\n#endif\nW glob;\n"},
      "CXX -c a.cc -o a.o", cmd_b=f"CXX {flag} -c a.cc -o a.o", explain=flag,
      expect=MISS, lost=NO_EFFECT if flag in ("-fabi-version=11", "-fno-sized-deallocation", "-fvisibility-inlines-hidden", "-fno-use-cxa-atexit") else "", compilers=CC if flag == "-fabi-version=11" else BOTH)
pair("--param max-unroll-times=1", "--param max-unroll-times=8", compilers=CC, files={"a.c": "void f(int *a, int n) { for (int i = 0; i < n; i++) a[i] = a[i + 9] * 3; }\n"},
     cmd="CC -O2 -funroll-loops {} -c a.c -o a.o")
pair("--param=max-unroll-times=1", "--param=max-unroll-times=8", compilers=CC, files={"a.c": "void f(int *a, int n) { for (int i = 0; i < n; i++) a[i] = a[i + 9] * 3; }\n"},
     cmd="CC -O2 -funroll-loops {} -c a.c -o a.o")
pair("-mllvm -inline-threshold=0", "-mllvm -inline-threshold=9000", compilers=CX, expect=MISS, cmd="CC -O2 {} -c a.c -o a.o", lost="an option without effect on this source")
pair("-Xclang -fno-builtin", "-Xclang -fpack-struct=1", compilers=CX, expect="bypass:unknown_option", populate="bypass:unknown_option")
pair("-target x86_64-linux-gnu", "-target aarch64-linux-gnu", compilers=CX, files={"a.c": "int f(int n) { return n; }\n"})
pair("--target=x86_64-linux-gnu", "--target=aarch64-linux-gnu", compilers=CX, files={"a.c": "int f(int n) { return n; }\n"})
pair("-x c", "-x c++", files={"a.c": "int f(int n) { return n; }\n"})
pair("-xc", "-xc++", files={"a.c": "int f(int n) { return n; }\n"}, explain=("-x", "c++"))
pair("-x c++ -x c", "-x c -x c++", explain="language c++", files={"a.c": "int f(int n) { return n; }\n"})
pair("-masm=att", "-masm=intel", cmd="CC {} -S a.c -o a.s")
pair("-S", "-c", cmd="CC {} a.c -o a.o")
pair("-fexec-charset=UTF-8", "-fexec-charset=ISO-8859-1", compilers=CC, files={"a.c": "const char *s = \"ö\";\n"})
pair("-finput-charset=UTF-8", "-finput-charset=ISO-8859-1", compilers=CC, files={"a.c": "const char *s = \"ö\";\n"})
pair("-fwide-exec-charset=UTF-32LE", "-fwide-exec-charset=UTF-16LE", compilers=CC, files={"a.c": "const void *s = L\"ö\";\n"})
pair("-march=x86-64", "-march=native", files={"a.c": "#ifdef __SSE4_2__\nint v = 1;\n#else\nint v = 0;\n#endif\n"}, explain=("march", "native"))
pair("-march=native", "-march=native -mno-sse4.2", files={"a.c": "#ifdef __SSE4_2__\nint v = 1;\n#else\nint v = 0;\n#endif\n"})
pair("-nostdinc -I.", "-I.", files={"a.c": "#if __has_include(<stddef.h>)\nint v = 1;\n#else\nint v = 0;\n#endif\n"})
pair("-flto -frandom-seed=1", "-frandom-seed=1")
pair("-frandom-seed=1 -flto", "-frandom-seed=2 -flto", compilers=CC)
pair("-frecord-gcc-switches", "-frecord-gcc-switches -O1", compilers=CC)
pair("-frecord-gcc-switches -Wall -Wextra", "-frecord-gcc-switches -Wextra -Wall", compilers=CC, expect=MISS, lost="an option without effect on this source")
pair("-frecord-command-line", "-frecord-command-line -Wextra", compilers=CX)
S("-frecord-command-line: the output's name is in the object", G, "CC -frecord-command-line -c a.c -o a.o", cmd_b="CC -frecord-command-line -c a.c -o b.o", expect=MISS,
  compilers=CX)
S("-grecord-command-line: the output's name is in the object", G, "CC -g -grecord-command-line -c a.c -o a.o", cmd_b="CC -g -grecord-command-line -c a.c -o b.o", expect=MISS,
  compilers=CX)
S("-frecord-gcc-switches: the output's name", G, "CC -frecord-gcc-switches -c a.c -o a.o", cmd_b="CC -frecord-gcc-switches -c a.c -o b.o", expect=MISS, compilers=CC)
S("-frecord-gcc-switches: -MF name", G, "CC -frecord-gcc-switches -MD -MF a.d -c a.c -o a.o", cmd_b="CC -frecord-gcc-switches -MD -MF b.d -c a.c -o a.o", expect=MISS,
  compilers=CC)
S("-fembed-bitcode holds the command line", G, "CC -fembed-bitcode -c a.c -o a.o", cmd_b="CC -fembed-bitcode -c a.c -o b.o", expect=MISS, compilers=CX)
S("-fverbose-asm holds the command line", G, "CC -fverbose-asm -S a.c -o a.s", cmd_b="CC -fverbose-asm -S a.c -o b.s", expect=MISS, compilers=CC)

# Messages.
W = {"a.c": "#include <stdio.h>\nint f(int n, int m) { int unused; if (n = m) printf(\"%s\", n); return 0; }\n"}
pair("", "-Wall", files=W)
pair("-Wall", "-Wall -Wno-unused-variable", files=W)
pair("-Wno-unused-variable -Wall -Wunused-variable", "-Wall -Wunused-variable -Wno-unused-variable", files=W)
pair("-Wall", "-Wall -w", files=W)
pair("-Wall", "-Wall -Werror", files=W, expect=FAILS)
pair("-Wall -Werror=format", "-Wall -Wno-error=format", files=W, expect=MISS, populate=FAILS)
pair("-Wall", "-Wall -fno-diagnostics-show-option", files=W)
pair("-Wall", "-Wall -fno-diagnostics-show-caret", files=W, compilers=CC)
pair("-Wall", "-Wall -fno-caret-diagnostics", files=W, compilers=CX)
pair("-Wall -fmessage-length=0", "-Wall -fmessage-length=40", files=W)
pair("-Wall -fdiagnostics-format=text", "-Wall -fdiagnostics-format=json", files=W, compilers=CC)
pair("-Wall -fdiagnostics-format=clang", "-Wall -fdiagnostics-format=vi", files=W, compilers=CX)
pair("-Wall", "-Wall -fdiagnostics-parseable-fixits", files=W, expect=MISS)
pair("-Wall -ftabstop=8", "-Wall -ftabstop=2", files={"a.c": "\tint f(void) {\tint u; return 0; }\n"})
pair("-Wall -fdiagnostics-color=never", "-Wall -fdiagnostics-color=always", files=W, explain="coloured otherwise", expect=MISS)
pair("-Wall -fdiagnostics-color=always", "-Wall", files=W, explain="coloured otherwise", expect=MISS)
pair("-Wall -fcolor-diagnostics", "-Wall -fno-color-diagnostics", files=W, compilers=CX, explain="coloured otherwise", expect=MISS)
pair("-Wall -fdiagnostics-absolute-paths", "-Wall", files={"a.c": '#include "h/a.h"\n', "h/a.h": "static int f(void) { int u; return 0; }\n"}, compilers=CX, expect=MISS)
pair("-pedantic", "", files={"a.c": "int a[0];\n"})
pair("-Wall -std=c99 -pedantic-errors", "-Wall -std=c99", files={"a.c": "int a[0];\n"}, populate=FAILS)
pair("-Wframe-larger-than=100", "-Wframe-larger-than=1000")
pair("-fmax-errors=1", "-fmax-errors=2", files={"a.c": "x y;\nz w;\nu v;\n"}, compilers=CC, expect=FAILS, populate=FAILS)
pair("-Wa,--noexecstack", "", compilers=BOTH, expect=MISS, lost="an option without effect on this source")
pair("-Wfatal-errors", "", files={"a.c": "x y;\nz w;\n"}, expect=FAILS, populate=FAILS)

# Arity and order: an argument taken for something else shifts the rest.
ARGS = {"a.c": '#include "k.h"\nint v = K;\n', "k.h": "#define K 1\n", "i/k.h": "#define K 2\n", "-c": "", "b.c": "int v = 9;\n"}
S("-I with a separate value", ARGS, "CC -I i -c a.c -o a.o")
S("-include with a separate value that looks like a source", {**ARGS, "a.c": "int v2;\n"}, "CC -include b.c -c a.c -o a.o", change=write("b.c", "int v = 8;\n"), expect=MISS, source="a.c")
S("-D with a value that looks like a source", {"a.c": "int v = 1;\n", "b.c": ""}, "CC -D b.c -c a.c -o a.o", expect=HIT)
S("-MT with a value that looks like a source", ARGS, "CC -MD -MT b.c -c a.c -o a.o")
S("-MF with a value that looks like an option", ARGS, "CC -MD -MF -O2 -c a.c -o a.o")
S("-o with a value that looks like an option", ARGS, "CC -c a.c -o -O2.o")
S("--param with a separate value", ARGS, "CC -O2 --param max-inline-insns-auto=10 -c a.c -o a.o", compilers=CC)
S("-Xclang with a separate value", ARGS, "CC -Xclang -ast-dump -c a.c -o a.o", compilers=CX, expect="bypass:unknown_option", populate="bypass:unknown_option", any_stderr=True)
S("-isystem with a separate value", ARGS, "CC -isystem i -c a.c -o a.o")
S("-iquote swallowed or not", ARGS, "CC -iquote i -c a.c -o a.o")
S("-idirafter joined", ARGS, "CC -idirafteri -c a.c -o a.o")
S("-T during a compile", {**ARGS, "s.ld": ""}, "CC -T s.ld -c a.c -o a.o", expect=HIT, compilers=CC)
S("-u during a compile", ARGS, "CC -u sym -c a.c -o a.o", expect=HIT, compilers=CC)
S("-z during a compile", ARGS, "CC -z now -c a.c -o a.o", expect=HIT, compilers=CC)
S("-A assertion", {"a.c": "int v;\n"}, "CC -Amachine=x -c a.c -o a.o", expect=HIT, compilers=CC)
S("-l during a compile", ARGS, "CC -l m -c a.c -o a.o", compilers=CC, expect=HIT)
S("last -o wins or fails", ARGS, "CC -c a.c -o x.o -o a.o", expect="bypass:unsupported_option", populate="bypass:unsupported_option")
S("last -MF wins", ARGS, "CC -MD -MF x.d -MF y.d -c a.c -o a.o", expect=HIT)
S("the source twice", ARGS, "CC -c a.c a.c", expect="bypass:several_sources", populate="bypass:several_sources")
S("-c twice", ARGS, "CC -c -c a.c -o a.o")
S("-S and -c", ARGS, "CC -S -c a.c -o a.o", expect=HIT)
S("-c and -E", ARGS, "CC -c -E a.c -o a.o", expect="bypass:preprocess", populate="bypass:preprocess")
S("-c and -fsyntax-only", ARGS, "CC -c -fsyntax-only a.c -o a.o", expect=HIT)
S("long spelling: --include-directory", ARGS, "CC --include-directory i -c a.c -o a.o", expect="bypass:unknown_option", populate="bypass:unknown_option", change=write("i/k.h", "#define K 3\n"))
S("long spelling: --define-macro=", {"a.c": "int v = X;\n"}, "CC --define-macro=X=1 -c a.c -o a.o", cmd_b="CC --define-macro=X=2 -c a.c -o a.o", expect="bypass:unknown_option", populate="bypass:unknown_option")
S("long spelling: --output=", ARGS, "CC --output=a.o -c a.c", expect="bypass:unknown_option", populate="bypass:unknown_option")
S("long spelling: --compile", ARGS, "CC --compile a.c -o a.o", expect="bypass:link", populate="bypass:link")
S("long spelling: --include", {"a.c": "int v = K;\n", "k.h": "#define K 1\n"}, "CC --include k.h -c a.c -o a.o", change=write("k.h", "#define K 3\n"), expect="bypass:unknown_option", populate="bypass:unknown_option")
S("long spelling: --language=", {"a.txt": "int v;\n"}, "CC --language=c -c a.txt -o a.o", expect="bypass:unknown_option", populate="bypass:unknown_option")
S("an abbreviated long option", {"a.c": "int v = X;\n"}, "CC --define-mac=X=1 -c a.c -o a.o", cmd_b="CC --define-mac=X=2 -c a.c -o a.o", expect="bypass:unknown_option", populate="bypass:unknown_option")
S("an option nobody knows", ARGS, "CC -fno-such-thing -c a.c -o a.o", expect="bypass:unknown_option", populate="bypass:unknown_option")
S("a -Wno- option nobody knows", ARGS, "CC -Wno-such-thing -c a.c -o a.o", compilers=CC)
S("a missing argument", ARGS, "CC -c a.c -o", expect="bypass:bad_command", populate="bypass:bad_command", any_stderr=True)
S("an empty argument", ARGS, "CC -c a.c '' -o a.o", expect="bypass:bad_command", populate="bypass:bad_command")
S("no argument", ARGS, "CC", expect="bypass:no_source", populate="bypass:no_source")
S("no source", ARGS, "CC -c", expect="bypass:no_source", populate="bypass:no_source")
S("--version", ARGS, "CC --version", expect="bypass:no_source", populate="bypass:no_source")
S("-v during a compile", ARGS, "CC -v -c a.c -o a.o", expect="bypass:unsupported_option", populate="bypass:unsupported_option", any_stderr=True)
S("-###", ARGS, "CC -### -c a.c -o a.o", expect="bypass:unsupported_option", populate="bypass:unsupported_option", any_stderr=True)
S("-dumpmachine", ARGS, "CC -dumpmachine", expect="bypass:no_source", populate="bypass:no_source")
S("-print-file-name=", ARGS, "CC -print-file-name=libc.so", expect="bypass:no_source", populate="bypass:no_source")
S("-dM -E", ARGS, "CC -dM -E a.c", expect="bypass:preprocess", populate="bypass:preprocess")
S("-E", ARGS, "CC -E a.c -o a.i", expect="bypass:preprocess", populate="bypass:preprocess")
S("-M", ARGS, "CC -M a.c", expect="bypass:preprocess", populate="bypass:preprocess")
S("-MM with -o", ARGS, "CC -MM a.c -o a.d", expect="bypass:preprocess", populate="bypass:preprocess")
S("a link", {"a.c": "int main(void) { return 0; }\n"}, "CC a.c -o a", expect="bypass:link", populate="bypass:link")
S("a link of objects", {"a.c": "int main(void) { return 0; }\n"}, "CC a.o -o a", setup=sh("@CC@ -c a.c"), expect="bypass:link", populate="bypass:link")
S("-shared", {"a.c": "int f(void) { return 0; }\n"}, "CC -shared -fPIC a.c -o a.so", expect="bypass:link", populate="bypass:link")
S("several sources with -c", {"a.c": "int x;\n", "b.c": "int y;\n"}, "CC -c a.c b.c", expect="bypass:several_sources", populate="bypass:several_sources")
S("stdin", {"a.c": ""}, "CC -x c -c - -o a.o", expect="bypass:stdin", populate="bypass:stdin")
S("-o to a directory", {"a.c": "int x;\n", "d/x": ""}, "CC -c a.c -o d", expect="bypass:output_special", populate="bypass:output_special", any_stderr=True)
S("-wrapper", ARGS, "CC -wrapper env -c a.c -o a.o", compilers=CC, expect="bypass:unsupported_option", populate="bypass:unsupported_option")
S("-pipe", ARGS, "CC -pipe -c a.c -o a.o")
S("-no-canonical-prefixes", ARGS, "CC -no-canonical-prefixes -c a.c -o a.o", expect=HIT)
S("-ffreestanding", ARGS, "CC -ffreestanding -c a.c -o a.o")
S("-fmodules", ARGS, "CC -fmodules -fmodules-cache-path=mc -c a.c -o a.o", compilers=CX, expect="bypass:unsupported_option", populate="bypass:unsupported_option",
  nondet=("*.pcm", "*.timestamp", "*modules.idx"))
S("-fmodules-ts", {"a.cc": "export module m;\nexport int f() { return 1; }\n"}, "CXX -std=c++20 -fmodules-ts -c a.cc -o a.o", compilers=CC, expect="bypass:unsupported_option", populate="bypass:unsupported_option", nondet=("*.gcm",))
S("-save-stats", ARGS, "CC -save-stats -c a.c -o a.o", compilers=CX, expect="bypass:unsupported_option", populate="bypass:unsupported_option", nondet=("*.stats",), keep=True)
S("--analyze", ARGS, "CC --analyze a.c", compilers=CX, expect="bypass:link", populate="bypass:link", nondet=("*.plist",))
S("-emit-llvm", ARGS, "CC -emit-llvm -c a.c -o a.bc", compilers=CX, expect=HIT)
S("-fopenmp-simd", ARGS, "CC -fopenmp-simd -c a.c -o a.o")
S("-Wp,-MD with a plain -MF", ARGS, "CC -Wp,-MD,x.d -MF y.d -c a.c -o a.o", expect="bypass:unsupported_option", populate="bypass:unsupported_option")
S("-fsyntax-only with -MD", ARGS, "CC -fsyntax-only -MD -MF x.d a.c", expect=HIT)
S("a directory named like a source", {"d.c/a.c": "int x;\n"}, "CC -c d.c/a.c -o a.o")
S("Fortran", {"a.f": "      end\n"}, "CC -c a.f -o a.o", expect="bypass:unsupported_language", populate="bypass:unsupported_language", any_stderr=True)
S("Objective-C", {"a.m": "int x;\n"}, "CC -c a.m -o a.o", expect="bypass:unsupported_language", populate="bypass:unsupported_language", compilers=CX)

# Options that name what is read or written elsewhere, and that caches have lost before.
ONE = {"a.c": "int v = 1;\n", "f": "one\n"}
NO, FAILING = "bypass:unsupported_option", FAILS
for flag, word in (("-fthinlto-index=f", FAILING), ("-frandomize-layout-seed-file=f", FAILING), ("--warning-suppression-mappings=f", FAILING), ("-fbuild-session-file=f", NO),
                   ("-index-store-path d", NO), ("--analyzer-output text", NO), ("-Xarch_host -DX", NO), ("-fmodule-file=f", NO),
                   ("-Xclang -load -Xclang ./p.so", FAILING)):
    S(f"{flag}: never from the cache", ONE, f"CC {flag} -c a.c -o a.o", compilers=CX, expect=word, populate=word)
for flag, word in (("-fbranch-probabilities", HIT), ("-gtoggle", HIT), ("-frepo", NO)):
    S(f"{flag}: right or not from the cache", ONE, f"CC -O1 {flag} -c a.c -o a.o", compilers=CC, expect=word, populate=MISS if word == HIT else word)
S("-fmodule-header", {"a.h": "int v;\n"}, "CXX -std=c++20 -fmodule-header -c a.h", compilers=CC, source="a.h", expect="bypass:unsupported_option", populate="bypass:unsupported_option",
  nondet=("*.gcm",))
S("--precompile", {"a.cppm": "export module m;\nexport int f() { return 1; }\n"}, "CXX -std=c++20 --precompile a.cppm -o a.pcm", compilers=CX, source="a.cppm",
  expect="bypass:link", populate="bypass:link", nondet=("*.pcm",))
S("a newline in a -D is not another option", {"a.c": "#ifdef Y\nint v = Y;\n#else\nint v = 9;\n#endif\n"}, "CC -w '-DX=1\noption -D Y=2' -c a.c -o a.o",
  cmd_b="CC -w -DX=1 -DY=2 -c a.c -o a.o", expect=MISS, explain=("Y=2",))
S("-D in another case", {"a.c": "enum { one = 1, ONE = 2 };\nint v = X;\n"}, "CC -DX=one -c a.c -o a.o", cmd_b="CC -DX=ONE -c a.c -o a.o", expect=MISS)
