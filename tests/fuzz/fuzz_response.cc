// Fuzzes response files (compiler/parse.h): any bytes as the content of one, which may name itself.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/limits.h"
#include "compiler/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto read_file = [&](const std::string& path) -> hpcc::Result<std::string> {
    // A different part for each name, so that nesting ends.
    if (path.size() > text.size()) return hpcc::Error{hpcc::Code::kNotFound, path, 0};
    return text.substr(path.size());
  };
  auto words = hpcc::expand_response_files({"gcc", "@a"}, read_file);
  if (words.ok() && words->size() > hpcc::limits::kArgvCount) std::abort();
  return 0;
}
