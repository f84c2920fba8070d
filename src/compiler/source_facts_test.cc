#include "compiler/source_facts.h"

#include <gtest/gtest.h>

#include <string>

namespace hpcc {
namespace {

uint32_t facts(std::string_view text) {
  uint32_t found = scan_source_facts(text);
  EXPECT_TRUE(found & kFactScanned);
  return found & ~kFactScanned;
}

bool pastes(std::string_view text) { return may_paste_time_macro(scan_source_facts(text)); }

TEST(SourceFacts, TimeMacros) {
  EXPECT_EQ(facts("const char* d = __DATE__;"), kFactDateTime);
  EXPECT_EQ(facts("__TIME__"), kFactDateTime);
  EXPECT_EQ(facts("x(__TIMESTAMP__)"), kFactTimestamp);
  EXPECT_EQ(facts("int date, Time, __date__, DATETIME;"), 0u);
}

TEST(SourceFacts, TimeMacrosSplitBySplices) {
  EXPECT_TRUE(facts("__DA\\\nTE__") & kFactDateTime);
  EXPECT_TRUE(facts("__DA\\  \t\nTE__") & kFactDateTime);
  EXPECT_TRUE(facts("__DA\\\r\nTE__") & kFactDateTime);
  EXPECT_TRUE(facts("__DA\?\?/\nTE__") & kFactDateTime);
  EXPECT_TRUE(facts("_\\\n\\\n_TIMEST\\\nAMP__") & kFactTimestamp);
  EXPECT_TRUE(facts("__TI\\\n\\\nME__") & kFactDateTime);
  EXPECT_FALSE(facts("#define X(a) \\\n  a \\\n\n") & (kFactDateTime | kFactTimePiece));
}

TEST(SourceFacts, TimeMacrosPastedTogether) {
  EXPECT_TRUE(pastes("#define CAT(a, b) a##b\nCAT(__DA, TE__)"));
  EXPECT_TRUE(pastes("#define D __DATE ## __\n"));
  EXPECT_TRUE(pastes("CAT3(__, DATE, __)"));
  EXPECT_TRUE(pastes("CAT( __TI ,\n ME__ )"));
  EXPECT_TRUE(pastes("CAT3(__D, AT, E__)"));
  EXPECT_TRUE(pastes("CAT8(_, _, D, A, T, E, _, _)"));
  EXPECT_TRUE(pastes("#define A __TIMEST\n#define B AMP__\nCAT(A, B)"));
  EXPECT_TRUE(pastes("__TI %:%: ME__"));
  EXPECT_TRUE(pastes("__TI /* x */ ## /* y */ ME__"));
  EXPECT_TRUE(pastes("CAT(__TI\\\n, \\\nME__)"));
}

TEST(SourceFacts, PiecesInDifferentFilesAreUnited) {
  EXPECT_TRUE(
      may_paste_time_macro(scan_source_facts("#define WRAP(x) __ ## x ## __\n") | scan_source_facts("WRAP(DATE)")));
  EXPECT_TRUE(may_paste_time_macro(scan_source_facts("#define A __DA\n") | scan_source_facts("CAT(A, TE__)")));
  EXPECT_TRUE(may_paste_time_macro(scan_source_facts("#define A __TIMES\n") | scan_source_facts("CAT(A, TAMP__)")));
  EXPECT_FALSE(pastes("#define WRAP(x) __ ## x ## __\n"));
}

TEST(SourceFacts, PiecesThatCannotBeOperandsDoNotCount) {
  EXPECT_FALSE(pastes("#include <bits/time64.h>\t/* Defines __TIME*_T_TYPE macros.  */\n/* __*_t */\n"));
  EXPECT_FALSE(pastes("template <class __T> bool iszero(__T __val); f(__);"));
  EXPECT_FALSE(pastes("_mm_set_ps(__A, __B, __C, __D); CAT(__, x)"));
  EXPECT_FALSE(pastes("f(T, E); g(I, M); h(D, A);"));
}

TEST(SourceFacts, OwnPath) {
  EXPECT_TRUE(facts("assert_fail(__FILE__)") & kFactFileMacro);
  EXPECT_TRUE(facts("__BASE_FILE__") & kFactFileMacro);
  EXPECT_TRUE(facts("__builtin_FILE()") & kFactFileMacro);
  EXPECT_TRUE(facts("std::source_location::current()") & kFactFileMacro);
  EXPECT_TRUE(facts("CAT(__FI, LE__)") & kFactFileMacro);
  EXPECT_FALSE(facts("FILE* f; __FILE_NAME__") & kFactFileMacro);
}

TEST(SourceFacts, PragmaDependency) {
  EXPECT_TRUE(facts("#pragma GCC dependency \"x\"") & kFactPragmaDependency);
  EXPECT_TRUE(facts("# pragma GCC /* */ dependency \"x\"") & kFactPragmaDependency);
  EXPECT_TRUE(facts("_Pragma(\"GCC dependency \\\"x\\\"\")") & kFactPragmaDependency);
  EXPECT_TRUE(facts("#define D dependency\n") & kFactPragmaDependency);
  EXPECT_TRUE(facts("#pragma GCC \\\n  dependency \"x\"") & kFactPragmaDependency);
  EXPECT_FALSE(facts("// this dependency is injected; kill_dependency(x)\n") & kFactPragmaDependency);
}

TEST(SourceFacts, PrecompiledHeadersOfClang) { EXPECT_EQ(facts(std::string("CPCH\1\10\0\0", 8)), kFactClangPch); }

TEST(SourceFacts, EdgesOfTheText) {
  for (const char* text : {"", "_", "\\", "?", "\?\?/", "\\\n", "\n", "T", "__", "\r", "dependency"}) facts(text);
}

}  // namespace
}  // namespace hpcc
