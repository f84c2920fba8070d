#include "rpc/reapi.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

const std::string kHash = BlobDigest::of("x").hex();
const std::string kUuid = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

TEST(ResourceName, ComesBackAsItWasWritten) {
  for (const std::string& instance : {std::string(), std::string("acme")}) {
    for (Compression compression : {Compression::kIdentity, Compression::kZstd}) {
      const ResourceName name{instance, compression, SizedDigest::of("x")};
      const auto read = decode_read_name(encode_read_name(name));
      const auto written = decode_write_name(encode_write_name(name, kUuid));
      ASSERT_TRUE(read.ok());
      ASSERT_TRUE(written.ok());
      for (const ResourceName& again : {*read, *written}) {
        EXPECT_EQ(again.instance, instance);
        EXPECT_EQ(again.compression, compression);
        EXPECT_EQ(again.blob, name.blob);
      }
    }
  }
  EXPECT_TRUE(decode_write_name("uploads/" + kUuid + "/blobs/" + kHash + "/1/some/file.name").ok());
}

TEST(ResourceName, AnythingElseIsRefused) {
  for (const std::string& name : {std::string(),
                                  std::string("/"),
                                  std::string("blobs"),
                                  "blobs/" + kHash,
                                  "blobs/" + kHash + "/",
                                  "blobs/" + kHash + "/-1",
                                  "blobs/" + kHash + "/1x",
                                  "blobs/" + kHash + "/01",
                                  "blobs/" + kHash + "/+1",
                                  "blobs/" + kHash + "/1/more",
                                  "blobs/" + kHash + "/1/",
                                  "/blobs/" + kHash + "/1",
                                  "a/b/blobs/" + kHash + "/1",
                                  "../blobs/" + kHash + "/1",
                                  "blobs/sha256/" + kHash + "/1",
                                  "compressed-blobs/deflate/" + kHash + "/1",
                                  "blobs/" + std::string(64, 'G') + "/1",
                                  "blobs/" + std::string(64, 'A') + "/1",
                                  "blobs/" + kHash + "/99999999999999999999",
                                  "blobs/" + kHash + "/9223372036854775807",
                                  "uploads/" + kUuid + "/blobs/" + kHash + "/1"}) {
    EXPECT_FALSE(decode_read_name(name).ok()) << name;
  }
  EXPECT_FALSE(decode_write_name("uploads/1234/blobs/" + kHash + "/1").ok());
  EXPECT_FALSE(decode_write_name("blobs/" + kHash + "/1").ok());
  EXPECT_FALSE(decode_read_name(std::string(10'000, 'a')).ok());
}

TEST(Digests, OnlySha256OfASaneSize) {
  reapi::Digest digest = encode_digest(SizedDigest::of("x"));
  EXPECT_EQ(*decode_digest(digest), SizedDigest::of("x"));
  digest.set_size_bytes(-1);
  EXPECT_FALSE(decode_digest(digest).ok());
  digest.set_size_bytes(int64_t{1} << 40);
  EXPECT_FALSE(decode_digest(digest).ok());
  digest.set_size_bytes(1);
  digest.set_hash(std::string(40, 'a'));
  EXPECT_FALSE(decode_digest(digest).ok());
  EXPECT_FALSE(decode_digest(reapi::Digest()).ok());
}

}  // namespace
}  // namespace hpcc
