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
  const std::string here = program_directory();
  if (!dir.ok() || here.empty()) {
    fprintf(stderr, "hpcc: cannot tell where hpcc or its state is\n");
    return 1;
  }
  const std::string program = join_path(here, "hpcc-image"), images = join_path(*dir, "up/images");
  std::vector<char*> argv = {const_cast<char*>("hpcc-image"), const_cast<char*>(images.c_str())};
  for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  fprintf(stderr, "hpcc: cannot run %s: %s\n", program.c_str(), strerror(errno));
  return 1;
}

}  // namespace hpcc
