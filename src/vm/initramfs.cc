#include "vm/initramfs.h"

#include <cstdint>
#include <cstdio>

namespace hpcc {
namespace {

constexpr uint32_t kDirectory = 0040755, kExecutable = 0100755, kCharDevice = 0020600;

struct Entry {
  std::string_view name;
  uint32_t mode = 0;
  std::string_view content;
  uint32_t major = 0, minor = 0;
};

void pad(std::string& out) { out.resize((out.size() + 3) / 4 * 4); }

void append(std::string& out, uint32_t inode, const Entry& entry) {
  char header[111];
  snprintf(header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode, entry.mode,
           0u, 0u, 1u, 0u, static_cast<unsigned>(entry.content.size()), 0u, 0u, entry.major, entry.minor,
           static_cast<unsigned>(entry.name.size() + 1), 0u);
  out += header;
  out += entry.name;
  out += '\0';
  pad(out);
  out += entry.content;
  pad(out);
}

}  // namespace

std::string make_initramfs(std::string_view agent) {
  // The kernel opens /dev/console for /init's first three descriptors; where there is no console they stay closed.
  const Entry entries[] = {{"dev", kDirectory, {}},  {"dev/console", kCharDevice, {}, 5, 1},
                           {"proc", kDirectory, {}}, {"run", kDirectory, {}},
                           {"sys", kDirectory, {}},  {"image", kDirectory, {}},
                           {"init", kExecutable, agent}, {"TRAILER!!!", 0, {}}};
  std::string out;
  out.reserve(agent.size() + 4096);
  uint32_t inode = 1;
  for (const Entry& entry : entries) append(out, inode++, entry);
  return out;
}

}  // namespace hpcc
