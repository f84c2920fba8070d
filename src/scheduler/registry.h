// Registry: the workers that were heard of lately, and which of them a lookup gets. In memory: a scheduler that starts
// again knows all workers after one heartbeat of each.
//
// Pure but for the time it is given; one thread at a time.
#pragma once

#include <hpcc/v1/scheduler.pb.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "trust/keys.h"

namespace hpcc {

inline constexpr int64_t kHeartbeatMs = 1000;
inline constexpr int64_t kForgetMs = 5 * kHeartbeatMs;

struct WorkerEntry {
  std::string name;
  PublicKey receipt_key;
  hpcc::v1::HeartbeatRequest state;
  int64_t heard_ms = 0;
  uint64_t registration = 0;  // of the worker's process, while it is heard of; unique
  uint32_t leased = 0;  // since the last heartbeat: counted as busy until the worker says so itself
};

// Checks what a worker says of itself, with limits.
Result<PublicKey> check_heartbeat(const hpcc::v1::HeartbeatRequest& request);

class Registry {
 public:
  // A worker of that name with another key is another worker: it takes the name over only when the first is gone.
  Status hear(const std::string& worker, const hpcc::v1::HeartbeatRequest& request, int64_t now_ms);

  struct Choice {
    WorkerEntry worker;
    bool warm = false;
  };
  struct Wish {
    std::string image;
    std::vector<std::string> avoid;  // only when there is no other
    std::string worker;              // not "": no other
  };
  // One that has the image: warm for this tenant before cold, free before busy, then the least loaded. kNotFound says
  // whether no worker is there at all, not the one that was asked for, or none has the image.
  Result<Choice> choose(const std::string& tenant, const Wish& wish, int64_t now_ms);

  std::vector<WorkerEntry> list(int64_t now_ms);

 private:
  void forget(int64_t now_ms);
  std::map<std::string, WorkerEntry> workers_;
  uint64_t last_registration_ = 0;
};

}  // namespace hpcc
