"""What changes while the compiler runs: neither the old nor the new state may be believed."""
from scenario import *

S = scenarios("race")
SLOW = {"t/as": '#!/bin/sh\nsleep 1\nexec /usr/bin/as "$@"\n'}


def race(name, files, script):
    """Compiled while `script` changes the tree; the change stays, and the same command must see it."""
    S(name, {**SLOW, **files}, "CC -Bt/ -c a.c -o a.o", setup=during(script), keep=True, expect=MISS,
      populate="not stored:input_changed", explain=("input_changed", "source file changed"), compilers=GCC)


race("a header is edited during the compile", {"a.c": '#include "a.h"\nint x = K;\n', "a.h": "#define K 1\n"}, "echo '#define K 2' > a.h")
race("a header is replaced during the compile", {"a.c": '#include "a.h"\nint x = K;\n', "a.h": "#define K 1\n", "b.h": "#define K 2\n"}, "mv b.h a.h")
race("a header's directory is exchanged during the compile", {"a.c": '#include "d/a.h"\nint x = K;\n', "d/a.h": "#define K 1\n", "e/a.h": "#define K 2\n"},
     "mv d t; mv e d")
race("a header appears during the compile", {"a.c": '#if __has_include("d/a.h")\nint x = 1;\n#else\nint x = 2;\n#endif\n', "e/a.h": ""}, "mv e d")
race("a header goes during the compile", {"a.c": '#if __has_include("d/a.h")\nint x = 1;\n#else\nint x = 2;\n#endif\n', "d/a.h": ""}, "mv d e")
race("the source is edited during the compile", {"a.c": "int x = 1;\n"}, "echo 'int x = 2;' > a.c")
race("the source's directory is exchanged during the compile", {"a.c": '#include "d/b.c"\n', "d/b.c": "int x = 1;\n", "e/b.c": "int x = 2;\n"},
     "mv d t; mv e d")
