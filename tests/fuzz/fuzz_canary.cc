// A planted bug behind a few comparisons, as a parser's would be: tests/fuzz/run fails if the fuzzer does not find it.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.size() < 6 || text[0] != '-' || text[1] != 'M' || text[2] != 'F') return 0;
  if (text.substr(3, 3) == "bug") {
    std::fputs("planted bug\n", stderr);
    std::abort();
  }
  return 0;
}
