#include "client/verify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/limits.h"
#include "client/quarantine.h"

namespace hpcc {
namespace {

TEST(VerifyRate, unset_empty_and_zero_are_none) {
  EXPECT_EQ(verify_rate(std::nullopt), 0);
  EXPECT_EQ(verify_rate(""), 0);
  EXPECT_EQ(verify_rate("0"), 0);
  EXPECT_EQ(verify_rate("0/5"), 0);
}
TEST(VerifyRate, is_a_number_a_fraction_or_a_percentage) {
  EXPECT_EQ(verify_rate("1"), 1);
  EXPECT_DOUBLE_EQ(verify_rate("0.05"), 0.05);
  EXPECT_DOUBLE_EQ(verify_rate("1/20"), 0.05);
  EXPECT_DOUBLE_EQ(verify_rate("5%"), 0.05);
  EXPECT_EQ(verify_rate("7"), 1);
}
TEST(VerifyRate, of_any_other_text_is_all) {
  for (const char* text : {"yes", "true", "1/0", "-1", "nan", "0.5x", "/", "%"}) {
    EXPECT_EQ(verify_rate(text), 1) << text;
  }
}

TEST(Sampling, takes_the_share_asked_for) {
  for (double rate : {0.0, 0.05, 0.5, 1.0}) {
    int taken = 0;
    for (uint64_t n = 0; n < 20000; ++n) taken += is_sampled(n, rate);
    EXPECT_NEAR(taken, 20000 * rate, 300) << rate;
  }
}
TEST(Sampling, does_not_pick_the_same_place_of_each_round) {
  bool at[20] = {};
  for (uint64_t n = 0; n < 20 * 200; ++n) at[n % 20] |= is_sampled(n, 0.05);
  for (bool taken : at) EXPECT_TRUE(taken);
}

ResultImage image(const std::string& object, const std::string& err = "") {
  ResultImage out;
  out.stderr_text = err;
  out.outputs.push_back({"o/a.o", object, false});
  return out;
}

TEST(Differences, of_equal_results_are_none) { EXPECT_TRUE(differences(image("x"), image("x")).empty()); }
TEST(Differences, name_each_part_that_differs) {
  ResultImage other = image("xy", "warning");
  other.exit_code = 1;
  other.stdout_text = "note";
  other.outputs[0].executable = true;
  other.outputs.push_back({"a.d", "", false});
  EXPECT_EQ(differences(image("x"), other).size(), 6u);
  EXPECT_EQ(differences(other, image("x")).size(), 6u);
}
TEST(Differences, say_where_the_first_byte_is) {
  const std::vector<std::string> found = differences(image("abc"), image("abd"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], "o/a.o: 3 bytes stored, 3 compiled, first difference at byte 2");
}

class QuarantineTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/hpcc-quarantine-XXXXXX";
    dir_ = mkdtemp(name);
  }
  void TearDown() override {
    (void)Quarantine(dir_).clear().ok();
    rmdir(dir_.c_str());
  }
  std::string kept(const DirectKey& key, const std::string& name) {
    return read_file(Quarantine(dir_).path_of(key) + "/" + name, 1000).value_or("gone");
  }
  std::string dir_;
};

TEST_F(QuarantineTest, keeps_both_results_and_the_report) {
  Quarantine quarantine(dir_);
  const DirectKey key = DirectKey::of("k");
  EXPECT_FALSE(quarantine.holds(key));
  ASSERT_TRUE(quarantine.add(key, "why\n", image("one", "e1"), image("two", "e2")).ok());
  EXPECT_TRUE(quarantine.holds(key));
  EXPECT_EQ(kept(key, "stored/0-a.o"), "one");
  EXPECT_EQ(kept(key, "compiled/0-a.o"), "two");
  EXPECT_EQ(kept(key, "compiled/stderr"), "e2");
  ASSERT_EQ(quarantine.find(key.hex().substr(0, 6)).size(), 1u);
  EXPECT_EQ(quarantine.find("")[0].second, "why\n");
  ASSERT_TRUE(quarantine.add(key, "again\n", image("x"), image("y")).ok());
  EXPECT_EQ(kept(key, "report"), "why\n");
  EXPECT_EQ(list_directory(quarantine.path())->size(), 1u);
}
TEST_F(QuarantineTest, tells_a_wrong_entry_from_a_compiler_that_does_not_repeat_itself) {
  Quarantine quarantine(dir_);
  const DirectKey wrong = DirectKey::of("wrong"), random = DirectKey::of("random");
  for (const DirectKey& key : {wrong, random}) {
    ASSERT_TRUE(quarantine.add(key, "", image("one"), image("two")).ok());
  }
  quarantine.note_repeat(wrong, image("two"));
  quarantine.note_repeat(random, image("three"));
  quarantine.note_repeat(wrong, image("four"));  // said once
  EXPECT_NE(kept(wrong, "repeat").find("the same result"), std::string::npos);
  EXPECT_NE(kept(random, "repeat").find("a third result"), std::string::npos);
}
TEST_F(QuarantineTest, of_too_large_results_keeps_the_report) {
  Quarantine quarantine(dir_);
  const DirectKey key = DirectKey::of("k");
  ASSERT_TRUE(quarantine.add(key, "r\n", image(std::string(limits::kQuarantinedBytes, 'x')), image("y")).ok());
  EXPECT_EQ(list_directory(quarantine.path_of(key))->size(), 1u);
}
TEST_F(QuarantineTest, is_bounded_and_forgets_the_oldest_first) {
  Quarantine quarantine(dir_);
  std::vector<DirectKey> keys;
  for (size_t i = 0; i < limits::kQuarantinedWhole + 2; ++i) {
    keys.push_back(DirectKey::of(std::to_string(i)));
    ASSERT_TRUE(quarantine.add(keys[i], "r\n", image("one"), image("two")).ok());
    const struct timespec when[2] = {{static_cast<time_t>(1000 + i), 0}, {static_cast<time_t>(1000 + i), 0}};
    utimensat(AT_FDCWD, quarantine.path_of(keys[i]).c_str(), when, 0);
  }
  EXPECT_TRUE(quarantine.holds(keys[0]));
  EXPECT_EQ(kept(keys[0], "stored/0-a.o"), "gone");
  EXPECT_EQ(kept(keys.back(), "stored/0-a.o"), "one");
  for (size_t i = 0; i < limits::kQuarantined; ++i) {
    const std::string name = quarantine.path() + "/" + DirectKey::of("filler" + std::to_string(i)).hex();
    ASSERT_EQ(mkdir(name.c_str(), 0700), 0);
  }
  ASSERT_TRUE(quarantine.add(DirectKey::of("last"), "r\n", image("one"), image("two")).ok());
  EXPECT_EQ(list_directory(quarantine.path())->size(), limits::kQuarantined);
  EXPECT_FALSE(quarantine.holds(keys[0]));
  EXPECT_TRUE(quarantine.holds(DirectKey::of("last")));
}

}  // namespace
}  // namespace hpcc
