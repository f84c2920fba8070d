// Fuzzes what is read back of the history: records and notes of hits. What decodes has exactly one encoding.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/history.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto record = hpcc::decode_history(bytes);
  if (record.ok() && hpcc::encode_history(*record) != bytes) std::abort();
  const auto note = hpcc::decode_hit_note(bytes);
  if (note.ok() && hpcc::encode_hit_note(*note) != bytes) std::abort();
  return 0;
}
