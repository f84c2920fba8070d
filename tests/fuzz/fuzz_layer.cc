// Fuzzes one layer (the first byte says how it is compressed) over a small tree. Nothing outside the tree may change,
// and what is in it must stay within the limits.
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/fs.h"
#include "image/layer.h"

namespace {

hpcc::Fd fresh_tree(const std::string& top) {
  if (!hpcc::remove_tree(top).ok() || mkdir(top.c_str(), 0700) != 0) std::abort();
  if (mkdir((top + "/tree").c_str(), 0700) != 0 || mkdir((top + "/outside").c_str(), 0700) != 0) std::abort();
  return hpcc::Fd(open((top + "/tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string top = "/dev/shm/hpcc-fuzz-layer-" + std::to_string(getpid());
  static const char* const locale = setlocale(LC_CTYPE, "C.UTF-8");
  if (size == 0 || !locale) return 0;
  hpcc::TreeLimits limits;
  limits.entries = 200;
  limits.bytes = 1 << 20;
  auto tree = hpcc::TreeWriter::create(fresh_tree(top), limits);
  if (!tree.ok()) std::abort();
  bool given = false;
  const hpcc::ByteSource source = [&]() -> hpcc::Result<std::string_view> {
    if (std::exchange(given, true)) return std::string_view();
    return std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1);
  };
  const auto done = hpcc::decode_layer(source, static_cast<hpcc::LayerCompression>(data[0] % 3), *tree);
  if (done.ok() && !tree->seal().ok()) std::abort();
  if (tree->entries() > limits.entries + 1 || tree->bytes() > limits.bytes) std::abort();
  const auto around = hpcc::list_directory(top), outside = hpcc::list_directory(top + "/outside");
  if (!around.ok() || around->size() != 2 || !outside.ok() || !outside->empty()) std::abort();
  if (!hpcc::remove_tree(top).ok()) std::abort();
  return 0;
}
