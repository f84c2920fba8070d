#include "client/observation.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/fs.h"
#include "client/elf.h"

namespace hpcc {
namespace {

TEST(Interpreter, of_a_script_is_its_first_word) { EXPECT_EQ(*decode_interpreter("#! /bin/sh -e\nexit\n"), "/bin/sh"); }
TEST(Interpreter, of_a_truncated_elf_header_is_an_error) {
  EXPECT_FALSE(decode_interpreter(std::string_view("\x7f"
                                                   "ELF\x02",
                                                   5))
                   .ok());
}
TEST(Interpreter, of_a_dynamic_program_is_found) {
  Result<std::string> interpreter = find_interpreter("/bin/sh");
  ASSERT_TRUE(interpreter.ok());
  EXPECT_NE(interpreter->find("ld"), std::string::npos);
}

TEST(Paths, lexically_normal_collapses) {
  EXPECT_EQ(lexically_normal("/a/./b//../c"), "/a/c");
  EXPECT_EQ(lexically_normal("../x/.."), "..");
  EXPECT_EQ(lexically_normal("a/.."), ".");
}
TEST(Paths, is_under_needs_a_whole_component) {
  EXPECT_TRUE(is_under("/a/b", "/a"));
  EXPECT_FALSE(is_under("/ab", "/a"));
}

}  // namespace
}  // namespace hpcc
