#include "wire/client_config.h"

#include "base/fs.h"
#include "wire/toml.h"

namespace hpcc {
namespace {

constexpr size_t kConfigBytes = 64u << 10;

struct Field {
  std::string_view name;
  std::string ClientConfig::*value;
  bool file;
};
constexpr Field kFields[] = {
    {"scheduler", &ClientConfig::scheduler, false},    {"ca", &ClientConfig::ca, true},
    {"certificate", &ClientConfig::certificate, true}, {"key", &ClientConfig::key, true},
    {"tenant", &ClientConfig::tenant, false},          {"scheduler_key", &ClientConfig::scheduler_key, false},
};

}  // namespace

Result<ClientConfig> decode_client_config(std::string_view text, const std::string& path) {
  TRY_ASSIGN(const toml::table table, parse_toml(text, path));
  ClientConfig config;
  config.ca = "ca.pem";
  config.certificate = "cert.pem";
  config.key = "key.pem";
  for (const Field& field : kFields) {
    config.*field.value = table[field.name].value_or(config.*field.value);
    if ((config.*field.value).empty()) return Error{Code::kInvalid, path + ": no " + std::string(field.name), 0};
    if (field.file) config.*field.value = join_path(directory_of(path), config.*field.value);
  }
  return config;
}

Result<ClientConfig> load_client_config(const std::string& path) {
  TRY_ASSIGN(std::string text, read_file(path, kConfigBytes));
  return decode_client_config(text, path);
}

}  // namespace hpcc
