// main of unit_tests. Tests of processes that hpcc starts as itself (`--role=…`) find those roles here.
#include <gtest/gtest.h>

#include <cstring>

#include "image/flatten.h"
#include "vm/qemu.h"

namespace hpcc {
int run_fake_remote() __attribute__((weak));  // src/client/remote_link_test.cc, in unit_tests
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--role=fake-remote") == 0 && hpcc::run_fake_remote) return hpcc::run_fake_remote();
  if (argc == 2 && strcmp(argv[1], "--role=flatten") == 0) return hpcc::run_flattener();
  if (const int code = hpcc::run_vm_role(argc, argv); code >= 0) return code;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
