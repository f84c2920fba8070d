#include "launcher/project.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hpcc::launcher {
namespace {

constexpr size_t kProjectFileBytes = 65536;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// The value's text when the line sets `name`.
bool sets(Text line, Text name, Text* value) {
  while (line.size != 0 && is_blank(line.data[0])) line = Text(line.data + 1, line.size - 1);
  if (!line.starts_with(name)) return false;
  line = Text(line.data + name.size, line.size - name.size);
  while (line.size != 0 && is_blank(line.data[0])) line = Text(line.data + 1, line.size - 1);
  if (line.size == 0 || line.data[0] != '=') return false;
  line = Text(line.data + 1, line.size - 1);
  while (line.size != 0 && is_blank(line.data[0])) line = Text(line.data + 1, line.size - 1);
  *value = line;
  return true;
}

bool names_image(Text text) {
  bool image = false, host = false;
  while (text.size != 0) {
    size_t end = 0;
    while (end < text.size && text.data[end] != '\n') ++end;
    Text value;
    if (sets(Text(text.data, end), "image", &value)) image = true;
    if (sets(Text(text.data, end), "fallback", &value)) host = value.starts_with("\"host\"");
    const size_t next = end < text.size ? end + 1 : end;
    text = Text(text.data + next, text.size - next);
  }
  return image && !host;
}

// As the engine has it: a file of this user, of root, or of the working directory's owner.
bool is_trusted(const struct stat& file, const struct stat& cwd) {
  return S_ISREG(file.st_mode) && !(file.st_mode & S_IWOTH) &&
         (file.st_uid == geteuid() || file.st_uid == 0 || file.st_uid == cwd.st_uid);
}

}  // namespace

bool find_image_project(Path* file) {
  static char text[kProjectFileBytes];
  char at[4096];
  struct stat cwd, info;
  if (!getcwd(at, sizeof at) || stat(".", &cwd) != 0) return false;
  while (at[0] == '/' && at[1] != 0) {
    *file = Path();
    *file += at;
    *file += "/.hpcc";
    const int fd = file->bad ? -1 : open(file->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &info) == 0 && is_trusted(info, cwd)) {
      const ssize_t size = read(fd, text, sizeof text);
      close(fd);
      return size > 0 && names_image(Text(text, static_cast<size_t>(size)));
    }
    if (fd >= 0) close(fd);
    char* slash = strrchr(at, '/');
    if (!slash) return false;
    *slash = 0;
  }
  return false;
}

}  // namespace hpcc::launcher
