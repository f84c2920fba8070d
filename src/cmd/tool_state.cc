#include <cstdio>

#include "client/config.h"
#include "cmd/tool.h"
#include "launcher/engine_link.h"

namespace hpcc {

Result<std::string> state_directory() {
  launcher::Places places;
  if (launcher::find_places(&places)) return std::string(places.dir.text, places.dir.size);
  return Error{Code::kNotFound, "neither HPCC_DIR, XDG_CACHE_HOME nor HOME names a usable directory", 0};
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
