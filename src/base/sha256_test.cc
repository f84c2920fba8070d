// SHA-256 against the vectors of FIPS 180-4 / NIST CAVP, and both implementations against each other.
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace hpcc {
namespace {

std::string hash_hex(std::string_view text, size_t step) {
  Sha256 hash;
  for (size_t at = 0; at < text.size(); at += step) hash.update(text.substr(at, step));
  uint8_t out[Sha256::kBytes];
  hash.finish(out);
  std::string hex;
  for (uint8_t byte : out) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

class Sha256Paths : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { Sha256::force_portable_for_test(GetParam()); }
  void TearDown() override { Sha256::force_portable_for_test(false); }
};

TEST_P(Sha256Paths, GivesThePublishedDigests) {
  EXPECT_EQ(hash_hex("", 64), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_hex("abc", 64), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 64),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash_hex(std::string(1000000, 'a'), 4096),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_P(Sha256Paths, GivesOneDigestHoweverTheTextIsCut) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text.push_back(static_cast<char>(i * 7));
  for (size_t size : {0u, 1u, 55u, 56u, 57u, 63u, 64u, 65u, 119u, 120u, 127u, 128u, 129u, 1000u}) {
    const std::string part = text.substr(0, size);
    const std::string whole = hash_hex(part, 1000);
    for (size_t step : {1u, 3u, 63u, 64u, 65u, 200u}) EXPECT_EQ(hash_hex(part, step), whole) << size << " by " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(BothPaths, Sha256Paths, testing::Bool());

TEST(Sha256, GivesTheSameDigestInSoftwareAndHardware) {
  if (!Sha256::has_hardware()) GTEST_SKIP() << "this CPU has no SHA extensions";
  for (size_t size = 0; size < 300; ++size) {
    const std::string text(size, static_cast<char>(size));
    const std::string hardware = hash_hex(text, 1000);
    Sha256::force_portable_for_test(true);
    EXPECT_EQ(hash_hex(text, 1000), hardware);
    Sha256::force_portable_for_test(false);
  }
}

}  // namespace
}  // namespace hpcc
