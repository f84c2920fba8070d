#include "trust/keys.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "trust/checkpoint.h"
#include "trust/grant.h"

namespace hpcc {
namespace {

TEST(Keys, EncodeAsDsseDoes) {
  EXPECT_EQ(pre_authentication_encoding("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

TEST(Keys, BindASignatureToItsType) {
  SigningKey key = *SigningKey::create();
  const Signature signature = key.sign("a", "text");
  EXPECT_TRUE(verify_signature(key.public_key(), "a", "text", signature));
  EXPECT_FALSE(verify_signature(key.public_key(), "b", "text", signature));
  EXPECT_FALSE(verify_signature(key.public_key(), "a", "texts", signature));
}

TEST(Keys, AreKeptInAFileNobodyElseReads) {
  char name[] = "/tmp/hpcc-key-XXXXXX";
  const std::string directory = mkdtemp(name), path = directory + "/k";
  SigningKey key = *SigningKey::load_or_create(path);
  EXPECT_EQ(SigningKey::load(path)->public_key(), key.public_key());
  EXPECT_FALSE(key.save(path).ok());
  chmod(path.c_str(), 0644);
  EXPECT_EQ(SigningKey::load(path).error().code, Code::kPermission);
  std::filesystem::remove_all(directory);
}

TEST(Base64, HasOneForm) {
  EXPECT_EQ(base64_encode("hello"), "aGVsbG8=");
  EXPECT_EQ(*base64_decode("aGVsbG8=", 10), "hello");
  for (const char* bad : {"aGVsbG8", "aGVsbG9=", "aGVs bG8=", "aGVsbG8=\n", "=", "a"}) {
    EXPECT_FALSE(base64_decode(bad, 10)) << bad;
  }
  EXPECT_FALSE(base64_decode("aGVsbG8=", 4));
}

TEST(Checkpoint, IsReadOnlyWithItsKey) {
  SigningKey key = *SigningKey::create(), other = *SigningKey::create();
  const Checkpoint checkpoint{"hpcc/w1", 7, leaf_hash("x")};
  const std::string note = sign_checkpoint(checkpoint, key);
  EXPECT_EQ(*decode_checkpoint(note, key.public_key()), checkpoint);
  EXPECT_EQ(decode_checkpoint(note, other.public_key()).error().code, Code::kPermission);
  std::string changed = note;
  changed.replace(changed.find("\n7\n"), 3, "\n8\n");
  EXPECT_EQ(decode_checkpoint(changed, key.public_key()).error().code, Code::kPermission);
  EXPECT_FALSE(decode_checkpoint("x\n07\n", key.public_key()).ok());
}

TEST(Grant, IsForOneUseOnly) {
  SigningKey scheduler = *SigningKey::create();
  Grant grant{"id", "acme", "sha256:i", "client", "w1", scheduler.public_key(), 1000, 2000};
  const std::string bytes = *sign_grant(grant, scheduler);
  Result<Grant> back = decode_grant(bytes, scheduler.public_key());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, grant);
  EXPECT_TRUE(check_grant(*back, {"acme", "sha256:i", "client", "w1", 1500}).ok());
  EXPECT_FALSE(check_grant(*back, {"evil", "sha256:i", "client", "w1", 1500}).ok());
  EXPECT_FALSE(check_grant(*back, {"acme", "sha256:j", "client", "w1", 1500}).ok());
  EXPECT_FALSE(check_grant(*back, {"acme", "sha256:i", "other", "w1", 1500}).ok());
  EXPECT_FALSE(check_grant(*back, {"acme", "sha256:i", "client", "w2", 1500}).ok());
  EXPECT_FALSE(check_grant(*back, {"acme", "sha256:i", "client", "w1", 2000}).ok());
  EXPECT_FALSE(check_grant(*back, {"acme", "sha256:i", "client", "w1", 900}).ok());
  EXPECT_EQ(decode_grant(bytes, SigningKey::create()->public_key()).error().code, Code::kPermission);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(decode_grant(changed, scheduler.public_key()).ok()) << i;
  }
}

}  // namespace
}  // namespace hpcc
