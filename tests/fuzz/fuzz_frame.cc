// Frames of the local socket: any bytes in any chunks give values within the limits or an Error, and what hpcc encodes
// it decodes again. The first byte is the size of the chunks.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "wire/local.h"

namespace {

using hpcc::frame::Type;

void decode(Type type, const std::string& payload) {
  if (type == Type::kCompile) (void)hpcc::decode_request(payload).ok();
  if (type == Type::kEvents) {
    std::vector<hpcc::Event> events;
    (void)hpcc::decode_events(payload, &events).ok();
  }
  if (type == Type::kFinish) {
    auto finish = hpcc::decode_finish(payload);
    if (!finish.ok()) return;
    if (finish->stdout_text.size() + finish->stderr_text.size() > payload.size()) std::abort();
  }
  if (type == Type::kControl || type == Type::kExec) {
    auto text = hpcc::decode_string(payload);
    if (text.ok() && hpcc::encode_string(*text) != payload) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t chunk = data[0] + size_t{1};
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  hpcc::FrameBuffer buffer;
  Type type{};
  std::string payload;
  for (size_t at = 0; at < rest.size(); at += chunk) {
    std::string_view part = rest.substr(at, chunk);
    buffer.feed(part.data(), part.size());
    for (;;) {
      auto whole = buffer.next(&type, &payload);
      if (!whole.ok()) return 0;
      if (!*whole) break;
      decode(type, payload);
    }
  }
  return 0;
}
