// Configuration: the user's TOML file, and the project's .hpcc. Both are bytes of somebody else's: limited, and a
// mistake is an Error that names the file and the line; the compile then goes on with the defaults.
#pragma once

#include <cstdint>
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

// The one file that counts: $HPCC_CONFIG (absolute), else <dir>/config.toml, else $XDG_CONFIG_HOME/hpcc/config.toml
// (~/.config), else /etc/hpcc/config.toml; "" when there is none.
std::string config_path(const std::string& dir);
Result<Config> load_config(const std::string& dir);

// The configuration of a process that keeps a store open: applied to the store, and again when the file has changed.
// A mistake leaves the defaults in force. One thread at a time.
class AppliedConfig {
 public:
  AppliedConfig(std::string dir, Store& store) : dir_(std::move(dir)), store_(store) {}
  // Looks at the file; reads it if it is another than last time. False when it was read and is mistaken.
  bool refresh();
  const Config& values() const { return values_; }
  const std::string& mistake() const { return mistake_; }  // "" when there is none

 private:
  const std::string dir_;
  Store& store_;
  Config values_;
  std::string mistake_, path_ = "\n";  // no path: the first look always reads
  FileStamp stamp_;
};

struct ProjectFile {
  std::string image;  // "sha256:..." : image mode; "" : plain, with logical paths
  // What names the time in image mode: an error, or compiled each time anew.
  enum class DateTime : uint8_t { kError, kAllow } date_time = DateTime::kError;
  // What compiles when neither a worker nor the image can be had: nothing, or this machine's own compiler.
  // What compiles when no worker does: the image here, after it this machine's compiler, or nothing.
  enum class Fallback : uint8_t { kImage, kHost, kNone } fallback = Fallback::kImage;
};
Result<ProjectFile> decode_project_file(std::string_view text, const std::string& name);

// "10G", "500M", "1.5GiB", "5" (GiB, as for ccache), "0" (no limit), "2000000B": powers of 1024. Nothing below 1 MiB.
std::optional<uint64_t> parse_size(std::string_view text);

}  // namespace hpcc
