#include "wire/client_config.h"

#include <algorithm>

#include "base/fs.h"
#include "wire/toml.h"

namespace hpcc {
namespace {

constexpr size_t kConfigBytes = 64u << 10;

struct Field {
  std::string_view name;
  std::string ClientConfig::*value;
};
constexpr Field kFields[] = {{"scheduler", &ClientConfig::scheduler},
                             {"tenant", &ClientConfig::tenant},
                             {"scheduler_key", &ClientConfig::scheduler_key}};

}  // namespace

Result<ClientConfig> decode_client_config(std::string_view text, const std::string& name) {
  TRY_ASSIGN(const toml::table table, parse_toml(text, name));
  ClientConfig config;
  for (const auto& [key, node] : table) {
    const std::string_view setting = key.str();
    const auto field = std::find_if(std::begin(kFields), std::end(kFields),
                                    [&](const Field& known) { return known.name == setting; });
    if (field == std::end(kFields)) return toml_error(name, node, "unknown setting " + std::string(setting));
    if (!node.is_string()) return toml_error(name, node, std::string(field->name) + " wants a text");
    config.*field->value = node.value_or(std::string());
  }
  for (const Field& field : kFields) {
    if ((config.*field.value).empty()) return Error{Code::kInvalid, name + ": no " + std::string(field.name), 0};
  }
  return config;
}

std::string encode_client_config(const ClientConfig& config) {
  std::string text = "# Written by hpcc-scheduler.\n";
  for (const Field& field : kFields) text += std::string(field.name) + " = \"" + config.*field.value + "\"\n";
  return text;
}

Result<ClientConfig> load_client_config(const std::string& path) {
  TRY_ASSIGN(std::string text, read_file(path, kConfigBytes));
  return decode_client_config(text, path);
}

}  // namespace hpcc
