#include "compiler/logical.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

using Words = std::vector<std::string>;
const ScanPlace kPlace = {"/h/me/proj", "", "build"};

TEST(Logical, PathsOfTheProjectMoveAndOthersStay) {
  Words given = {"/usr/bin/g++",
                 "-I/h/me/proj/inc",
                 "-isystem",
                 "/h/me/proj",
                 "-I/h/me/project",
                 "-Iinc",
                 "-I/opt/x/h/me/proj/i",
                 "-c",
                 "/h/me/proj/src/a.cc",
                 "-o",
                 "/h/me/proj/build/a.o"};
  Words wanted = {
      "g++", "-I/hpcc/w/inc",    "-isystem", "/hpcc/w",          "-I/h/me/project", "-Iinc", "-I/opt/x/h/me/proj/i",
      "-c",  "/hpcc/w/src/a.cc", "-o",       "/hpcc/w/build/a.o"};
  EXPECT_EQ(logical_arguments(Family::kGcc, given, kPlace), wanted);
}

TEST(Logical, ListsAndMapsAreRewrittenInside) {
  Words given = {"gcc", "-Wp,-MD,/h/me/proj/b/a.d", "-ffile-prefix-map=/h/me/proj=.", "-Wa,-I,/h/me/proj/asm"};
  Words wanted = {"gcc", "-Wp,-MD,/hpcc/w/b/a.d", "-ffile-prefix-map=/hpcc/w=.", "-Wa,-I,/hpcc/w/asm"};
  EXPECT_EQ(logical_arguments(Family::kGcc, given, kPlace), wanted);
}

TEST(Logical, DefinitionsAreLeftAlone) {
  Words given = {"gcc", "-DDATA=\"/h/me/proj/data\"", "-D", "X=/h/me/proj", "-I", "/h/me/proj"};
  Words wanted = {"gcc", "-DDATA=\"/h/me/proj/data\"", "-D", "X=/h/me/proj", "-I", "/hpcc/w"};
  EXPECT_EQ(logical_arguments(Family::kGcc, given, kPlace), wanted);
}

TEST(Logical, TheNameThatTheShellUsesForTheRootCountsToo) {
  ScanPlace place = {"/data/proj", "/h/me/link", ""};
  EXPECT_EQ(logical_arguments(Family::kGcc, {"gcc", "/h/me/link/a.c", "/data/proj/b.c"}, place),
            (Words{"gcc", "/hpcc/w/a.c", "/hpcc/w/b.c"}));
}

TEST(Logical, MessagesComeBackWithTheUsersPaths) {
  EXPECT_EQ(from_logical("In file included from /hpcc/w/src/a.c:1:\n'/hpcc/w' x/hpcc/w /hpcc/word", "/h/me/p"),
            "In file included from /h/me/p/src/a.c:1:\n'/h/me/p' x/hpcc/w /hpcc/word");
}

}  // namespace
}  // namespace hpcc
