// Between worker and proxy, both ways: any bytes give values within the limits or an Error. The first byte chooses the
// kind. A compile request that decodes is encoded to the same bytes; a result fits to what was asked for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "guest/frames.h"

namespace {

hpcc::GuestCompile asked() {
  hpcc::GuestCompile what;
  what.outputs = {"a.o", "a.d", "b"};
  what.limits.output_bytes = 1000;
  what.limits.stdio_bytes = 64;
  return what;
}

void check_result(std::string_view bytes) {
  const hpcc::GuestCompile what = asked();
  auto result = hpcc::proxy::decode_result(bytes, what);
  if (!result.ok()) return;
  uint64_t total_bytes = 0;
  for (const auto& output : result->outputs) {
    if (output.output >= what.outputs.size()) std::abort();
    total_bytes += output.size_bytes;
  }
  if (total_bytes > what.limits.output_bytes || result->stdout_bytes.size() > what.limits.stdio_bytes) std::abort();
  if (hpcc::proxy::encode_result(*result) != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 == 0) {
    auto compile = hpcc::proxy::decode_compile(bytes);
    if (compile.ok() && hpcc::proxy::encode_compile(*compile) != bytes) std::abort();
  } else if (data[0] % 4 == 1) {
    check_result(bytes);
  } else if (data[0] % 4 == 2) {
    auto need = hpcc::proxy::decode_need(bytes);
    if (need.ok() && hpcc::proxy::encode_need(*need) != bytes) std::abort();
    (void)hpcc::proxy::decode_settings(bytes).ok();
  } else {
    for (char c : hpcc::proxy::decode_error(bytes).message) {
      if (c < 0x20 || c > 0x7e) std::abort();
    }
  }
  return 0;
}
