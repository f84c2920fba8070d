// Fuzzes worker/action.h: an action, a command and a directory of a client. Whatever is taken has only names and paths
// that stay inside the root. The first byte says which of the three the rest is.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "worker/action.h"

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) {
    const auto action = hpcc::decode_action(bytes);
    if (action.ok()) expect(action->timeout_ms <= 600'000);
  } else if (data[0] % 3 == 1) {
    const auto command = hpcc::decode_command(bytes);
    if (!command.ok()) return 0;
    expect(!command->arguments.empty());
    expect(command->working_directory.empty() || hpcc::is_inner_path(command->working_directory));
    for (const std::string& output : command->outputs) {
      expect(hpcc::is_inner_path(hpcc::from_root(command->working_directory, output)));
    }
    for (const std::string& variable : command->environment) expect(variable.find('=') + 1 > 1);
  } else {
    const auto directory = hpcc::decode_directory(bytes);
    if (!directory.ok()) return 0;
    for (const auto& file : directory->files)
      expect(hpcc::is_inner_path(file.name) && file.name.find('/') == std::string::npos);
    for (const auto& child : directory->directories) {
      expect(hpcc::is_inner_path(child.name) && child.name.find('/') == std::string::npos);
    }
  }
  return 0;
}
