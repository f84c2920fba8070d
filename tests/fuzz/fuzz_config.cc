// Fuzzes decode_config and decode_project_file: any bytes are a configuration or an Error that names the file; limits
// that come out are ones that hpcc can keep.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = hpcc::decode_config(text, "config");
  if (config.ok() && config->idle_exit_s && *config->idle_exit_s < 1) std::abort();
  if (!config.ok() && !config.error().message.starts_with("config:")) std::abort();
  const auto project = hpcc::decode_project_file(text, "project");
  if (project.ok() && !project->image.empty() && !project->image.starts_with("sha256:")) std::abort();
  if (!project.ok() && !project.error().message.starts_with("project:")) std::abort();
  hpcc::parse_size(text.substr(0, 64));
  return 0;
}
