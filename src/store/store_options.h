// How tests open a store: with a clock of their own, or as on another file system. Thread rule: free function.
#pragma once

#include "store/place.h"
#include "store/store.h"

namespace hpcc::store {

struct StoreOptions {
  Placement placement = Placement::kByFileSystem;
  std::string private_root = "/var/tmp";
  Clock now_ns = realtime_ns;
};

Result<std::unique_ptr<Store>> open_store(const std::string& dir, StoreOptions options);

}  // namespace hpcc::store
