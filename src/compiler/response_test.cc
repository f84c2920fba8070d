#include <gtest/gtest.h>

#include <map>

#include "base/limits.h"
#include "compiler/parse.h"

namespace hpcc {
namespace {

using Files = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

Result<Words> expand(const Words& argv, const Files& files) {
  return expand_response_files(argv, [&](const std::string& path) -> Result<std::string> {
    auto found = files.find(path);
    if (found == files.end()) return Error{Code::kNotFound, path, 0};
    return found->second;
  });
}

Words words_of(const std::string& text) {
  Result<Words> words = expand({"gcc", "@f"}, {{"f", text}});
  EXPECT_TRUE(words.ok());
  return words.ok() ? Words(words->begin() + 1, words->end()) : Words{};
}

TEST(ResponseFiles, WordsSplitAtWhiteSpace) {
  EXPECT_EQ(words_of("-c  a.c\n\t-o a.o\r\n"), (Words{"-c", "a.c", "-o", "a.o"}));
  EXPECT_EQ(words_of(""), Words{});
  EXPECT_EQ(words_of(" \n "), Words{});
}

TEST(ResponseFiles, QuotesGroupAndBackslashTakesTheNextCharacterEverywhere) {
  EXPECT_EQ(words_of(R"(-DX='a b' -DY="c d" -DZ=e\ f)"), (Words{"-DX=a b", "-DY=c d", "-DZ=e f"}));
  EXPECT_EQ(words_of(R"(-DX=\"s\" 'it\'s' "a\"b" "\n")"), (Words{"-DX=\"s\"", "it's", "a\"b", "n"}));
  EXPECT_EQ(words_of(R"("a'b" 'c"d')"), (Words{"a'b", "c\"d"}));
  EXPECT_EQ(words_of("'never closed x"), Words{"never closed x"});
}

TEST(ResponseFiles, NestInPlace) {
  Result<Words> words = expand({"gcc", "-a", "@x", "-b"}, {{"x", "1 @y 2"}, {"y", "3 4"}});
  ASSERT_TRUE(words.ok());
  EXPECT_EQ(*words, (Words{"gcc", "-a", "1", "3", "4", "2", "-b"}));
}

TEST(ResponseFiles, AMissingOneStaysAnArgument) {
  Result<Words> words = expand({"@gcc", "@missing", "@"}, {{"gcc", "no"}});
  ASSERT_TRUE(words.ok());
  EXPECT_EQ(*words, (Words{"@gcc", "@missing", "@"}));
}

TEST(ResponseFiles, OneThatIncludesItselfIsRefused) {
  Result<Words> words = expand({"gcc", "@x"}, {{"x", "-c @x"}});
  ASSERT_FALSE(words.ok());
  EXPECT_EQ(words.error().code, Code::kLimit);
}

TEST(ResponseFiles, TooMuchIsRefused) {
  EXPECT_FALSE(expand({"gcc", "@x"}, {{"x", std::string(limits::kResponseFileBytes + 1, 'a')}}).ok());
  std::string many;
  for (size_t i = 0; i <= limits::kArgvCount; ++i) many += "a ";
  EXPECT_FALSE(expand({"gcc", "@x"}, {{"x", many}}).ok());
}

TEST(ResponseFiles, WhatGccAndClangSplitDifferentlyIsRefused) {
  for (const char* text : {"a '' b", "a \\", "a\vb", "\xef\xbb\xbf-c"}) {
    EXPECT_FALSE(expand({"gcc", "@x"}, {{"x", text}}).ok()) << text;
  }
  EXPECT_FALSE(expand({"gcc", "@x"}, {{"x", std::string("a\0b", 3)}}).ok());
}

// "@<(...)": the descriptor is the compiler's, and another one's here.
TEST(ResponseFiles, OneThatIsAnotherFileToEachProcessIsRefused) {
  for (const std::string name : {"/dev/fd/63", "/dev/stdin", "/proc/self/fd/3"}) {
    EXPECT_FALSE(expand({"gcc", "@" + name}, {}).ok()) << name;
    EXPECT_FALSE(expand({"gcc", "@x"}, {{"x", "@" + name}}).ok()) << name;
  }
  EXPECT_TRUE(expand({"gcc", "@/dev/null"}, {{"/dev/null", ""}}).ok());
}

TEST(ResponseFiles, OneThatCannotBeReadIsAnError) {
  auto refuse = [](const std::string& path) -> Result<std::string> { return Error{Code::kPermission, path, 0}; };
  EXPECT_FALSE(expand_response_files({"gcc", "@x"}, refuse).ok());
}

}  // namespace
}  // namespace hpcc
