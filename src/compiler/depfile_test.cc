#include "compiler/depfile.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace hpcc {
namespace {

using Words = std::vector<std::string>;

DepFile decoded(std::string_view text) {
  Result<DepFile> dep = decode_depfile(text);
  EXPECT_TRUE(dep.ok()) << text;
  return dep.ok() ? *dep : DepFile{};
}

void expect_same_again(std::string_view text, Family family) { EXPECT_EQ(encode_depfile(decoded(text), family), text); }

TEST(DepFile, ARuleIsReadInOrder) {
  DepFile dep = decoded("a.o b.o: a.c h.h \\\n x.h\n");
  EXPECT_EQ(dep.targets, (Words{"a.o", "b.o"}));
  EXPECT_EQ(dep.prerequisites, (Words{"a.c", "h.h", "x.h"}));
  EXPECT_FALSE(dep.phony);
}

TEST(DepFile, PhonyRulesAreRecognised) {
  EXPECT_TRUE(decoded("a.o: a.c h.h\nh.h:\n").phony);
  EXPECT_TRUE(decoded("a.o: a.c h.h\n\nh.h:\n").phony);
  expect_same_again("a.o: a.c h.h k.h\nh.h:\nk.h:\n", Family::kGcc);
  expect_same_again("a.o: a.c h.h k.h\n\nh.h:\n\nk.h:\n", Family::kClang);
}

TEST(DepFile, QuotedSpacesStayInTheirWord) {
  DepFile dep = decoded("a\\ b.o: c\\ \\ d.h e\\#f$$g.h h\\\\\\ i.h\n");
  EXPECT_EQ(dep.targets, Words{"a\\ b.o"});
  EXPECT_EQ(dep.prerequisites, (Words{"c\\ \\ d.h", "e\\#f$$g.h", "h\\\\\\ i.h"}));
}

TEST(DepFile, ColonsInsideNamesStay) {
  DepFile dep = decoded("a:b.o: c:d.h\n");
  EXPECT_EQ(dep.targets, Words{"a:b.o"});
  EXPECT_EQ(dep.prerequisites, Words{"c:d.h"});
}

TEST(DepFile, GccWrapsAt72ColumnsAndClangAt75) {
  DepFile dep{{"t.o"}, {}, false};
  // "t.o:" is 4 columns; with a space and 67 more the line has 72, the most gcc writes; clang keeps room for " \".
  dep.prerequisites = {std::string(67, 'x')};
  EXPECT_EQ(encode_depfile(dep, Family::kGcc).find('\\'), std::string::npos);
  EXPECT_EQ(encode_depfile(dep, Family::kClang).find('\\'), std::string::npos);
  dep.prerequisites = {std::string(69, 'x')};
  EXPECT_EQ(encode_depfile(dep, Family::kGcc), "t.o: \\\n " + std::string(69, 'x') + "\n");
  EXPECT_EQ(encode_depfile(dep, Family::kClang), "t.o: \\\n  " + std::string(69, 'x') + "\n");
}

TEST(DepFile, ManyTargetsWrapToo) {
  DepFile dep{{}, {"a.c"}, false};
  for (int i = 0; i < 9; ++i) dep.targets.push_back("target_" + std::to_string(i) + ".o");
  EXPECT_EQ(encode_depfile(dep, Family::kGcc),
            "target_0.o target_1.o target_2.o target_3.o target_4.o target_5.o \\\n"
            " target_6.o target_7.o target_8.o: a.c\n");
  EXPECT_EQ(encode_depfile(dep, Family::kClang),
            "target_0.o target_1.o target_2.o target_3.o target_4.o target_5.o \\\n"
            "  target_6.o target_7.o target_8.o: a.c\n");
}

TEST(DepFile, WhatIsNoDependencyFileIsRefused) {
  for (const char* text : {"", "\n", "no rule here\n", ": a.c\n", "a.o: a.c\nb.o: b.c\n", "a.o: a.c h.h\nh.h:\nrest"}) {
    EXPECT_FALSE(decode_depfile(text).ok()) << text;
  }
  EXPECT_EQ(decode_depfile(std::string(limits::kDepFileBytes + 1, 'a')).error().code, Code::kLimit);
}

TEST(DepFile, QuotingForMake) {
  EXPECT_EQ(quote_for_make("a b"), "a\\ b");
  EXPECT_EQ(quote_for_make("a\\ b"), "a\\\\\\ b");
  EXPECT_EQ(quote_for_make("a\tb"), "a\\\tb");
  EXPECT_EQ(quote_for_make("$a#b"), "$$a\\#b");
  EXPECT_EQ(quote_for_make("a\\b"), "a\\b");
  EXPECT_EQ(quote_for_make(""), "");
}

TEST(DepFile, TheDefaultTargetIsTheObject) {
  Invocation inv;
  inv.object = ".//./x/a b.o";
  EXPECT_EQ(default_dep_target(inv), "x/a\\ b.o");
  inv.family = Family::kClang;
  EXPECT_EQ(default_dep_target(inv), ".//./x/a\\ b.o");
}

}  // namespace
}  // namespace hpcc
