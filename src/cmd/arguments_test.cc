#include "cmd/arguments.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

struct Decoded {
  std::string text;
  int number = 7;
  Status done;
  explicit Decoded(std::vector<std::string> words) {
    std::vector<char*> argv = {const_cast<char*>("program")};
    for (std::string& word : words) argv.push_back(word.data());
    const NamedArgument known[] = {{"--text", &text}, {"--number", nullptr, &number, 1}};
    done = decode_arguments(static_cast<int>(argv.size()), argv.data(), known);
  }
  std::string problem() const { return done.ok() ? "" : done.error().message; }
};

TEST(Arguments, AreTextsAndNumbers) {
  const Decoded good({"--text", "--number", "--number", "12"});
  EXPECT_EQ(good.problem(), "");
  EXPECT_EQ(good.text, "--number");
  EXPECT_EQ(good.number, 12);
  EXPECT_EQ(Decoded({}).number, 7);
}

TEST(Arguments, ThatAreNoNumbersAreRefusedByName) {
  for (const char* text : {"", "x", "12x", " 12", "1.5", "0", "-3", "99999999999"}) {
    EXPECT_NE(Decoded({"--number", text}).problem().find("--number wants"), std::string::npos) << text;
  }
}

TEST(Arguments, ThatAreUnknownOrWithoutValueAreRefusedByName) {
  EXPECT_EQ(Decoded({"--other", "x"}).problem(), "unknown option --other");
  EXPECT_EQ(Decoded({"--text", "x", "--number"}).problem(), "--number wants a value");
}

}  // namespace
}  // namespace hpcc
