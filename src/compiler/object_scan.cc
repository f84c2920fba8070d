#include "compiler/object_scan.h"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
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

struct Section {
  std::string_view name;
  uint64_t flags;
  std::string_view content;  // empty where the file holds none
};

// All sections but the first, unnamed one; nullopt when the file is no sound relocatable object.
template <typename Ehdr, typename Shdr>
std::optional<std::vector<Section>> sections_of_class(const Elf& elf) {
  auto header = elf.read<Ehdr>(0);
  if (!header || header->e_type != ET_REL || header->e_shentsize != sizeof(Shdr)) return std::nullopt;
  // Counts that do not fit the header stand in section 0.
  auto first = elf.read<Shdr>(header->e_shoff);
  if (!first || header->e_shoff == 0) return std::nullopt;
  uint64_t count = header->e_shnum ? header->e_shnum : first->sh_size;
  uint64_t names_index = header->e_shstrndx == SHN_XINDEX ? first->sh_link : header->e_shstrndx;
  uint64_t room = (elf.bytes.size() - header->e_shoff) / sizeof(Shdr);
  if (count > room || names_index >= count) return std::nullopt;

  auto names_header = elf.read<Shdr>(header->e_shoff + names_index * sizeof(Shdr));
  if (!names_header || names_header->sh_offset > elf.bytes.size()) return std::nullopt;
  std::string_view names = elf.bytes.substr(names_header->sh_offset, names_header->sh_size);
  std::vector<Section> sections;
  for (uint64_t i = 1; i < count; ++i) {
    auto section = elf.read<Shdr>(header->e_shoff + i * sizeof(Shdr));
    if (!section) return std::nullopt;
    auto name = name_at(names, section->sh_name);
    const bool in_file = section->sh_type != SHT_NOBITS;
    if (!name || (in_file && section->sh_offset > elf.bytes.size())) return std::nullopt;
    if (in_file && section->sh_size > elf.bytes.size() - section->sh_offset) return std::nullopt;
    sections.push_back({*name, section->sh_flags,
                        in_file ? elf.bytes.substr(section->sh_offset, section->sh_size) : std::string_view()});
  }
  return sections;
}

std::optional<std::vector<Section>> decode_sections(std::string_view object) {
  if (!object.starts_with(std::string_view(ELFMAG, SELFMAG)) || object.size() < EI_NIDENT) return std::nullopt;
  constexpr unsigned char kOwnOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (static_cast<unsigned char>(object[EI_DATA]) != kOwnOrder) return std::nullopt;
  Elf elf{object};
  if (object[EI_CLASS] == ELFCLASS64) return sections_of_class<Elf64_Ehdr, Elf64_Shdr>(elf);
  if (object[EI_CLASS] == ELFCLASS32) return sections_of_class<Elf32_Ehdr, Elf32_Shdr>(elf);
  return std::nullopt;
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
  const auto sections = decode_sections(object);
  return sections && std::all_of(sections->begin(), sections->end(), [](const Section& section) {
           return !(section.flags & SHF_COMPRESSED) &&
                  std::none_of(std::begin(kOpaqueSections), std::end(kOpaqueSections),
                               [&](std::string_view opaque) { return section.name.starts_with(opaque); });
         });
}

std::vector<std::string> differing_sections(std::string_view stored, std::string_view compiled, size_t limit) {
  const auto a = decode_sections(stored), b = decode_sections(compiled);
  std::vector<std::string> out;
  if (!a || !b) return out;
  // A name may stand for many sections (groups).
  std::map<std::string_view, std::pair<std::vector<std::string_view>, std::vector<std::string_view>>> by_name;
  for (const Section& section : *a) by_name[section.name].first.push_back(section.content);
  for (const Section& section : *b) by_name[section.name].second.push_back(section.content);
  for (const auto& [name, contents] : by_name) {
    if (contents.first == contents.second) continue;
    if (out.size() == limit) break;
    const char* how = contents.first.empty() ? " (compiled only)" : contents.second.empty() ? " (stored only)" : "";
    out.push_back(std::string(name) + how);
  }
  return out;
}

}  // namespace hpcc
