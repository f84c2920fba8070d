#include "client/key.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

std::string key_with_path(const std::string& path) {
  static const Invocation kInvocation;
  EnvKey env;
  env.variables.push_back({"PATH", path, KeyRole::kPath});
  Place place;
  place.root = place.cwd = "/w";
  return encode_key_text({kInvocation, env, place, "gcc", BlobDigest(), BlobDigest(), ""});
}

TEST(Key, lists_of_other_elements_have_other_texts) {
  EXPECT_NE(key_with_path("/a|text:/b"), key_with_path("/a:/b"));
  EXPECT_NE(key_with_path("/a:"), key_with_path("/a"));
  EXPECT_NE(key_with_path("/w/a:/b"), key_with_path("a:/b"));
  EXPECT_EQ(key_with_path("/w/a:/b"), key_with_path("/w/a:/b"));
}
TEST(Key, a_changed_list_is_explained_by_its_differing_entries) {
  const auto explain = [](const std::string& before, const std::string& now) {
    const std::vector<std::string> change = explain_key_change(key_with_path(before), key_with_path(now));
    return change.size() == 1 ? change[0] : "not one sentence";
  };
  EXPECT_EQ(explain("/usr/bin:/a", "/usr/bin:/w/b"), "environment variable PATH changed: gone /a, new <root>/b");
  EXPECT_EQ(explain("/a:/b:/c", "/a:/c:/b"), "environment variable PATH changed: other order, first at /c (was /b)");
  EXPECT_EQ(explain("/a:/b", "/a:/b:/a"), "environment variable PATH changed: an entry is repeated");
}

}  // namespace
}  // namespace hpcc
