// The conformance tests' main: gtest, and the guest's proxy when started as such.
#include <sys/prctl.h>

#include <cstdio>
#include <cstring>

#include "harness.h"

namespace hpcc::test {
namespace {

std::string from_environment(const char* name) {
  const char* value = getenv(name);
  return value ? value : "";
}

Driver namespace_driver() {
  Driver driver;
  driver.name = "namespace";
  driver.start = start_namespace;
  driver.spec.rootfs.tree_dir = "/";  // the host's own root has a compiler
  driver.spec.agent = from_environment("HPCC_TEST_AGENT");
  return driver;
}

}  // namespace

std::vector<Driver> drivers() { return {namespace_driver()}; }

}  // namespace hpcc::test

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--role=guest") == 0) return hpcc::run_guest_proxy();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (!getenv("HPCC_TEST_AGENT")) {
    fprintf(stderr, "HPCC_TEST_AGENT must name the hpcc-agent to test\n");
    return 2;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
