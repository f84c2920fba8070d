// The conformance tests' main: gtest, and the processes of guests when started as such. Drivers: `namespace` always;
// `qemu` where the environment names an image (HPCC_TEST_IMAGE, its directory in an image store), else its absence is
// said.
#include <sys/prctl.h>

#include <cstdio>
#include <cstring>

#include "harness.h"
#include "image/image_store.h"
#include "vm/qemu.h"

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

Driver qemu_driver(const std::string& image) {
  auto fail = [](const std::string& why) {
    fprintf(stderr, "conformance: no qemu: %s\n", why.c_str());
    exit(2);
  };
  Driver driver;
  driver.name = "qemu";
  driver.slowness = 20;
  driver.start = start_qemu;
  driver.spec.agent = from_environment("HPCC_TEST_AGENT");
  driver.spec.kernel = find_guest_kernel(std::string(directory_of(driver.spec.agent)));
  if (driver.spec.kernel.empty()) fail("no guest kernel: run ./dev guest");
  const std::optional<ImageDigest> digest = ImageDigest::from_hex(std::string(basename_of(image)));
  if (!digest) fail(image + " is no image's directory");
  Result<ImageStore> store = ImageStore::open(std::string(directory_of(image)));
  if (!store.ok()) fail(store.error().to_string());
  Result<Rootfs> rootfs = store->find(*digest);
  if (!rootfs.ok()) fail(rootfs.error().to_string());
  driver.spec.rootfs = *rootfs;
  return driver;
}

}  // namespace

std::vector<Driver> drivers() {
  std::vector<Driver> all = {namespace_driver()};
  const std::string image = from_environment("HPCC_TEST_IMAGE");
  if (!image.empty()) all.push_back(qemu_driver(image));
  return all;
}

}  // namespace hpcc::test

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--role=guest") == 0) return hpcc::run_guest_proxy();
  if (const int code = hpcc::run_vm_role(argc, argv); code >= 0) return code;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (!getenv("HPCC_TEST_IMAGE")) printf("not run for qemu: HPCC_TEST_IMAGE is not set\n");
  if (!getenv("HPCC_TEST_AGENT")) {
    fprintf(stderr, "HPCC_TEST_AGENT must name the hpcc-agent to test\n");
    return 2;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
