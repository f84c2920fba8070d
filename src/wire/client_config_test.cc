#include "wire/client_config.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

TEST(ClientConfig, ReadsWhatItWrote) {
  const ClientConfig config{"127.0.0.1:1", "acme", std::string(64, 'a')};
  Result<ClientConfig> back = decode_client_config(encode_client_config(config), "c");
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(*back, config);
}

TEST(ClientConfig, SaysWhatIsMissing) {
  Result<ClientConfig> config = decode_client_config("scheduler = \"a\"\ntenant = \"t\"\n", "c");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().message.find("scheduler_key"), std::string::npos);
  EXPECT_FALSE(decode_client_config("scheduler = ", "c").ok());
  EXPECT_FALSE(decode_client_config("\xef\xbb\xbfJ", "c").ok());
}

TEST(ClientConfig, RefusesWhatItDoesNotKnow) {
  const std::string good = encode_client_config({"a:1", "t", "k"});
  Result<ClientConfig> config = decode_client_config(good + "ca = \"ca.pem\"\n", "c");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().message.find("unknown setting ca"), std::string::npos) << config.error().message;
  EXPECT_FALSE(decode_client_config("scheduler = 1\ntenant = \"t\"\nscheduler_key = \"k\"\n", "c").ok());
}

}  // namespace
}  // namespace hpcc
