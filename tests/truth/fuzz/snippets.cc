// The texts of generated files: pieces that stand alone, so that any may be added, changed or dropped and the rest
// still compiles, and that show in the output what they saw of the others. Literals that an edit may change follow a
// blank.
#include "walk.h"

namespace hpcc::fuzz {
namespace {

std::string number(Source& source) { return std::to_string(source.rng.between(10, 99)); }

// Wraps what must not be there twice.
std::string once(const std::string& id, const std::string& body) {
  return "#ifndef S" + id + "\n#define S" + id + "\n" + body + "#endif\n";
}

std::string include_piece(Source& source, const std::string& id) {
  const std::string name = header_name(source);
  switch (source.rng.below(7)) {
    case 0:
      return "#include \"" + name + "\"\n";
    case 1:
      return "#if __has_include(\"" + name + "\")\n#include \"" + name + "\"\n#endif\n";
    case 2:
      return "#if __has_include(<" + name + ">)\n#include <" + name + ">\n#else\nint none" + id + ";\n#endif\n";
    case 3:
      return "#define M" + id + " <" + name + ">\n#if __has_include(M" + id + ")\n#include M" + id + "\n#endif\n";
    case 4:
      return "#ifdef USE_A\n#if __has_include(\"" + name + "\")\n#include \"" + name + "\"\n#endif\n#endif\n";
    case 5:
      return "#if __has_include(\"../inc/two/" + name + "\")\n#include \"../inc/two/" + name + "\"\n#endif\n";
    default:
      return "#if __has_include(<sub/" + name + ">)\n#include <sub/" + name + ">\n#endif\n";
  }
}

std::string next_piece(Source& source) {
  const std::string name = header_name(source);
  return "#if __has_include_next(<" + name + ">)\n#include_next <" + name + ">\n#endif\n";
}

std::string value_piece(Source& source) {
  const std::string k = std::to_string(source.rng.below(6));
  return "#ifndef V" + k + "\n#define V" + k + " " + number(source) + "\n#endif\n";
}

std::string use_piece(Source& source, const std::string& id) {
  const std::string k = std::to_string(source.rng.below(6));
  return "#ifdef V" + k + "\nint u" + id + " = V" + k + " + " + number(source) + ";\n#else\nint u" + id + " = " +
         number(source) + ";\n#endif\n";
}

std::string path_piece(Source& source, const std::string& id) {
  switch (source.rng.below(6)) {
    case 0:
      return "const char *p" + id + " = __FILE__;\n";
    case 1:
      return "int p" + id + " = sizeof(__FILE__) + " + number(source) + ";\n";
    case 2:
      return "const char *p" + id + " = __BASE_FILE__;\n";
    case 3:
      return "#include <assert.h>\nvoid p" + id + "(int x);\nvoid p" + id + "(int x) { assert(x > " + number(source) +
             "); }\n";
    case 4:
      return "#line " + number(source) + " \"made.c\"\nconst char *p" + id + " = __FILE__;\n";
    default:
      return "int p" + id + " = __LINE__ + __COUNTER__ + __INCLUDE_LEVEL__;\n";
  }
}

std::string warning_piece(Source& source, const std::string& id) {
  switch (source.rng.below(6)) {
    case 0:
      return "static int w" + id + "(void) { int never_used = " + number(source) + "; return 1; }\n";
    case 1:
      return "#warning w" + id + "\n";
    case 2:
      return "int w" + id + "(int x);\nint w" + id +
             "(int x) {\n  switch (x) {\n    case 1: x++; /* fall through */\n    case " + number(source) +
             ": x += 2;\n  }\n  return x;\n}\n";
    case 3:
      return "_Pragma(\"message(\\\"m" + id + "\\\")\")\nint w" + id + ";\n";
    case 4:
      return "#define UNUSED" + id + " " + number(source) + "\nint w" + id + ";\n";
    default:
      return "unsigned w" + id + "(int a, unsigned b);\nunsigned w" + id +
             "(int a, unsigned b) { return a < b ? b : " + number(source) + "; }\n";
  }
}

std::string assembler_piece(Source& source, const std::string& id) {
  const std::string k = std::to_string(source.rng.below(3));
  switch (source.rng.below(3)) {
    case 0:
      return "__asm__(\".pushsection .rodata\\ni" + id + ": .incbin \\\"blob" + k + ".bin\\\"\\n.popsection\");\n";
    case 1:
      return "__asm__(\".pushsection .rodata\\ni" + id + ": .include \\\"k" + k + ".inc\\\"\\n.popsection\");\n";
    default:
      return "__asm__(\".pushsection .rodata\\ni" + id + ": .long " + number(source) + "\\n.popsection\");\n";
  }
}

std::string cxx_piece(Source& source, const std::string& id) {
  switch (source.rng.below(3)) {
    case 0:
      return "template <int N> struct T" + id + " { static int f() { return N + T" + id +
             "<N - 1>::f(); } };\ntemplate <> struct T" + id + "<0> { static int f() { return " + number(source) +
             "; } };\nint t" + id + "() { return T" + id + "<5>::f(); }\n";
    case 1:
      return "namespace { int hidden" + id + "() { return " + number(source) + "; } }\nint t" + id + " = hidden" + id +
             "();\n";
    default:
      return "template <class A> A add" + id + "(A a) { return a + " + number(source) + "; }\nlong t" + id + " = add" +
             id + "(1L);\n";
  }
}

std::string function_piece(Source& source, const std::string& id) {
  return "static inline int f" + id + "(int x) { return x * " + number(source) + "; }\nint g" + id + "(int x);\nint g" +
         id + "(int x) {\n  /* c " + number(source) + " */\n  return f" + id + "(x) + " + number(source) + ";\n}\n";
}

std::string rare_piece(Source& source, const std::string& id) {
  switch (source.rng.below(6)) {
    case 0:
      return "const char *d" + id + " = __DATE__;\n";
    case 1:
      return "#include <limits.h>\nlong l" + id + " = INT_MAX - " + number(source) + ";\n";
    case 2:
      return "#include <stdint.h>\nuint8_t l" + id + " = " + number(source) + ";\n";
    case 3:
      return "#pragma GCC system_header\nint q" + id + ";\n";
    case 4:
      return "#ifdef __OPTIMIZE__\nint o" + id + " = " + number(source) + ";\n#endif\n";
    default:
      return "#include \"tw1.h\"\n#include \"tw2.h\"\n";
  }
}

}  // namespace

std::string header_name(Source& source) {
  static constexpr const char* kNames[] = {"h0.h", "h1.h", "h2.h", "h3.h", "h4.h", "opt0.h", "opt1.h", "opt2.h"};
  return source.rng.pick(kNames);
}

std::string include_directory(Source& source) {
  static constexpr const char* kDirectories[] = {"inc/one", "inc/two",     "inc/three",
                                                 "src",     "inc/one/sub", "inc/two/sub"};
  return source.rng.pick(kDirectories);
}

std::string make_snippet(Source& source, Compiler compiler, bool header) {
  const std::string id = std::to_string(source.next_snippet++);
  const std::vector<unsigned> weights{
      header ? 22u : 6u, header ? 8u : 20u, 20, header ? 7u : 0u, 9, 8, 6, is_cxx(compiler) ? 8u : 0u, 10, 4};
  switch (source.rng.weighted(weights)) {
    case 0:
      return value_piece(source);
    case 1:
      return once(id, use_piece(source, id));
    case 2:
      return once(id, include_piece(source, id));
    case 3:
      return once(id, next_piece(source));
    case 4:
      return once(id, path_piece(source, id));
    case 5:
      return once(id, warning_piece(source, id));
    case 6:
      return once(id, assembler_piece(source, id));
    case 7:
      return once(id, cxx_piece(source, id));
    case 8:
      return once(id, function_piece(source, id));
    default:
      return once(id, rare_piece(source, id));
  }
}

}  // namespace hpcc::fuzz
