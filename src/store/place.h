// Where a store's parts live. Everything is below `<dir>/v1`: a format has its own directory, so an older or newer hpcc
// never meets foreign files. Index and counters need working locks and a shared page cache: on a network or user-space
// file system they live on this machine.
//
// Thread rule: free functions, any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "store/counters.h"

namespace hpcc::store {

enum class Placement {
  kByFileSystem,  // as the file system of the directory demands
  kPrivate,       // as on a file system without reliable locks
};

struct Place {
  std::string shared;  // blobs, settings
  std::string local;   // index, counters, facts, locks
  CounterAccess counter_access = CounterAccess::kMapped;
};

// Makes the directories. `private_root` is /var/tmp but in tests.
Result<Place> find_place(const std::string& dir, Placement placement, const std::string& private_root);

}  // namespace hpcc::store
