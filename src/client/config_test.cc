#include "client/config.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

TEST(Config, sizes_are_powers_of_1024) {
  EXPECT_EQ(parse_size("5G"), uint64_t{5} << 30);
  EXPECT_EQ(parse_size("1.5MiB"), uint64_t{3} << 19);
  EXPECT_EQ(parse_size("7"), uint64_t{7} << 30);
  EXPECT_EQ(parse_size("0"), uint64_t{0});
  EXPECT_EQ(parse_size("2000000B"), uint64_t{2000000});
  EXPECT_FALSE(parse_size("5B"));
  EXPECT_FALSE(parse_size("0x10"));
  EXPECT_FALSE(parse_size("1..5G"));
  EXPECT_FALSE(parse_size("-1G"));
  EXPECT_FALSE(parse_size("5X"));
  EXPECT_FALSE(parse_size(""));
}
TEST(Config, known_settings_are_read) {
  Result<Config> config = decode_config("max_size = \"5G\"\nidle_exit_s = 30\n", "c");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->max_size_bytes, uint64_t{5} << 30);
  EXPECT_EQ(config->idle_exit_s, 30);
}
TEST(Config, a_mistake_names_file_and_line) {
  Result<Config> config = decode_config("\nmax_siez = 3\n", "c.toml");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().message.find("c.toml:2: unknown setting max_siez"), std::string::npos);
  EXPECT_FALSE(decode_config("max_size = [", "c").ok());
  EXPECT_FALSE(decode_config("max_size = 5", "c").ok());
}
TEST(ProjectFile, an_empty_one_is_plain_and_one_with_an_image_names_it) {
  EXPECT_EQ(decode_project_file("", "p")->image, "");
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(decode_project_file("image = \"" + digest + "\"", "p")->image, digest);
  EXPECT_FALSE(decode_project_file("image = \"sha256:ab\"", "p").ok());
  EXPECT_FALSE(decode_project_file("image = \"latest\"", "p").ok());
}

TEST(ProjectFile, the_other_settings_are_closed_lists) {
  EXPECT_EQ(decode_project_file("date_time = \"allow\"", "p")->date_time, ProjectFile::DateTime::kAllow);
  EXPECT_EQ(decode_project_file("", "p")->date_time, ProjectFile::DateTime::kError);
  EXPECT_EQ(decode_project_file("fallback = \"host\"", "p")->fallback, ProjectFile::Fallback::kHost);
  EXPECT_EQ(decode_project_file("fallback = \"none\"", "p")->fallback, ProjectFile::Fallback::kNone);
  EXPECT_EQ(decode_project_file("fallback = \"image\"", "p")->fallback, ProjectFile::Fallback::kImage);
  EXPECT_FALSE(decode_project_file("fallback = \"any\"", "p").ok());
  EXPECT_FALSE(decode_project_file("date_time = true", "p").ok());
}

}  // namespace
}  // namespace hpcc
