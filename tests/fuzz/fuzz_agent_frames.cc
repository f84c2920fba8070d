// The stream between proxy and agent, both ways. First byte even: host frames as the agent checks them. Odd: a sequence
// of length-prefixed agent frames as the proxy takes them, for one compile; the result must be within its limits.
#include <hpcc/v1/agent.pb.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/protocol.h"
#include "base/fs.h"
#include "guest/assemble.h"

namespace {

constexpr size_t kOutputs = 3;

hpcc::GuestLimits small_limits() {
  hpcc::GuestLimits limits;
  limits.output_bytes = 500;
  limits.stdio_bytes = 50;
  return limits;
}

void check_host_frame(std::string_view bytes) {
  hpcc::v1::HostFrame frame;
  if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  if (!hpcc::check_host_frame(frame).ok()) return;
  for (const std::string& path : frame.compile().outputs()) {
    if (!hpcc::is_plain_relative(path)) std::abort();
  }
}

void check_assembled(const hpcc::proxy::Assembled& assembled) {
  if (assembled.files.size() != assembled.result.outputs.size()) std::abort();
  uint64_t total_bytes = 0;
  for (size_t i = 0; i < assembled.files.size(); ++i) {
    struct stat info;
    if (fstat(assembled.files[i].get(), &info) != 0) std::abort();
    if (static_cast<uint64_t>(info.st_size) != assembled.result.outputs[i].size_bytes) std::abort();
    if (assembled.result.outputs[i].output >= kOutputs) std::abort();
    total_bytes += assembled.result.outputs[i].size_bytes;
  }
  const hpcc::GuestLimits limits = small_limits();
  if (total_bytes > limits.output_bytes || assembled.result.stdout_bytes.size() > limits.stdio_bytes) std::abort();
  if (!assembled.failed && !assembled.cancelled && !hpcc::decode_probes(assembled.result.probes).ok()) std::abort();
}

void check_agent_frames(std::string_view bytes) {
  hpcc::proxy::Assembler assembler(small_limits(), kOutputs);
  while (!bytes.empty()) {
    const size_t size = std::min<size_t>(static_cast<uint8_t>(bytes[0]), bytes.size() - 1);
    hpcc::v1::AgentFrame frame;
    const bool parsed = frame.ParseFromArray(bytes.data() + 1, static_cast<int>(size));
    bytes.remove_prefix(size + 1);
    if (!parsed) continue;
    if (frame.has_started() && !assembler.started().ok()) return;
    if (frame.has_data() && !assembler.data(frame.data()).ok()) return;
    if (!frame.has_result()) continue;
    auto assembled = assembler.finish(frame.result(), size % 2 == 0);
    if (assembled.ok()) check_assembled(*assembled);
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    check_host_frame(rest);
  } else {
    check_agent_frames(rest);
  }
  return 0;
}
