// `hpcc-tool compile --dir D --view V --fd N`: the engine for one command, without a daemon. Started by the launcher.
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "build_id.h"
#include "base/fs.h"
#include "client/config.h"
#include "client/image_mode.h"
#include "client/server.h"
#include "cmd/tool.h"
#include "launcher/view.h"

namespace hpcc {

int tool_compile(const Words& arguments) {
  std::string dir, view_wanted;
  int fd = -1;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--dir") dir = arguments[i + 1];
    if (arguments[i] == "--view") view_wanted = arguments[i + 1];
    if (arguments[i] == "--fd") fd = atoi(arguments[i + 1].c_str());
  }
  char view[128];
  if (dir.empty() || fd < 0 || !describe_view(view, sizeof view) || view_wanted != view) return 2;
  umask(0);
  Result<std::unique_ptr<Store>> store = Store::open(dir);
  if (!store.ok()) return 1;
  if (AppliedConfig config(dir, **store); !config.refresh()) (*store)->count(Counter::kError);
  Engine engine(std::move(store).value(), dir, view, HPCC_BUILD_ID);
  engine.set_image_mode(
      std::make_unique<ImageMode>(engine.store(), engine.files(), dir, program_directory(), Link::kNone));
  serve_connection(engine, Fd(fd));
  return 0;
}

}  // namespace hpcc
