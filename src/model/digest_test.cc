#include "model/digest.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

TEST(Digest, HasOneText) {
  const ImageDigest digest = ImageDigest::of("a");
  EXPECT_EQ(digest.text(), "sha256:" + digest.hex());
  EXPECT_EQ(ImageDigest::from_text(digest.text()), digest);
  const std::string digits(64, 'a');
  for (const std::string& other : {digits, "sha256:" + digits + "a", "sha256:" + digits.substr(1), "sha512:" + digits,
                                   "sha256:" + std::string(64, 'A'), " sha256:" + digits, std::string()}) {
    EXPECT_FALSE(ImageDigest::from_text(other)) << other;
    EXPECT_FALSE(parse_image_digest(other).ok()) << other;
  }
}

}  // namespace
}  // namespace hpcc
