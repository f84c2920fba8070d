#include "compiler/path_macros.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

bool sees(std::string_view project, std::string_view library = "") {
  PathMacros macros;
  macros.add_file(library, PathMacros::Named::kElsewhere);
  macros.add_file(project, PathMacros::Named::kAbsolute);
  return macros.may_see_path();
}

constexpr std::string_view kAssert = "#define assert(x) ((x) ? 0 : fail(__FILE__, __LINE__))\n";

TEST(PathMacros, a_file_without_the_macro_does_not_see_its_path) { EXPECT_FALSE(sees("int f() { return 1; }\n")); }
TEST(PathMacros, direct_use_is_seen) { EXPECT_TRUE(sees("int n = sizeof(__FILE__);\n")); }
TEST(PathMacros, use_in_a_comment_is_not) { EXPECT_FALSE(sees("// __FILE__\nint a; /* __FILE__ */\n")); }
TEST(PathMacros, a_library_macro_counts_only_when_used) {
  EXPECT_FALSE(sees("#include <assert.h>\nint f();\n", kAssert));
  EXPECT_TRUE(sees("#include <assert.h>\nvoid f(int x) { assert(x); }\n", kAssert));
}
TEST(PathMacros, macros_of_macros_are_followed) {
  EXPECT_TRUE(sees("#define CHECK(x) assert(x)\nvoid f(int x) { CHECK(x); }\n", kAssert));
  EXPECT_FALSE(sees("#define CHECK(x) assert(x)\n", kAssert));
}
TEST(PathMacros, a_use_inside_the_library_has_the_librarys_path) {
  EXPECT_FALSE(sees("int f();\n", std::string(kAssert) + "inline void g(int x) { assert(x); }\n"));
}
TEST(PathMacros, a_spliced_use_is_seen) { EXPECT_TRUE(sees("int n = sizeof(__FI\\\nLE__);\n")); }
TEST(PathMacros, a_pasted_use_is_seen) {
  EXPECT_TRUE(sees("#define CAT(a, b) a##b\nint n = sizeof(CAT(__FI, LE__));\n"));
  EXPECT_TRUE(sees("#define CAT(a, b) a##b\nvoid f(int x) { CAT(ass, ert)(x); }\n", kAssert));
}
TEST(PathMacros, slashes_in_strings_start_no_comment) {
  EXPECT_TRUE(sees("const char* u = \"http://\"; int n = sizeof(__FILE__);\n"));
  EXPECT_TRUE(sees("const char* u = R\"x(/*)x\"; int n = sizeof(__FILE__); /* */\n"));
  EXPECT_TRUE(sees("int million = 1'000'000; int n = sizeof(__FILE__); // it's\n"));
}
TEST(PathMacros, functions_that_give_the_path_always_count) {
  EXPECT_TRUE(sees("int f();\n", "void log(const char* f = __builtin_FILE());\n"));
}
TEST(PathMacros, a_definition_of_the_command_line_is_followed) {
  PathMacros macros;
  macros.add_definition("WHERE=__FILE__");
  macros.add_file("int n = sizeof(WHERE);\n", PathMacros::Named::kAbsolute);
  EXPECT_TRUE(macros.may_see_path());
}

TEST(PathMacros, an_assert_that_NDEBUG_turns_off_does_not_count) {
  const std::string header = "#ifdef NDEBUG\n#define assert(x) ((void)0)\n#else\n" + std::string(kAssert) + "#endif\n";
  auto sees_with_ndebug = [&](const std::string& project) {
    PathMacros macros;
    macros.add_definition("NDEBUG");
    macros.add_file(header, PathMacros::Named::kElsewhere);
    macros.add_file(project, PathMacros::Named::kAbsolute);
    return macros.may_see_path();
  };
  EXPECT_FALSE(sees_with_ndebug("void f(int x) { assert(x); }\n"));
  EXPECT_TRUE(sees_with_ndebug("#undef NDEBUG\n#include <assert.h>\nvoid f(int x) { assert(x); }\n"));
  EXPECT_TRUE(sees("void f(int x) { assert(x); }\n", header));
}
TEST(PathMacros, a_condition_that_is_not_known_keeps_both_groups) {
  EXPECT_TRUE(sees("#if X\nint a;\n#elif Y\nint b;\n#else\nint n = sizeof(__FILE__);\n#endif\n"));
}
TEST(PathMacros, a_half_on_the_command_line_is_a_piece) {
  PathMacros macros;
  macros.add_definition("X=__FI");
  macros.add_file("#define P2(a, b) a##b\n#define P(a, b) P2(a, b)\nint n = sizeof(P(X, LE__));\n",
                  PathMacros::Named::kAbsolute);
  EXPECT_TRUE(macros.may_see_path());
}

}  // namespace
}  // namespace hpcc
