#include "client/config.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/fs.h"
#include "client/files.h"
#include "wire/toml.h"

namespace hpcc {
namespace {

constexpr size_t kConfigBytes = 1u << 20;

std::string environment(const char* name) {
  const char* value = getenv(name);
  return value ? value : "";
}

bool exists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

}  // namespace

std::optional<uint64_t> parse_size(std::string_view given) {
  const std::string text(given);
  if (text.empty() || text.find_first_not_of("0123456789.") == 0) return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const std::string digits = text.substr(0, text.find_first_not_of("0123456789."));
  double value = strtod(digits.c_str(), &end);
  if (errno != 0 || *end != 0) return std::nullopt;
  std::string unit = text.substr(std::min(text.size(), text.find_first_not_of("0123456789.")));
  static constexpr std::string_view kUnits[] = {"B", "K", "M", "G", "T"};
  if (unit.empty()) unit = "G";
  const char letter = static_cast<char>(unit[0] & ~0x20);
  for (size_t power = 0; power < 5; ++power) {
    if (kUnits[power][0] != letter) continue;
    const std::string_view rest = std::string_view(unit).substr(1);
    if (!rest.empty() && (power == 0 || (rest != "i" && rest != "iB" && rest != "B" && rest != "ib")))
      return std::nullopt;
    for (size_t i = 0; i < power; ++i) value *= 1024;
    const bool too_small = value != 0 && value < 1 << 20;
    return value > 1e18 || too_small ? std::nullopt : std::optional<uint64_t>(static_cast<uint64_t>(value));
  }
  return std::nullopt;
}

Result<Config> decode_config(std::string_view text, const std::string& name) {
  TRY_ASSIGN(toml::table table, parse_toml(text, name));
  Config config;
  for (const auto& [key, node] : table) {
    if (key == "max_size") {
      config.max_size_bytes = parse_size(node.value_or(std::string_view()));
      if (!config.max_size_bytes) return toml_error(name, node, "max_size wants a size such as \"5G\"");
    } else if (key == "idle_exit_s") {
      config.idle_exit_s = node.value<int64_t>();
      if (!config.idle_exit_s || *config.idle_exit_s < 1)
        return toml_error(name, node, "idle_exit_s wants a number of seconds");
    } else {
      return toml_error(name, node, "unknown setting " + std::string(key.str()));
    }
  }
  return config;
}

Result<ProjectFile> decode_project_file(std::string_view text, const std::string& name) {
  TRY_ASSIGN(toml::table table, parse_toml(text, name));
  ProjectFile project;
  for (const auto& [key, node] : table) {
    const std::string value = node.value_or(std::string());
    if (key == "image") {
      project.image = value;
      if (!ImageDigest::from_text(value)) return toml_error(name, node, "image wants a digest such as \"sha256:...\"");
    } else if (key == "date_time") {
      if (value != "error" && value != "allow") return toml_error(name, node, "date_time wants \"error\" or \"allow\"");
      if (value == "allow") project.date_time = ProjectFile::DateTime::kAllow;
    } else if (key == "fallback") {
      if (value == "host") {
        project.fallback = ProjectFile::Fallback::kHost;
      } else if (value == "none") {
        project.fallback = ProjectFile::Fallback::kNone;
      } else if (value != "image") {
        return toml_error(name, node, "fallback wants \"image\", \"host\" or \"none\"");
      }
    } else {
      return toml_error(name, node, "unknown setting " + std::string(key.str()));
    }
  }
  return project;
}

std::string config_path(const std::string& dir) {
  if (std::string named = environment("HPCC_CONFIG"); !named.empty()) return named;
  std::string home = environment("XDG_CONFIG_HOME");
  if (home.empty() && !environment("HOME").empty()) home = environment("HOME") + "/.config";
  for (const std::string& path :
       {dir + "/config.toml", home + "/hpcc/config.toml", std::string("/etc/hpcc/config.toml")}) {
    if (exists(path)) return path;
  }
  return "";
}

Result<Config> load_config(const std::string& dir) {
  const std::string path = config_path(dir);
  if (path.empty()) return Config();
  if (path[0] != '/') return Error{Code::kInvalid, "HPCC_CONFIG must be an absolute path, not " + path, 0};
  TRY_ASSIGN(std::string text, read_file(path, kConfigBytes));
  return decode_config(text, path);
}

bool AppliedConfig::refresh() {
  const std::string path = config_path(dir_);
  struct stat info = {};
  const bool there = !path.empty() && stat(path.c_str(), &info) == 0;
  const FileStamp stamp = there ? stamp_of(info) : FileStamp();
  if (path == path_ && stamp == stamp_) return true;
  path_ = path;
  stamp_ = stamp;
  const Result<Config> loaded = load_config(dir_);
  values_ = loaded.ok() ? *loaded : Config();
  mistake_ = loaded.ok() ? "" : loaded.error().to_string();
  store_.override_max_size(values_.max_size_bytes);
  return loaded.ok();
}

}  // namespace hpcc
