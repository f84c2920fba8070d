#include "wire/client_config.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

TEST(ClientConfig, NamesItsFilesBesideItself) {
  Result<ClientConfig> config = decode_client_config(
      "scheduler = \"127.0.0.1:1\"\ntenant = \"t\"\nscheduler_key = \"k\"\nca = \"/etc/ca.pem\"\n", "/d/client.toml");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->scheduler, "127.0.0.1:1");
  EXPECT_EQ(config->ca, "/etc/ca.pem");
  EXPECT_EQ(config->certificate, "/d/cert.pem");
  EXPECT_EQ(config->key, "/d/key.pem");
}

TEST(ClientConfig, SaysWhatIsMissing) {
  Result<ClientConfig> config = decode_client_config("scheduler = \"a\"\ntenant = \"t\"\n", "c");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().message.find("scheduler_key"), std::string::npos);
  EXPECT_FALSE(decode_client_config("scheduler = ", "c").ok());
  EXPECT_FALSE(decode_client_config("\xef\xbb\xbfJ", "c").ok());
}

}  // namespace
}  // namespace hpcc
