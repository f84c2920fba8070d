#include "store/files.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace hpcc::store {

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) return names;
  while (const struct dirent* item = ::readdir(dir.get())) {
    const std::string name = item->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

void remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  for (const std::string& name : list_directory(path)) remove_tree(path + "/" + name);
  ::rmdir(path.c_str());
}

}  // namespace hpcc::store
