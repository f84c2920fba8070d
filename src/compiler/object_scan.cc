#include "compiler/object_scan.h"

#include <elf.h>

#include <bit>
#include <cstring>
#include <optional>

namespace hpcc {
namespace {

constexpr std::string_view kOpaqueSections[] = {".gnu.lto_", ".gnu.debuglto_", ".gnu.offload_lto_", ".llvmbc",
                                                ".llvmcmd",  ".llvm.lto",      ".zdebug_"};

// Reads the ELF structures of a file of either class in this machine's byte order. Every access is checked.
struct Elf {
  std::string_view bytes;

  template <typename T>
  std::optional<T> read(uint64_t offset) const {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
  }
};

// The NUL-terminated name at `at` of the string table; nullopt when it runs out of the table.
std::optional<std::string_view> name_at(std::string_view table, uint64_t at) {
  if (at >= table.size()) return std::nullopt;
  size_t end = table.find('\0', at);
  if (end == std::string_view::npos) return std::nullopt;
  return table.substr(at, end - at);
}

template <typename Ehdr, typename Shdr>
bool sections_are_searchable(const Elf& elf) {
  auto header = elf.read<Ehdr>(0);
  if (!header || header->e_type != ET_REL || header->e_shentsize != sizeof(Shdr)) return false;
  // Counts that do not fit the header stand in section 0.
  auto first = elf.read<Shdr>(header->e_shoff);
  if (!first || header->e_shoff == 0) return false;
  uint64_t count = header->e_shnum ? header->e_shnum : first->sh_size;
  uint64_t names_index = header->e_shstrndx == SHN_XINDEX ? first->sh_link : header->e_shstrndx;
  uint64_t room = (elf.bytes.size() - header->e_shoff) / sizeof(Shdr);
  if (count > room || names_index >= count) return false;

  auto names_header = elf.read<Shdr>(header->e_shoff + names_index * sizeof(Shdr));
  if (!names_header || names_header->sh_offset > elf.bytes.size()) return false;
  std::string_view names = elf.bytes.substr(names_header->sh_offset, names_header->sh_size);
  for (uint64_t i = 1; i < count; ++i) {
    auto section = elf.read<Shdr>(header->e_shoff + i * sizeof(Shdr));
    if (!section || (section->sh_flags & SHF_COMPRESSED)) return false;
    auto name = name_at(names, section->sh_name);
    if (!name) return false;
    for (std::string_view opaque : kOpaqueSections) {
      if (name->starts_with(opaque)) return false;
    }
  }
  return true;
}

bool is_text(std::string_view bytes) {
  for (unsigned char c : bytes) {
    if (c < ' ' && !(c >= '\t' && c <= '\r')) return false;
    if (c == 0x7f) return false;
  }
  return true;
}

}  // namespace

bool outputs_are_searchable(std::string_view object) {
  if (!object.starts_with(std::string_view(ELFMAG, SELFMAG))) return is_text(object);
  if (object.size() < EI_NIDENT) return false;
  constexpr unsigned char kOwnOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (static_cast<unsigned char>(object[EI_DATA]) != kOwnOrder) return false;
  Elf elf{object};
  if (object[EI_CLASS] == ELFCLASS64) return sections_are_searchable<Elf64_Ehdr, Elf64_Shdr>(elf);
  if (object[EI_CLASS] == ELFCLASS32) return sections_are_searchable<Elf32_Ehdr, Elf32_Shdr>(elf);
  return false;
}

}  // namespace hpcc
