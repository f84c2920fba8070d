#include "base/uuid.h"

#include <sys/random.h>

#include <cstdint>
#include <cstdio>

#include "base/fs.h"
#include "base/result.h"

namespace hpcc {

std::string new_uuid7() {
  uint8_t random[10];
  CHECK(getrandom(random, sizeof random, 0) == sizeof random);
  const uint64_t unix_ms = static_cast<uint64_t>(realtime_ns()) / 1000000;
  const unsigned high = (random[0] & 0x0fu) | 0x70u, variant = (random[2] & 0x3fu) | 0x80u;
  char text[40];
  snprintf(text, sizeof text, "%08llx-%04llx-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
           static_cast<unsigned long long>(unix_ms >> 16), static_cast<unsigned long long>(unix_ms & 0xffff), high,
           random[1], variant, random[3], random[4], random[5], random[6], random[7], random[8], random[9]);
  return text;
}

}  // namespace hpcc
