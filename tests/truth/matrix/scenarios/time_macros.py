"""The time in the object: __DATE__, __TIME__, __TIMESTAMP__, however written."""
from scenario import *

S = scenarios("time")
NEVER = dict(expect="not stored:time_macro", populate="not stored:time_macro", align=True, change=wait(1.0))
T1, T2 = 1_600_000_000, 1_600_086_400
SDE = {"SOURCE_DATE_EPOCH": "1600000000"}

S("__TIME__ in the source", {"a.c": "const char *t = __TIME__;\n"}, **NEVER)
S("__TIME__ in a header", {"a.c": '#include "a.h"\n', "a.h": "const char *t = __TIME__;\n"}, **NEVER)
S("__TIME__ in a header that .incbin takes in, too", {"a.c": '#include "a.h"\nasm(".section .d\\n.incbin \\"a.h\\"\\n.text");\n',
  "a.h": "const char *t = __TIME__;\n"}, **NEVER)
S("__TIME__ comes into a header that .incbin takes in, too", {"a.c": '#include "a.h"\nasm(".section .d\\n.incbin \\"a.h\\"\\n.text");\n',
  "a.h": "int t;\n"}, via=write("a.h", "const char *t = __TIME__;\n"), change=wait(1.0), align=True, expect="not stored:time_macro")
# With -pipe both run at once; the assembler is past .incbin before the preprocessor comes to #include.
S("__TIME__ in a header that .incbin takes in first", {"a.S": '.section .d\n.incbin "a.h"\n' + ".byte 0\n" * 40000 + '#include "a.h"\n',
  "a.h": ".ascii __TIME__\n"}, "CC -pipe -c a.S -o a.o", compilers=GCC, **NEVER)
S("__DATE__ in the source", {"a.c": "const char *t = __DATE__;\n"}, expect="not stored:time_macro", populate="not stored:time_macro")
S("__DATE__ in a header", {"a.c": '#include "a.h"\n', "a.h": "const char *t = __DATE__;\n"}, expect="not stored:time_macro", populate="not stored:time_macro")
S("__TIME__ pasted", {"a.c": "#define P(a, b) a##b\nconst char *t = P(__TI, ME__);\n"}, **NEVER)
S("__TIME__ pasted from one letter pieces", {"a.c": "#define P(a, b) P2(a, b)\n#define P2(a, b) a##b\nconst char *t = P(P(__T, I), P(M, E__));\n"},
  expect="not stored:time_macro", populate="not stored:time_macro", align=True, change=wait(1.0))
S("__TIME__ pasted from words", {"a.c": "#define P(a) __##a##__\nconst char *t = P(TIME);\n"}, **NEVER)
S("__TIME__ pasted across files", {"a.c": '#include "p.h"\n#include "q.h"\nconst char *t = P(X, Y);\n', "p.h": "#define P(a, b) P2(a, b)\n#define P2(a, b) a##b\n#define X __TI\n",
                                   "q.h": "#define Y ME__\n"}, **NEVER)
S("__TIME__ split by backslash-newline", {"a.c": "const char *t = __TI\\\nME__;\n"}, **NEVER)
S("__TIME__ given by -D", {"a.c": "const char *t = X;\n"}, "CC -DX=__TIME__ -c a.c -o a.o", **NEVER)
S("__TIME__ given by -D, pasted", {"a.c": "#define P(a, b) a##b\n#define Q(a, b) P(a, b)\nconst char *t = Q(X, ME__);\n"}, "CC -DX=__TI -c a.c -o a.o", **NEVER)
S("__TIME__ in a response file", {"a.c": "const char *t = X;\n", "f": "-DX=__TIME__"}, "CC @f -c a.c -o a.o", **NEVER)
S("__TIME__ in a trigraph-spliced line", {"a.c": "const char *t = __TI??/\nME__;\n"}, "CC -std=c99 -w -c a.c -o a.o", expect="not stored:time_macro", populate="not stored:time_macro",
  align=True, change=wait(1.0))
S("__TIME__ in preprocessed text is a plain word", {"a.i": "int __TIME__;\n"}, "CC -c a.i -o a.o", expect={"gcc": "not stored:time_macro", "clang": FAILS}, populate={"gcc": "not stored:time_macro", "clang": FAILS})
S("__TIME__ in a comment only", {"a.c": "/* __TIME__ */ int x;\n"}, expect="not stored:time_macro", populate="not stored:time_macro")
S("__TIME__ under a false #if", {"a.c": "#if 0\nconst char *t = __TIME__;\n#endif\nint x;\n"}, expect="not stored:time_macro", populate="not stored:time_macro")
S("__TIME__ in a .S file", {"a.S": ".asciz __TIME__\n"}, "CC -c a.S -o a.o", **NEVER)
S("__TIME__ tested by #ifdef", {"a.c": "#ifdef __TIME__\nint x = 1;\n#endif\n"}, expect="not stored:time_macro", populate="not stored:time_macro")
S("__TIMESTAMP__: the source's mtime moves", {"a.c": "const char *t = __TIMESTAMP__;\n"}, setup=touch("a.c", T1), change=touch("a.c", T2), expect="not stored:time_macro",
  populate="not stored:time_macro")
S("__TIMESTAMP__ in a header: its mtime moves", {"a.c": '#include "a.h"\n', "a.h": "const char *t = __TIMESTAMP__;\n"}, setup=touch("a.h", T1),
  change=touch("a.h", T2), expect="not stored:time_macro", populate="not stored:time_macro")
S("__TIMESTAMP__ in a header: the source's mtime moves", {"a.c": '#include "a.h"\n', "a.h": "const char *t = __TIMESTAMP__;\n"},
  setup=(touch("a.c", T1), touch("a.h", T1)), change=touch("a.c", T2), expect="not stored:time_macro", populate="not stored:time_macro")
S("__TIMESTAMP__ pasted", {"a.c": "#define P(a) __##a##__\nconst char *t = P(TIMESTAMP);\n"}, setup=touch("a.c", T1), change=touch("a.c", T2), expect="not stored:time_macro",
  populate="not stored:time_macro")
S("__DATE__ header edited, same size", {"a.c": '#include "a.h"\n', "a.h": "const char *t = __DATE__; int x = 1;\n"},
  change=write_same_stat("a.h", "const char *t = __DATE__; int x = 2;\n"), expect="not stored:time_macro", populate="not stored:time_macro")
S("SOURCE_DATE_EPOCH: control", {"a.c": "const char *t = __DATE__ __TIME__;\n"}, env=SDE, compilers=GCC)
S("SOURCE_DATE_EPOCH: a second later", {"a.c": "const char *t = __DATE__ __TIME__;\n"}, env=SDE, compilers=GCC, align=True, change=wait(1.0))
S("SOURCE_DATE_EPOCH that this clang ignores", {"a.c": "const char *t = __TIME__;\n"}, env=SDE, compilers=CLANG, expect="not stored:time_macro", populate="not stored:time_macro", align=True,
  change=wait(1.0))
S("SOURCE_DATE_EPOCH changes", {"a.c": "const char *t = __DATE__ __TIME__;\n"}, env=SDE, env_b={"SOURCE_DATE_EPOCH": "1600086400"}, expect=MISS, compilers=GCC)
S("SOURCE_DATE_EPOCH goes", {"a.c": "const char *t = __DATE__ __TIME__;\n"}, env=SDE, env_b={}, expect="not stored:time_macro", align=True, compilers=GCC)
S("SOURCE_DATE_EPOCH comes", {"a.c": "const char *t = __DATE__ __TIME__;\n"}, env_b=SDE, expect=MISS, populate="not stored:time_macro", compilers=GCC)
S("SOURCE_DATE_EPOCH in a header", {"a.c": '#include "a.h"\n', "a.h": "const char *t = __TIME__;\n"}, env=SDE,
  env_b={"SOURCE_DATE_EPOCH": "1600000001"}, expect=MISS, compilers=GCC)
S("SOURCE_DATE_EPOCH does not fix __TIMESTAMP__", {"a.c": "const char *t = __TIMESTAMP__;\n"}, env=SDE, setup=touch("a.c", T1), change=touch("a.c", T2),
  expect="not stored:time_macro", populate="not stored:time_macro")
S("SOURCE_DATE_EPOCH malformed", {"a.c": "const char *t = __DATE__;\n"}, env={"SOURCE_DATE_EPOCH": "never"}, expect=FAILS, populate=FAILS, compilers=GCC)
S("TZ changes, __TIMESTAMP__", {"a.c": "const char *t = __TIMESTAMP__;\n"}, setup=touch("a.c", T1), env={"TZ": "UTC"}, env_b={"TZ": "Asia/Tokyo"}, expect="not stored:time_macro",
  populate="not stored:time_macro")
S("TZ changes, SOURCE_DATE_EPOCH set", {"a.c": "const char *t = __TIME__;\n"}, env={**SDE, "TZ": "UTC"}, env_b={**SDE, "TZ": "Asia/Tokyo"}, expect=MISS,
  compilers=GCC, lost="a variable that this compile does not use")
S("-Wdate-time warns each time", {"a.c": "const char *t = __DATE__;\n"}, "CC -Wdate-time -c a.c -o a.o", expect="not stored:time_macro", populate="not stored:time_macro")
S("-Werror=date-time fails each time", {"a.c": "const char *t = __DATE__;\n"}, "CC -Werror=date-time -c a.c -o a.o", expect=FAILS, populate=FAILS)
S("__DATE__ redefined by -D", {"a.c": "const char *t = __DATE__;\n"}, "CC -Wno-builtin-macro-redefined '-D__DATE__=\"x\"' -c a.c -o a.o", expect="not stored:time_macro",
  populate="not stored:time_macro")
S("__TIME__ behind -include", {"a.c": "const char *t = X;\n", "p.h": "#define X __TIME__\n"}, "CC -include p.h -c a.c -o a.o", **NEVER)
S("__TIME__ in a standard-looking header", {"a.c": "#include <s.h>\n", "sys/s.h": "static const char *t __attribute__((used)) = __TIME__;\n"},
  "CC -isystem sys -c a.c -o a.o", **NEVER)
S("__TIME__ comes in by an edit", {"a.c": 'const char *t = "x";\n'}, change=(write("a.c", "const char *t = __TIME__;\n"), wait(0.1)), expect="not stored:time_macro", align=True)
S("a time macro's name as a string", {"a.c": 'const char *t = "__TIME__";\n'}, expect="not stored:time_macro", populate="not stored:time_macro")
