"""What the assembler reads: nobody's dependency output names it."""
from scenario import *

S = scenarios("assembler")
BIN = 'asm(".section .d\\n.incbin \\"d.bin\\"\\n.text");\nint x;\n'

S(".incbin in C: the file is edited", {"a.c": BIN, "d.bin": "one"}, change=write("d.bin", "two"), expect=MISS)
S(".incbin in C: control", {"a.c": BIN, "d.bin": "one"}, change=touch("d.bin"))
S(".incbin: same size and mtime", {"a.c": BIN, "d.bin": "one"}, change=write_same_stat("d.bin", "two"), expect=MISS)
S(".incbin: words of time in the data", {"a.c": BIN, "d.bin": "__TIME__ __DA\0TE__ __TI ME__"}, change=touch("d.bin"), compilers=GCC)
S(".incbin after a tab", {"a.c": BIN.replace(".incbin ", ".incbin\\t"), "d.bin": "one"}, change=write("d.bin", "two"), expect=MISS)
S(".incbin split over string pieces", {"a.c": BIN.replace(".incbin", '.inc" "bin'), "d.bin": "one"}, change=write("d.bin", "two"),
  expect=MISS)
S(".incbin by macro", {"a.c": '#define I(f) asm(".section .d\\n.inc" "bin \\"" f "\\"\\n.text")\nI("d.bin");\n', "d.bin": "one"},
  change=write("d.bin", "two"), expect=MISS)
S(".incbin in a header", {"a.c": '#include "a.h"\n', "a.h": BIN, "d.bin": "one"}, change=write("d.bin", "two"), expect=MISS)
S(".incbin with skip and count", {"a.c": BIN.replace('\\"d.bin\\"', '\\"d.bin\\",1,2'), "d.bin": "0123"},
  change=write("d.bin", "0abc"), expect=MISS)
S(".incbin of an absolute path", {"a.c": BIN.replace("d.bin", "@W@/d.bin"), "d.bin": "one"}, change=write("d.bin", "two"), expect=MISS)
S(".incbin in C++", {"a.cc": BIN, "d.bin": "one"}, "CXX -c a.cc -o a.o", change=write("d.bin", "two"), expect=MISS)
S(".incbin in preprocessed C", {"a.i": BIN, "d.bin": "one"}, "CC -c a.i -o a.o", change=write("d.bin", "two"), expect=MISS)
S(".incbin in .s", {"a.s": '.incbin "d.bin"\n', "d.bin": "one"}, "CC -c a.s -o a.o", change=write("d.bin", "two"), expect=MISS)
S(".incbin in .S", {"a.S": '.incbin "d.bin"\n', "d.bin": "one"}, "CC -c a.S -o a.o", change=write("d.bin", "two"), expect=MISS)
S(".incbin in .S by a cpp macro", {"a.S": "#define F \"d.bin\"\n.incbin F\n", "d.bin": "one"}, "CC -c a.S -o a.o",
  change=write("d.bin", "two"), expect=MISS)
S(".incbin found by -I", {"a.c": BIN, "i/d.bin": "one"}, "CC -Ii -c a.c -o a.o", change=write("i/d.bin", "two"), expect=MISS)
S(".incbin found by -Wa,-I", {"a.c": BIN, "i/d.bin": "one"}, "CC -Wa,-Ii -c a.c -o a.o", change=write("i/d.bin", "two"), expect=MISS)
S(".incbin file goes", {"a.c": BIN, "d.bin": "one"}, change=remove("d.bin"), expect=FAILS, any_stderr=True)
S(".include in inline assembler", {"a.c": 'asm(".include \\"k.inc\\"");\n', "k.inc": ".long 1\n"}, change=write("k.inc", ".long 2\n"),
  expect=MISS)
S(".include in .s", {"a.s": '.include "k.inc"\n', "k.inc": ".long 1\n"}, "CC -c a.s -o a.o", change=write("k.inc", ".long 2\n"), expect=MISS)
S(".include in .S", {"a.S": '.include "k.inc"\n', "k.inc": ".long 1\n"}, "CC -c a.S -o a.o", change=write("k.inc", ".long 2\n"), expect=MISS)
S(".include nested", {"a.s": '.include "k.inc"\n', "k.inc": '.include "l.inc"\n', "l.inc": ".long 1\n"}, "CC -c a.s -o a.o",
  change=write("l.inc", ".long 2\n"), expect=MISS)
S(".include under a false .if", {"a.s": '.if 0\n.include "k.inc"\n.endif\n.long 0\n', "k.inc": ".long 1\n"}, "CC -c a.s -o a.o",
  change=write("k.inc", ".long 2\n"))
S("-Wa,-I directory swapped", {"a.s": '.include "k.inc"\n', "one/k.inc": ".long 1\n", "two/k.inc": ".long 2\n"},
  "CC -Wa,-Ione -c a.s -o a.o", cmd_b="CC -Wa,-Itwo -c a.s -o a.o", expect=MISS)
S("-Wa,-I content", {"a.s": '.include "k.inc"\n', "one/k.inc": ".long 1\n"}, "CC -Wa,-Ione -c a.s -o a.o",
  change=write("one/k.inc", ".long 2\n"), expect=MISS)
S("-Wa,@file content", {"a.s": ".ifdef X\n.long 1\n.endif\n.long 5\n", "f": "--defsym X=1"}, "CC -Wa,@f -c a.s -o a.o",
  change=write("f", "--defsym Y=1"), expect="bypass:unknown_option", populate="bypass:unknown_option", compilers=GCC)
S("-Wa,@file content, in C", {"a.c": 'asm(".ifdef X\\n.long 1\\n.endif\\n.long 5");\n', "f": "--defsym X=1"}, "CC -Wa,@f -c a.c -o a.o",
  change=write("f", "--defsym Y=1"), expect="bypass:unknown_option", populate="bypass:unknown_option", compilers=GCC)
S("-Wa,--defsym", {"a.s": ".long X\n"}, "CC -Wa,--defsym,X=1 -c a.s -o a.o", cmd_b="CC -Wa,--defsym,X=2 -c a.s -o a.o", expect={"gcc": MISS, "clang": FAILS}, populate={"gcc": MISS, "clang": FAILS},
  explain=("defsym", "X=2"))
S("-Xassembler", {"a.s": ".long X\n"}, "CC -Xassembler --defsym -Xassembler X=1 -c a.s -o a.o",
  cmd_b="CC -Xassembler --defsym -Xassembler X=2 -c a.s -o a.o", expect="bypass:unsupported_option", populate="bypass:unsupported_option", compilers=GCC, explain=("defsym", "X=2"))
S("-Wa, order", {"a.s": '.include "k.inc"\n', "one/k.inc": ".long 1\n", "two/k.inc": ".long 2\n"},
  "CC -Wa,-Ione,-Itwo -c a.s -o a.o", cmd_b="CC -Wa,-Itwo,-Ione -c a.s -o a.o", expect=MISS)
S(".s is edited", {"a.s": ".long 1\n"}, "CC -c a.s -o a.o", change=write("a.s", ".long 2\n"), expect=MISS)
S(".S is edited", {"a.S": ".long 1\n"}, "CC -c a.S -o a.o", change=write("a.S", ".long 2\n"), expect=MISS)
S(".S header is edited", {"a.S": '#include "k.h"\n.long K\n', "k.h": "#define K 1\n"}, "CC -c a.S -o a.o",
  change=write("k.h", "#define K 2\n"), expect=MISS)
S(".S with -D", {"a.S": ".long K\n"}, "CC -DK=1 -c a.S -o a.o", cmd_b="CC -DK=2 -c a.S -o a.o", expect=MISS)
S(".s ignores -D", {"a.s": ".long 1\n"}, "CC -DK=1 -c a.s -o a.o", cmd_b="CC -DK=2 -c a.s -o a.o", expect=MISS, lost="an option without effect on this source")
S(".sx", {"a.sx": "#define K 1\n.long K\n"}, "CC -c a.sx -o a.o", compilers=GCC)
S("-x assembler", {"a.txt": ".long 1\n"}, "CC -x assembler -c a.txt -o a.o", source="a.txt", change=write("a.txt", ".long 2\n"), expect=MISS)
S("-x assembler-with-cpp against -x assembler", {"a.s": "#define K 1\n.long 1\n#ifndef K\n.long 2\n#endif\n"},
  "CC -x assembler -c a.s -o a.o", cmd_b="CC -x assembler-with-cpp -c a.s -o a.o", expect=MISS)
S(".S dependency file", {"a.S": '#include "k.h"\n.long K\n', "k.h": "#define K 1\n"}, "CC -MD -MF a.d -c a.S -o a.o")
S(".s with -g keeps its directory", {"a.s": ".text\nf: ret\n"}, "CC -g -c a.s -o a.o", change=copytree("@W@", "@X@"), cwd_b="@X@", expect=MISS)
S("-Wa,-a=listing comes back", {"a.c": "int f(void) { return 1; }\n"}, "CC -Wa,-adhln=a.lst -c a.c -o a.o", compilers=GCC,
  expect=HIT, nondet=("*.lst",))
S("-Wa,-al=listing, C changes", {"a.c": "int f(void) { return 1; }\n"}, "CC -Wa,-al=a.lst -c a.c -o a.o", compilers=GCC,
  change=write("a.c", "int f(void) { return 2; }\n"), expect="not stored:volatile_input", populate="not stored:volatile_input", nondet=("*.lst",))
S("-Wa,-al= another listing name", {"a.c": "int f(void) { return 1; }\n"}, "CC -Wa,-al=a.lst -c a.c -o a.o",
  cmd_b="CC -Wa,-al=b.lst -c a.c -o a.o", compilers=GCC, expect="not stored:volatile_input", populate="not stored:volatile_input", nondet=("*.lst",))
S("-Wa,-ahls to stdout", {"a.c": "int f(void) { return 1; }\n"}, "CC -Wa,-ahls -c a.c -o a.o", compilers=GCC, expect="bypass:unsupported_option",
  populate="bypass:unsupported_option", any_stderr=True)
S("-Wa,--MD", {"a.s": '.include "k.inc"\n', "k.inc": ".long 1\n"}, "CC -Wa,--MD,a.dd -c a.s -o a.o", compilers=GCC, expect="bypass:unknown_option",
  populate="bypass:unknown_option")
S("-Wa,-o behind the driver's back", {"a.c": "int x;\n"}, "CC -Wa,-o,b.o -c a.c -o a.o", compilers=GCC, expect="bypass:unknown_option", populate="bypass:unknown_option")
S("-Wa,-al= another directory for temporary files", {"a.c": "int f(void) { return 1; }\n"}, "CC -Wa,-al=a.lst -c a.c -o a.o", compilers=GCC,
  env={"TMPDIR": "@T@"}, env_b={"TMPDIR": "@W@"}, expect="not stored:volatile_input", populate="not stored:volatile_input", nondet=("*.lst",))
S("assembler's warning names a temporary file", {"a.c": 'asm(".warning \\"careful\\"");\nint x;\n'}, compilers=GCC, expect="not stored:volatile_input",
  populate="not stored:volatile_input", any_stderr=True)
S("clang with the system's assembler", {"a.c": BIN, "d.bin": "one"}, "CC -fno-integrated-as -c a.c -o a.o", compilers=CLANG,
  change=write("d.bin", "two"), expect=MISS)
S("assembler's warning is replayed", {"a.c": 'asm(".warning \\"careful\\"");\nint x;\n'}, compilers=CLANG)
S("assembler's warning is replayed, gcc", {"a.s": '.warning "careful"\n.long 1\n'}, "CC -c a.s -o a.o", compilers=GCC)
S("assembler fails", {"a.c": 'asm("no such instruction");\n'}, expect=FAILS, populate=FAILS, any_stderr=True)
