"""Files beside the object: all of them, with the names and words of this command line."""
from scenario import *

S = scenarios("side file")
C = {"a.c": '#include "a.h"\n#include "b.h"\n#include <s.h>\nint f(int n) { return n * K; }\n', "a.h": "#define K 3\n", "b.h": "", "sys/s.h": "", "o/x": ""}
LOOP = {"a.c": "int g(int);\nvoid f(float *a, int n) { for (int i = 0; i < n; i++) a[i] = a[i] * 2; }\nint h(int n) { return g(n) + g(2); }\n", "o/x": ""}
SYS = "-isystem sys"
UNSUPPORTED, UNKNOWN = "bypass:unsupported_option", "bypass:unknown_option"


def dep(flags, b=None, expect=HIT, name=None, **more):
    cmd = f"CC {SYS} {{}} -c a.c"
    S(name or (f".d: {flags}" + (f" → {b}" if b else "")), C, cmd.format(flags), cmd_b=cmd.format(b) if b else None, expect=expect, **more)


for flags in ("-MD", "-MMD", "-MD -o a.o", "-MMD -o o/a.o", "-MD -MF x.d -o a.o", "-MD -MFx.d -o a.o", "-MMD -MF o/x.d -o o/a.o", "-MD -MP -MF x.d -o a.o", "-MMD -MP -o a.o",
              "-MD -MT t -MF x.d -o a.o", "-MD -MQ 't$x' -MF x.d -o a.o", "-MD -MT 't$x' -MF x.d -o a.o", "-MD -MT one -MT two -MF x.d -o a.o", "-MD -MT one -MQ 't w' -o a.o",
              "-Wp,-MD,x.d -o a.o", "-Wp,-MMD,x.d -o a.o", "-MD -MTt -MFx.d -oa.o", "-MD -MF @W@/x.d -o @W@/a.o",
              "-MD -o a", "-MD -o a.tar.o", "-MD -o ./a.o"):
    dep(flags)
dep("-Wp,-MD,x.d,-MT,t -o a.o", expect="bypass:unknown_option", populate="bypass:unknown_option", name=".d by -Wp: with -MT")
dep("-MD -Wp,-MP -MF x.d -o a.o", expect="bypass:unknown_option", populate="bypass:unknown_option", name=".d: -MP by -Wp")
dep("-MD -o .hidden", expect="bypass:unsupported_option", populate="bypass:unsupported_option", name=".d: output named by its extension only")
dep("-MD -MF /dev/null -o a.o", expect="bypass:output_special", populate="bypass:output_special", name=".d to /dev/null")
dep("-MD -MF - -o a.o", expect="bypass:output_stdout", populate="bypass:output_stdout", name=".d to stdout")
dep("-MD -MF none/x.d -o a.o", expect=FAILS, populate=FAILS, name=".d into a missing directory")
dep("-MF x.d -o a.o", expect="bypass:unsupported_option", populate="bypass:unsupported_option", name="-MF without -MD")
dep("-MD -MT t -MF x.d -o a.o", "-MD -MT u -MF x.d -o a.o", name=".d: another -MT")
dep("-MD -MQ t -MF x.d -o a.o", "-MD -MQ 'u v' -MF x.d -o a.o", name=".d: another -MQ")
dep("-MD -MT t -MF x.d -o a.o", "-MD -MT t -MT u -MF x.d -o a.o", name=".d: one more -MT")
dep("-MD -MT t -MF x.d -o a.o", "-MD -MF x.d -o a.o", name=".d: -MT goes")
dep("-MD -o a.o", "-MD -o b.o", name=".d: another output")
dep("-MD -o a.o", "-MD -o o/b.o", name=".d: another output directory")
dep("-MD -MF x.d -o a.o", "-MD -MF y.d -o a.o", name=".d: another -MF")
dep("-MD -MF x.d -o a.o", "-MD -MF x.d -o " + "long/" * 0 + "a_very_long_output_name_that_changes_where_lines_are_wrapped_in_the_dependency_file.o",
    name=".d: a longer target, other wrapping")
dep("-MD -o a.o", "-MD", name=".d: default output, equal names")
dep("-MD -o a.o", "-MMD -o a.o", expect=MISS, name=".d: -MD → -MMD")
dep("-MMD -o a.o", "-MD -o a.o", expect=MISS, name=".d: -MMD → -MD")
dep("-MD -o a.o", "-MD -MP -o a.o", expect=MISS, name=".d: -MP comes")
dep("-o a.o", "-MD -o a.o", expect=MISS, name=".d is asked for", explain="-MD")
dep("-MD -o a.o", "-o a.o", expect=MISS, name=".d is no longer asked for")
dep("-Wp,-MD,x.d -o a.o", "-Wp,-MD,y.d -o a.o", name=".d by -Wp: another name", expect=HIT)
dep("-Wp,-MD,x.d -o a.o", "-Wp,-MMD,x.d -o a.o", name=".d by -Wp: -MMD", expect=MISS, explain=("MMD", "-Wp"))
S(".d with wrapped lines", {"a.c": "".join(f'#include "header_with_a_long_name_{i}.h"\n' for i in range(12)) + "int x;\n",
                            **{f"header_with_a_long_name_{i}.h": "" for i in range(12)}}, "CC -MD -MP -c a.c -o a.o")
S(".d of a C++ file with a standard header", {"a.cc": "#include <cstdint>\nint x;\n"}, "CXX -MD -c a.cc -o a.o", cmd_b="CXX -MD -MT other -c a.cc -o a.o")
S(".d with blanks in a header's name", {"a.c": '#include "a b.h"\nint x;\n', "a b.h": ""}, "CC -MD -MP -c a.c -o a.o", cmd_b="CC -MD -MP -c a.c -o b.o")
S(".d with $ and # in names", {"a$1.c": '#include "h#1.h"\nint x;\n', "h#1.h": ""}, "CC -MD -MP -c 'a$1.c' -o 'a$1.o'", cmd_b="CC -MD -MP -c 'a$1.c' -o 'b#2.o'")
S(".d with a backslash in a name", {"a.c": '#include "h\\x.h"\nint x;\n', "h\\x.h": ""}, "CC -w -MD -c a.c -o a.o")
S(".d beyond ASCII", {"ä.c": '#include "ö.h"\nint x;\n', "ö.h": ""}, "CC -MD -c ä.c -o ü.o")
S(".d of .S", {"a.S": '#include "k.h"\n.long K\n', "k.h": "#define K 1\n"}, "CC -MMD -c a.S -o a.o", cmd_b="CC -MMD -c a.S -o b.o")
S(".d of .s", {"a.s": ".long 1\n"}, "CC -MD -c a.s -o a.o", expect=HIT)
S(".d of preprocessed C", {"a.i": '# 1 "x.c"\n# 1 "x.h" 1\nint x;\n# 2 "x.c" 2\n'}, "CC -MD -c a.i -o a.o", expect=HIT)
S(".d names a header in another directory", {"s/a.c": '#include "../i/a.h"\nint x;\n', "i/a.h": ""}, "CC -MD -c s/a.c -o a.o")
S(".d lists -include", {"a.c": "int x;\n", "p.h": ""}, "CC -include p.h -MMD -c a.c -o a.o")
S(".d does not list what __has_include saw", {"a.c": '#if __has_include("p.h")\nint x;\n#endif\n', "p.h": ""}, "CC -MMD -c a.c -o a.o")
S(".d with #line", {"a.c": '#line 1 "gen.y"\nint x;\n'}, "CC -MMD -c a.c -o a.o")
S(".d, header order edited", {"a.c": '#include "a.h"\n#include "b.h"\nint x;\n', "a.h": "", "b.h": ""}, "CC -MMD -c a.c -o a.o",
  change=write("a.c", '#include "b.h"\n#include "a.h"\nint x;\n'), expect=MISS)
S(".d, a header gains an empty include", {"a.c": '#include "a.h"\nint x;\n', "a.h": "", "b.h": ""}, "CC -MMD -c a.c -o a.o", change=write("a.h", '#include "b.h"\n'), expect=MISS)
S(".d: clang's -MV", {"a.c": '#include "a b.h"\nint x;\n', "a b.h": ""}, "CC -MMD -MV -c a.c -o a.o", compilers=CLANG, expect="bypass:unsupported_option", populate="bypass:unsupported_option")
S(".d: -dependency-dot", {"a.c": '#include "a.h"\nint x;\n', "a.h": ""}, "CC -Xclang -dependency-dot -Xclang x.dot -c a.c -o a.o", compilers=CLANG, expect="bypass:unknown_option", populate="bypass:unknown_option")
S("stale .d is replaced", C, f"CC {SYS} -MD -c a.c -o a.o", keep=True, change=write("a.d", "stale"))
S(".d was deleted, object is there", C, f"CC {SYS} -MD -c a.c -o a.o", keep=True, change=remove("a.d"))
S("-MD under umask 077", C, f"CC {SYS} -MD -c a.c -o a.o", umask_b=0o077)


def side(name, flags, files=LOOP, compilers=GCC + CLANG, cmd="CC {} -c a.c -o a.o", back=HIT, other=None, **more):
    """The file comes back at a second compile, and at one with another output name (where names may be in the object)."""
    populate = MISS if back == HIT else back
    S(f"{name}: comes back", files, cmd.format(flags), compilers=compilers, expect=back, populate=populate, **more)
    S(f"{name}: another output", files, cmd.format(flags), cmd_b=cmd.replace("-o a.o", "-o o/b.o").format(flags), compilers=compilers,
      expect=other or back, populate=populate, explain="o/b.o", **more)


side("-gsplit-dwarf", "-g -gsplit-dwarf", other=MISS)
side("-gsplit-dwarf without -g", "-gsplit-dwarf", other=MISS)
side("-gsplit-dwarf=single", "-g -gsplit-dwarf=single", compilers=CLANG, other=MISS)
side("-fstack-usage", "-fstack-usage")
side("-fcallgraph-info", "-fcallgraph-info", compilers=GCC)
side("-fsave-optimization-record", "-O2 -fsave-optimization-record", compilers=CLANG, other=MISS)
side("-fsave-optimization-record, gcc", "-O2 -fsave-optimization-record -frandom-seed=1", compilers=GCC, other=MISS, nondet=("*.opt-record.json.gz",))
side("-foptimization-record-file=", "-O2 -foptimization-record-file=x.yaml", compilers=CLANG, other=MISS)
side("-fopt-info-*=file", "-O3 -fopt-info-all=x.txt", compilers=GCC)
side("-fopt-info to stderr", "-O3 -fopt-info", compilers=GCC)
side("-Rpass", "-O2 -Rpass=.*", compilers=CLANG)
side("-aux-info", "-aux-info x.aux", compilers=GCC)
side("-fdump-tree-optimized", "-O1 -fdump-tree-optimized", compilers=GCC, back=UNSUPPORTED)
side("-fdump-rtl-all", "-O1 -fdump-rtl-final", compilers=GCC, back=UNSUPPORTED, nondet=("*.final",))
side("-fdump-ipa-clones", "-O2 -fdump-ipa-clones", compilers=GCC, back=UNSUPPORTED)
side("-da", "-da", compilers=GCC, back=UNSUPPORTED, nondet=("*",))
side("-save-temps", "-save-temps", back=UNSUPPORTED)
side("-save-temps=obj", "-save-temps=obj", back=UNSUPPORTED)
side("-ftime-trace", "-ftime-trace", compilers=CLANG, back=UNSUPPORTED, nondet=("*.json",))
side("-ftime-report", "-ftime-report", back=UNSUPPORTED, any_stderr=True)
side("--serialize-diagnostics", "-Wall --serialize-diagnostics x.dia", files={"a.c": "int f(void) { int u; return 0; }\n", "o/x": ""}, compilers=CLANG)
side("-MJ", "-MJ x.json", compilers=CLANG, back=UNSUPPORTED)
side("--coverage", "--coverage -frandom-seed=1", other=MISS)
side("-ftest-coverage", "-ftest-coverage -frandom-seed=1", other=MISS)
side("-fprofile-arcs", "-fprofile-arcs -frandom-seed=1", other=MISS)
side("-fprofile-generate", "-O1 -fprofile-generate -frandom-seed=1", other=MISS)
side("-fprofile-generate=dir", "-O1 -fprofile-generate=d -frandom-seed=1", other=MISS)
side("-fprofile-instr-generate", "-fprofile-instr-generate", compilers=CLANG)
side("-fcoverage-mapping", "-fprofile-instr-generate -fcoverage-mapping", compilers=CLANG)
side("-Wa,-adhln=", "-Wa,-adhln=x.lst", compilers=GCC)
side("-dumpbase", "-dumpbase other -fstack-usage", compilers=GCC, back=UNSUPPORTED)
side("-dumpdir", "-dumpdir o/pre- -fstack-usage", compilers=GCC, back=UNSUPPORTED)
side("-flto with -fstack-usage", "-flto -frandom-seed=1 -fstack-usage", compilers=GCC, other=MISS)
side("-fcallgraph-info=su,da", "-fcallgraph-info=su,da", compilers=GCC)
side("-stats", "-fmem-report -fmem-report-wpa", compilers=GCC, back=UNSUPPORTED, any_stderr=True)
side("-fdiagnostics-generate-patch", "-Wall -fdiagnostics-generate-patch", compilers=GCC)
side("-fada-spec", "-fdump-ada-spec", compilers=GCC, back=UNSUPPORTED)
side("-fdump-go-spec", "-fdump-go-spec=x.go", compilers=GCC, back=UNSUPPORTED)
side("-fdump-final-insns=", "-fdump-final-insns=x.fin", compilers=GCC, back=UNSUPPORTED)
side("-fcrash-diagnostics-dir", "-fcrash-diagnostics-dir=crash", compilers=CLANG, back=UNSUPPORTED)
side("-fdump-record-layouts", "-Xclang -fdump-record-layouts", files={"a.c": "struct s { int a; } x;\n", "o/x": ""}, compilers=CLANG, back=UNKNOWN, any_stderr=True)
side("-fprofile-note=", "--coverage -fprofile-note=x.note -frandom-seed=1", compilers=GCC, back=UNSUPPORTED)
side("-Xclang -header-include-file", "-Xclang -header-include-file -Xclang x.hdr -Xclang -H", files={**C, "o/x": ""}, compilers=CLANG, back=UNKNOWN, cmd="CC -isystem sys {} -c a.c -o a.o")
S(".su with the edit of a function", LOOP, "CC -fstack-usage -c a.c -o a.o", change=write("a.c", "int f(int n) { volatile char b[999]; b[n] = 1; return b[1]; }\n"), expect=MISS)
S(".dwo: the file was deleted", LOOP, "CC -g -gsplit-dwarf -c a.c -o a.o", keep=True, change=remove("a.dwo"))
S(".dwo: equal object name in another directory", LOOP, "CC -g -gsplit-dwarf -c a.c -o a.o", cmd_b="CC -g -gsplit-dwarf -c a.c -o o/a.o", expect=MISS)
S("coverage: another working directory", LOOP, "CC --coverage -frandom-seed=1 -c a.c -o a.o", change=copytree("@W@", "@X@"), cwd_b="@X@", expect=MISS)
S("-fprofile-generate: another working directory", LOOP, "CC -O1 -fprofile-generate -frandom-seed=1 -c a.c -o a.o", change=copytree("@W@", "@X@"), cwd_b="@X@", expect=MISS)
S("coverage: -fprofile-dir changes", LOOP, "CC --coverage -fprofile-dir=one -frandom-seed=1 -c a.c -o a.o", cmd_b="CC --coverage -fprofile-dir=two -frandom-seed=1 -c a.c -o a.o",
  expect=MISS, compilers=GCC)
S("coverage: another output name", LOOP, "CC --coverage -frandom-seed=1 -c a.c -o a.o", cmd_b="CC --coverage -frandom-seed=1 -c a.c -o b.o", expect=MISS)
dep("-MD -MQ b -MT a -MF x.d -o a.o", "-MD -MQ c -MT a -MF x.d -o a.o", name=".d: -MQ before -MT, another -MQ")
S(".d with a backslash at a name's end, another output", {"a.c": '#include "h\\"\nint x;\n', "h\\": ""}, "CC -w -MD -c a.c -o a.o", cmd_b="CC -w -MD -c a.c -o b.o",
  compilers=GCC, expect=EITHER, reason="such a .d may be kept as it is")
