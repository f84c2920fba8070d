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
    Result<std::unique_ptr<Store>> store = Store::open(*dir);
    if (store.ok()) {
      AppliedConfig config(*dir, **store);
      if (!config.refresh()) fprintf(stderr, "hpcc: %s\n", config.mistake().c_str());
      return std::move(store).value();
    }
    fprintf(stderr, "hpcc: %s\n", store.error().to_string().c_str());
  } else {
    fprintf(stderr, "hpcc: %s\n", dir.error().to_string().c_str());
  }
  return nullptr;
}

}  // namespace hpcc
