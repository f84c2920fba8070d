#include "compiler/driver.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace hpcc {
namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Driver, Scripts) { EXPECT_EQ(identify_driver("#!/bin/sh\nexec gcc \"$@\"\n"), DriverKind::kScript); }

TEST(Driver, MadeUpBinaries) {
  const std::string elf = "\177ELF....";
  EXPECT_EQ(identify_driver(elf + "COLLECT_GCC GCC_EXEC_PREFIX cc1"), DriverKind::kGcc);
  EXPECT_EQ(identify_driver(elf + "COLLECT_GCC GCC_EXEC_PREFIX cc1 CCACHE_DIR"), DriverKind::kUnknown);
  EXPECT_EQ(identify_driver(elf + "CCC_OVERRIDE_OPTIONS"), DriverKind::kClang);
  EXPECT_EQ(identify_driver(elf + "_ZN5clang6driver6DriverC1Ev"), DriverKind::kClang);
  EXPECT_EQ(identify_driver(elf), DriverKind::kUnknown);
  EXPECT_EQ(identify_driver("COLLECT_GCC GCC_EXEC_PREFIX cc1"), DriverKind::kUnknown);
  EXPECT_EQ(identify_driver(""), DriverKind::kUnknown);
}

TEST(Driver, InstalledPrograms) {
  struct Program {
    const char* path;
    DriverKind kind;
  };
  for (const Program& program :
       {Program{"/usr/bin/gcc", DriverKind::kGcc}, Program{"/usr/bin/g++", DriverKind::kGcc},
        Program{"/usr/bin/clang", DriverKind::kClang}, Program{"/usr/bin/clang++", DriverKind::kClang},
        Program{"/usr/bin/ccache", DriverKind::kUnknown}, Program{"/usr/bin/as", DriverKind::kUnknown},
        Program{"/usr/bin/ld", DriverKind::kUnknown}}) {
    std::string content = contents(program.path);
    if (content.empty()) continue;
    EXPECT_EQ(identify_driver(content), program.kind) << program.path;
  }
}

}  // namespace
}  // namespace hpcc
