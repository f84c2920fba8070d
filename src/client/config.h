// Configuration: the user's TOML file, and the project's .hpcc. Both are bytes of somebody else's: limited, and a
// mistake is an Error that names the file and the line; the compile then goes on with the defaults.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/store.h"

namespace hpcc {

struct Config {
  std::optional<uint64_t> max_size_bytes;  // max_size = "5G"
  std::optional<int64_t> idle_exit_s;      // idle_exit_s = 600
};
Result<Config> decode_config(std::string_view text, const std::string& name);

// The one file that counts: $HPCC_CONFIG, else <dir>/config.toml, else $XDG_CONFIG_HOME/hpcc/config.toml (~/.config),
// else /etc/hpcc/config.toml; "" when there is none.
std::string config_path(const std::string& dir);
Result<Config> load_config(const std::string& dir);

// Opens the store under `dir` and applies the configuration; a mistake in the file is told through `warning`.
Result<std::unique_ptr<Store>> open_configured_store(const std::string& dir, Config* config, std::string* warning);

struct ProjectFile {
  std::string image;  // "sha256:..." : image mode; "" : plain, with logical paths
};
Result<ProjectFile> decode_project_file(std::string_view text, const std::string& name);

// "10G", "500M", "1.5GiB", "5" (GiB, as for ccache), "0" (no limit), "2000000B": powers of 1024. Nothing below 1 MiB.
std::optional<uint64_t> parse_size(std::string_view text);

}  // namespace hpcc
