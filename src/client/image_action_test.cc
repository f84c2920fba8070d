#include "client/image_action.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

using Words = std::vector<std::string>;
const ScanPlace kPlace = {"/h/me/p", "", "build/x"};

ReapiCommand command_of(Words argv, Words env = {}, ProjectFile::DateTime date = ProjectFile::DateTime::kError) {
  auto none = [](const std::string& path) -> Result<std::string> { return Error{Code::kNotFound, path, 0}; };
  const Family family = argv[0].find("clang") == std::string::npos ? Family::kGcc : Family::kClang;
  ParseResult parsed = parse_command(family, argv, none);
  EXPECT_TRUE(std::holds_alternative<Invocation>(parsed));
  return make_command({std::get<Invocation>(parsed), argv, env, kPlace, date, false});
}

TEST(ImageAction, OutputsAreRelativeToTheWorkingDirectory) {
  EXPECT_EQ(guest_output_path("a.o", kPlace), "a.o");
  EXPECT_EQ(guest_output_path("./sub//a.o", kPlace), "sub/a.o");
  EXPECT_EQ(guest_output_path("/h/me/p/build/x/a.o", kPlace), "a.o");
  EXPECT_EQ(guest_output_path("../y/a.o", kPlace), "../y/a.o");
  EXPECT_EQ(guest_output_path("/h/me/p/lib/a.o", kPlace), "../../lib/a.o");
  EXPECT_EQ(guest_output_path("../xy/a.o", kPlace), "../xy/a.o");
}

TEST(ImageAction, TheSameCommandInAnotherCheckoutIsTheSame) {
  ReapiCommand a = command_of({"gcc", "-I/h/me/p/inc", "-c", "/h/me/p/a.c", "-o", "/h/me/p/build/x/a.o"});
  EXPECT_EQ(a.arguments, (Words{"gcc", "-frandom-seed=a.c", "-Werror=date-time", "-I/hpcc/w/inc", "-c", "/hpcc/w/a.c",
                                "-o", "/hpcc/w/build/x/a.o"}));
  EXPECT_EQ(a.working_directory, "build/x");
  EXPECT_EQ(a.output_paths, Words{"a.o"});
}

TEST(ImageAction, HermeticOptionsStandBackWhereTheUserDecides) {
  EXPECT_EQ(command_of({"gcc", "-frandom-seed=1", "-c", "../../a.c"}, {"SOURCE_DATE_EPOCH=0"}).arguments,
            (Words{"gcc", "-frandom-seed=1", "-c", "../../a.c"}));
  EXPECT_EQ(command_of({"clang", "-c", "../../a.c"}, {}, ProjectFile::DateTime::kAllow).arguments,
            (Words{"clang", "-c", "../../a.c"}));
  EXPECT_EQ(command_of({"gcc", "-c", "../../a.s"}).arguments, (Words{"gcc", "-c", "../../a.s"}));
  EXPECT_EQ(command_of({"gcc", "-c", "../../a.c"}).arguments[1], "-frandom-seed=a.c");
}

TEST(ImageAction, WhatIsPreprocessedAlreadyIsAsHermetic) {
  EXPECT_EQ(command_of({"g++", "-flto", "-c", "../../n.ii"}).arguments,
            (Words{"g++", "-frandom-seed=n.ii", "-flto", "-c", "../../n.ii"}));
  EXPECT_EQ(command_of({"gcc", "--coverage", "-c", "x.i"}).arguments[1], "-frandom-seed=build/x/x.i");
  EXPECT_EQ(command_of({"clang", "-c", "x.i"}).arguments, (Words{"clang", "-c", "x.i"}));
}

TEST(ImageAction, WhatIsNotUtf8IsFoundWhereverItStands) {
  const ReapiCommand plain = command_of({"gcc", "-c", "-DNAME=\"\u00e4\u20ac\U0001f600\"", "\u00fc.c"});
  EXPECT_EQ(not_utf8(plain, {{"\u00fc.c", {}, false}}, {"\u00fc"}), std::nullopt);
  for (const std::string bad :
       {"\xe4", "a\xff", "\xc3", "\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\xaf"}) {
    EXPECT_EQ(not_utf8(plain, {{bad, {}, false}}, {}), bad);
    EXPECT_EQ(not_utf8(plain, {}, {bad}), bad);
    EXPECT_EQ(not_utf8(command_of({"gcc", "-c", "a.c", "-D" + bad}), {}, {}), "-D" + bad);
    EXPECT_EQ(not_utf8(command_of({"gcc", "-c", "a.c", "-o", bad}), {}, {}), bad);
    EXPECT_EQ(not_utf8(command_of({"gcc", "-c", "a.c"}, {"CPATH=" + bad}), {}, {}), "CPATH=" + bad);
  }
}

TEST(ImageAction, OnlyAllowedVariablesTravel) {
  ReapiCommand command = command_of(
      {"gcc", "-c", "a.c"}, {"HOME=/h/me", "CPATH=/h/me/p/i:j", "LD_PRELOAD=x", "SOURCE_DATE_EPOCH=5", "SECRET=s"});
  EXPECT_EQ(command.environment, (Variables{{"CPATH", "/hpcc/w/i:j"}, {"SOURCE_DATE_EPOCH", "5"}}));
}

}  // namespace
}  // namespace hpcc
