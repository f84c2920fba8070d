#include "client/elf.h"

#include <elf.h>
#include <fcntl.h>

#include <cstring>

#include "base/fd.h"
#include "base/limits.h"

namespace hpcc {
namespace {

constexpr size_t kHeadBytes = 16384;  // program headers and PT_INTERP of real programs lie in the first page or two

template <typename Header, typename Program>
Result<std::string> elf_interpreter(std::string_view head) {
  Header header;
  if (head.size() < sizeof header) return Error{Code::kInvalid, "truncated ELF header", 0};
  memcpy(&header, head.data(), sizeof header);
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Program program;
    const uint64_t at = uint64_t{header.e_phoff} + i * sizeof program;
    if (header.e_phentsize != sizeof program || at > head.size() || head.size() - at < sizeof program) {
      return Error{Code::kInvalid, "ELF program headers out of range", 0};
    }
    memcpy(&program, head.data() + at, sizeof program);
    if (program.p_type != PT_INTERP) continue;
    if (program.p_offset > head.size() || program.p_filesz > head.size() - program.p_offset || program.p_filesz < 2) {
      return Error{Code::kInvalid, "ELF interpreter out of range", 0};
    }
    std::string_view name = head.substr(program.p_offset, program.p_filesz);
    return std::string(name.substr(0, name.find('\0')));
  }
  return std::string();
}

Result<std::string> script_interpreter(std::string_view head) {
  std::string_view line = head.substr(2, head.find('\n') - 2);
  size_t start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) return Error{Code::kInvalid, "script without interpreter", 0};
  line.remove_prefix(start);
  return std::string(line.substr(0, line.find_first_of(std::string_view(" \t\0", 3))));  // as the kernel cuts it
}

}  // namespace

bool is_elf(std::string_view head) { return head.starts_with(std::string_view(ELFMAG, SELFMAG)); }

bool is_elf_file(const std::string& path) {
  char head[SELFMAG] = {};
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  return fd && pread(fd.get(), head, sizeof head, 0) == sizeof head && is_elf({head, sizeof head});
}

Result<std::string> decode_interpreter(std::string_view head) {
  if (head.starts_with("#!")) return script_interpreter(head);
  if (is_elf(head) && head.size() > EI_CLASS) {
    if (head[EI_CLASS] == ELFCLASS64) return elf_interpreter<Elf64_Ehdr, Elf64_Phdr>(head);
    if (head[EI_CLASS] == ELFCLASS32) return elf_interpreter<Elf32_Ehdr, Elf32_Phdr>(head);
  }
  return Error{Code::kInvalid, "neither ELF nor script", 0};
}

Result<std::string> find_interpreter(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) return errno_error("open " + path);
  char head[kHeadBytes];
  ssize_t size = pread(fd.get(), head, sizeof head, 0);
  if (size < 0) return errno_error("read " + path);
  Result<std::string> interpreter = decode_interpreter(std::string_view(head, static_cast<size_t>(size)));
  if (!interpreter.ok()) return Error{interpreter.error().code, path + ": " + interpreter.error().message, 0};
  return interpreter;
}

}  // namespace hpcc
