"""The machine and other views of one path: chroots, mount namespaces, processors."""
from scenario import *

S = scenarios("machine")
NS = "unshare -m sh -c 'mount --bind {src} {dst} && cd \"$PWD\" && exec \"$@\"' sh"
C = {"a.c": '#include "v/x.h"\nint x = X;\n', "one/x.h": "#define X 1\n", "two/x.h": "#define X 2\n", "v/x.h": "#define X 0\n"}
ONE, TWO = (NS.format(src=f"@W@/{d}", dst="@W@/v") for d in ("one", "two"))
ROOT = "unshare -m sh -c 'for d in /*; do test -d $d || continue; mkdir -p @T@/{r}$d; " \
       "mount --rbind $d @T@/{r}$d; done; {more} exec chroot @T@/{r} sh -c \"cd $PWD && exec \\\"\\$@\\\"\" sh \"$@\"' sh"
S("a mount namespace shows another header", C, wrap_b=ONE, expect=MISS, explain="v/x.h", needs=need_unshare)
S("two mount namespaces", C, wrap=ONE, wrap_b=TWO, expect=MISS, explain="v/x.h", needs=need_unshare)
S("a mount namespace, then none", C, wrap=ONE, wrap_b="", expect=MISS, explain="v/x.h", needs=need_unshare)
S("a mount namespace with equal files", {**C, "one/x.h": "#define X 0\n"}, wrap_b=ONE, expect=HIT, needs=need_unshare)
S("a mount over an include directory that was empty", {"a.c": "#include <x.h>\nint x = X;\n", "e/k": "", "one/x.h": "#define X 1\n", "two/x.h": "#define X 2\n"},
  "CC -Ie -Itwo -c a.c -o a.o", wrap_b=NS.format(src="@W@/one", dst="@W@/e"), expect=MISS, explain="e/x.h", needs=need_unshare)
S("a mount over the assembler's directory", {"a.s": ".ifndef X\n.set X,0\n.endif\n.long X\n", "t/as": '#!/bin/sh\nexec /usr/bin/as --defsym X=1 "$@"\n',
                                             "u/as": '#!/bin/sh\nexec /usr/bin/as --defsym X=2 "$@"\n'}, "CC -Bt/ -c a.s -o a.o",
  wrap_b=NS.format(src="@W@/u", dst="@W@/t"), expect=MISS, explain="t/as", needs=need_unshare, compilers=GCC)
CH = {"a.c": "#include <hpcc-truth.h>\nint x = X;\n", "h1/hpcc-truth.h": "#define X 1\n", "h2/hpcc-truth.h": "#define X 2\n", "a": ""}
BIND = "mkdir -p @T@/{r}/opt; mount -t tmpfs none @T@/{r}/opt; mkdir @T@/{r}/opt/inc; mount --bind @W@/{h} @T@/{r}/opt/inc; " \
       "sleep 0.1;"  # clang lists /opt: what was made in the tick before a compile is not stored
S("two chroots on one store, other headers", CH, "CC -isystem /opt/inc -c a.c -o a.o", wrap=ROOT.format(r="r1", more=BIND.format(r="r1", h="h1")),
  wrap_b=ROOT.format(r="r2", more=BIND.format(r="r2", h="h2")), expect=MISS, explain="hpcc-truth.h", needs=need_unshare)
S("two chroots on one store, equal headers", {**CH, "h2/hpcc-truth.h": "#define X 1\n"}, "CC -isystem /opt/inc -c a.c -o a.o",
  wrap=ROOT.format(r="r1", more=BIND.format(r="r1", h="h1")), wrap_b=ROOT.format(r="r2", more=BIND.format(r="r2", h="h2")), expect=HIT, needs=need_unshare)
S("a chroot, then the host", {**CH, "a.c": "#if __has_include(<hpcc-truth.h>)\n#include <hpcc-truth.h>\n#else\n#define X 9\n#endif\nint x = X;\n"},
  "CC -isystem /opt/inc -c a.c -o a.o", wrap=ROOT.format(r="r1", more=BIND.format(r="r1", h="h1")), wrap_b="", expect=MISS, explain="/opt/inc", needs=need_unshare)
S("the host, then a chroot", {**CH, "a.c": "#if __has_include(<hpcc-truth.h>)\n#include <hpcc-truth.h>\n#else\n#define X 9\n#endif\nint x = X;\n"},
  "CC -isystem /opt/inc -c a.c -o a.o", wrap="", wrap_b=ROOT.format(r="r1", more=BIND.format(r="r1", h="h1")), expect=MISS, explain="/opt/inc", needs=need_unshare)
S("-march=native against its own meaning", {"a.c": "int f(int n) { return n; }\n"}, "CC -march=native -c a.c -o a.o", cmd_b="CC -march=native -mtune=native -c a.c -o a.o", expect=MISS, lost="an option without effect on this source")
S("-march=native, C++", {"a.cc": "int f(int n) { return n; }\n"}, "CXX -O2 -march=native -c a.cc -o a.o")
S("-mcpu=native", {"a.c": "int f(int n) { return n; }\n"}, "CC -O2 -mcpu=native -c a.c -o a.o", compilers=GCC, expect=HIT)
S("setarch does not matter", {"a.c": "int f(int n) { return n; }\n"}, wrap_b="setarch -R", needs=need_program("setarch"))
S("a lower file limit does not matter", {"a.c": "int f(int n) { return n; }\n"}, wrap_b="sh -c 'ulimit -n 64; exec \"$@\"' sh")
S("a stack limit that the compiler cannot live with", {"a.c": "int f(int n) { return n; }\n"}, wrap="sh -c 'ulimit -t 5; exec \"$@\"' sh")
S("nice does not matter", {"a.c": "int f(int n) { return n; }\n"}, wrap_b="nice -n 5")
S("closed stdin, inherited descriptors", {"a.c": "int f(int n) { return n; }\n"}, wrap_b="sh -c 'exec 7</dev/null 8>/dev/null <&-; exec \"$@\"' sh")
S("closed stdout", {"a.c": "int f(int n) { return n; }\n"}, wrap_b="sh -c 'exec >&-; exec \"$@\"' sh")
S("closed stderr", {"a.c": "int f(int n) { return n; }\n"}, wrap_b="sh -c 'exec 2>&-; exec \"$@\"' sh")
S("ignored signals", {"a.c": "int f(int n) { return n; }\n"}, wrap_b="sh -c 'trap \"\" PIPE INT HUP CHLD; exec \"$@\"' sh")
S("a source read from /proc", {"a.c": '#include "/proc/self/status"\n'}, expect="not stored:volatile_input", populate="not stored:volatile_input", any_stderr=True)
S("a header in /proc that changes", {"a.c": 'asm(".section .d\\n.incbin \\"/proc/self/stat\\"\\n.text");\nint x;\n'}, expect="not stored:volatile_input", populate="not stored:volatile_input", any_stderr=True, compilers=GCC)
S("a random device as input", {"a.c": 'asm(".section .d\\n.incbin \\"/dev/urandom\\",0,8\\n.text");\nint x;\n'}, expect=FAILS, populate=FAILS, nondet=("*.o",), any_stderr=True, compilers=GCC)
AS_UP = '#!/bin/sh\nexec /usr/bin/as --defsym X=$(cut -d. -f1 /proc/uptime) "$@"\n'
S("an assembler that reads /proc/uptime", {"a.s": ".long X\n", "b/as": AS_UP}, "CC -Bb/ -c a.s -o a.o", change=wait(1.0), expect="not stored:volatile_input", populate="not stored:volatile_input", compilers=GCC,
  nondet=("*.o",))
CPUINFO = "processor\t: 0\nvendor_id\t: Other\nmodel name\t: Another processor\nflags\t\t: fpu\n\n"
S("-march=native on another processor", {"a.c": "int f(int n) { return n; }\n", "cpuinfo": CPUINFO}, "CC -march=native -c a.c -o a.o",
  wrap_b=NS.format(src="@W@/cpuinfo", dst="/proc/cpuinfo"), expect=MISS, needs=need_unshare, lost="a probe or an identity that turned out not to matter", explain=("cpu",))
