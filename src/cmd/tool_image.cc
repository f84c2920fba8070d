// `hpcc image …`: hands over to hpcc-image beside this binary.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/fs.h"
#include "cmd/tool.h"

namespace hpcc {

int tool_image(const Words& arguments) {
  Result<std::string> dir = state_directory();
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self);
  if (!dir.ok() || length <= 0 || static_cast<size_t>(length) == sizeof self) {
    fprintf(stderr, "hpcc: cannot tell where hpcc or its state is\n");
    return 1;
  }
  const std::string_view here = directory_of({self, static_cast<size_t>(length)});
  const std::string program = join_path(here, "hpcc-image"), images = join_path(*dir, "up/images");
  std::vector<char*> argv = {const_cast<char*>("hpcc-image"), const_cast<char*>(images.c_str())};
  for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  fprintf(stderr, "hpcc: cannot run %s: %s\n", program.c_str(), strerror(errno));
  return 1;
}

}  // namespace hpcc
