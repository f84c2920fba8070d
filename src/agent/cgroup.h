// CompileCgroup: limits for all processes of one compile together, where the guest has cgroup v2. Without (namespace
// sandbox) every call succeeds and does nothing; the supervisor then looks at memory itself.
#pragma once

#include <hpcc/v1/agent.pb.h>
#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

class CompileCgroup {
 public:
  CompileCgroup() = default;
  // `parent` < 0: none. A directory that an earlier compile of this slot left is removed first.
  static Result<CompileCgroup> create(int parent, unsigned slot, const v1::Limits& limits);

  bool active() const { return static_cast<bool>(self_); }
  Status add(pid_t pid);
  bool hit_memory_limit() const;
  Status remove();

 private:
  Status set(const char* file, const std::string& value);
  int parent_ = -1;
  std::string name_;
  Fd self_;
};

}  // namespace hpcc
