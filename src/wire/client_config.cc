#include "wire/client_config.h"

#define TOML_EXCEPTIONS 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

#include <algorithm>

#include "base/fs.h"

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
  if (text.size() > kConfigBytes) return Error{Code::kLimit, path + ": larger than 64 KiB", 0};
  // toml++ 3 has undefined behaviour on some letters beyond ASCII outside of strings; no value of ours has any.
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    return Error{Code::kInvalid, path + ": a character beyond ASCII", 0};
  }
  toml::parse_result parsed = toml::parse(text);
  if (parsed.failed()) return Error{Code::kInvalid, path + ": " + std::string(parsed.error().description()), 0};
  const toml::table table = std::move(parsed).table();
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
