// Frames between hpccd and hpcc-remote: whatever arrives is an Error or a value that encodes to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/remote.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hpcc::remote;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto submit = decode_submit(bytes); submit.ok() && encode_submit(*submit) != bytes) abort();
  // A bool may arrive as any byte but zero: compare after one round.
  if (auto result = decode_remote_result(bytes); result.ok()) {
    const std::string once = encode_remote_result(*result);
    auto again = decode_remote_result(once);
    if (!again.ok() || encode_remote_result(*again) != once) abort();
  }
  if (auto part = decode_blob_part(bytes); part.ok() && encode_blob_part(part->id, part->blob, part->bytes) != bytes)
    abort();
  (void)decode_cancel(bytes).ok();
  return 0;
}
