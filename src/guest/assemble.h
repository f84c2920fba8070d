// Assembler: checks every frame an agent sends about one compile, and keeps what it brings within the limits that were
// asked for. The first breach is an Error; the session ends with it.
#pragma once

#include <hpcc/v1/agent.pb.h>

#include <optional>
#include <string>
#include <vector>

#include "base/message.h"
#include "base/result.h"
#include "guest/frames.h"
#include "guest/guest.h"

namespace hpcc::proxy {

struct Assembled {
  ProxyResult result;
  std::vector<Fd> files;        // sealed, in the order of result.outputs
  std::optional<Error> failed;  // the agent could not run the compile, and says why; `result` means nothing then
  bool cancelled = false;
};

class Assembler {
 public:
  Assembler(const GuestLimits& limits, size_t output_count) : limits_(limits), files_(output_count) {}

  Status started();
  Status data(const v1::Data& data);
  // `was_cancelled`: whether the host asked for an early end.
  Result<Assembled> finish(const v1::Result& result, bool was_cancelled);

 private:
  Status output_data(const v1::Data& data);
  Status take_outputs(const v1::Result& result, Assembled* out);

  const GuestLimits limits_;
  bool started_ = false;
  int stream_ = 0;  // the highest seen
  uint32_t output_ = 0;
  uint64_t output_bytes_ = 0;
  std::string stdout_, stderr_, probes_;
  std::vector<std::optional<MemoryFile>> files_;
};

}  // namespace hpcc::proxy
