#include "rpc/address.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

std::string complaint(const std::string& listen, const std::string& advertise) {
  const Status status = check_addresses(listen, advertise);
  return status.ok() ? "" : status.error().message;
}

TEST(Address, ThatNobodyCanDialIsRefused) {
  for (const char* listen : {"0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0", "0:0", ":0", "*:4000"}) {
    EXPECT_NE(complaint(listen, "").find("--advertise HOST:PORT"), std::string::npos) << listen;
    EXPECT_EQ(complaint(listen, "farm1.example:4000"), "");
  }
  for (const char* advertise : {"farm1", "farm1:", "farm1:x", "farm1:0", "farm1:70000", ":4000", "0.0.0.0:4000"}) {
    EXPECT_NE(complaint("127.0.0.1:0", advertise).find("--advertise wants"), std::string::npos) << advertise;
  }
  for (const char* listen : {"127.0.0.1:0", "[::1]:4000", "farm1:4000"}) EXPECT_EQ(complaint(listen, ""), "");
}

TEST(Address, IsTheAdvertisedOneOrTheOneListenedOn) {
  EXPECT_EQ(dialled_address("127.0.0.1:0", "", 4711), "127.0.0.1:4711");
  EXPECT_EQ(dialled_address("[::1]:0", "", 4711), "[::1]:4711");
  EXPECT_EQ(dialled_address("0.0.0.0:0", "farm1:4000", 4711), "farm1:4000");
}

}  // namespace
}  // namespace hpcc
