#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/fs.h"
#include "client/config.h"
#include "cmd/tool.h"

namespace hpcc {

Result<std::string> state_directory() {
  auto get = [](const char* name) {
    const char* value = getenv(name);
    return std::string(value ? value : "");
  };
  if (std::string dir = get("HPCC_DIR"); !dir.empty()) {
    char here[4096];
    if (dir[0] == '/' || !getcwd(here, sizeof here)) return dir;
    return join_path(here, dir);
  }
  if (std::string cache = get("XDG_CACHE_HOME"); !cache.empty() && cache[0] == '/') return cache + "/hpcc";
  if (std::string home = get("HOME"); !home.empty()) return home + "/.cache/hpcc";
  return Error{Code::kNotFound, "neither HPCC_DIR, XDG_CACHE_HOME nor HOME is set", 0};
}

std::unique_ptr<Store> open_store() {
  Result<std::string> dir = state_directory();
  if (dir.ok()) {
    Config config;
    std::string warning;
    Result<std::unique_ptr<Store>> store = open_configured_store(*dir, &config, &warning);
    if (!warning.empty()) fprintf(stderr, "hpcc: %s\n", warning.c_str());
    if (store.ok()) return std::move(store).value();
    fprintf(stderr, "hpcc: %s\n", store.error().to_string().c_str());
  } else {
    fprintf(stderr, "hpcc: %s\n", dir.error().to_string().c_str());
  }
  return nullptr;
}

}  // namespace hpcc
