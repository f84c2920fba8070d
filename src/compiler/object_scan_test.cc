#include "compiler/object_scan.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace hpcc {
namespace {

struct Section {
  std::string name;
  uint64_t flags = 0;
};

// A relocatable object with these sections and no content.
template <typename Ehdr, typename Shdr>
std::string object(const std::vector<Section>& sections, unsigned char elf_class) {
  std::string names(1, '\0');
  std::vector<Shdr> headers(1);
  for (const Section& section : sections) {
    Shdr header{};
    header.sh_name = static_cast<uint32_t>(names.size());
    header.sh_type = SHT_PROGBITS;
    header.sh_flags = static_cast<decltype(header.sh_flags)>(section.flags);
    headers.push_back(header);
    names += section.name + '\0';
  }
  Shdr table{};
  table.sh_name = static_cast<uint32_t>(names.size());
  names += std::string(".shstrtab") + '\0';
  table.sh_type = SHT_STRTAB;
  table.sh_offset = sizeof(Ehdr);
  table.sh_size = static_cast<decltype(table.sh_size)>(names.size());
  headers.push_back(table);

  Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = elf_class;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_REL;
  header.e_shoff = static_cast<decltype(header.e_shoff)>(sizeof(Ehdr) + names.size());
  header.e_shentsize = sizeof(Shdr);
  header.e_shnum = static_cast<uint16_t>(headers.size());
  header.e_shstrndx = static_cast<uint16_t>(headers.size() - 1);
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes += names;
  bytes.append(reinterpret_cast<const char*>(headers.data()), headers.size() * sizeof(Shdr));
  return bytes;
}

std::string object64(const std::vector<Section>& sections) {
  return object<Elf64_Ehdr, Elf64_Shdr>(sections, ELFCLASS64);
}
std::string object32(const std::vector<Section>& sections) {
  return object<Elf32_Ehdr, Elf32_Shdr>(sections, ELFCLASS32);
}

TEST(ObjectScan, PlainObjectsAndTextAreSearchable) {
  EXPECT_TRUE(outputs_are_searchable(object64({{".text"}, {".debug_str"}})));
  EXPECT_TRUE(outputs_are_searchable(object32({{".text"}, {".debug_str"}})));
  EXPECT_TRUE(outputs_are_searchable("\t.file\t\"a.c\"\n\t.text\n"));
  EXPECT_TRUE(outputs_are_searchable(""));
}

TEST(ObjectScan, CompressedSectionsAreNot) {
  EXPECT_FALSE(outputs_are_searchable(object64({{".text"}, {".debug_str", SHF_COMPRESSED}})));
  EXPECT_FALSE(outputs_are_searchable(object32({{".debug_str", SHF_COMPRESSED}})));
  EXPECT_FALSE(outputs_are_searchable(object64({{".zdebug_info"}})));
}

TEST(ObjectScan, LtoAndBitcodeAreNot) {
  EXPECT_FALSE(outputs_are_searchable(object64({{".gnu.lto_.decls.123"}})));
  EXPECT_FALSE(outputs_are_searchable(object64({{".gnu.debuglto_.debug_info"}})));
  EXPECT_FALSE(outputs_are_searchable(object64({{".llvmbc"}})));
  EXPECT_FALSE(outputs_are_searchable("BC\xc0\xde" + std::string(16, '\1')));
}

TEST(ObjectScan, DifferingSectionsAreNamed) {
  std::string one = object64({{".text"}, {".gone"}}), two = object64({{".text"}, {".new"}});
  EXPECT_TRUE(differing_sections(one, one, 9).empty());
  EXPECT_EQ(differing_sections(one, two, 9),
            (std::vector<std::string>{".gone (stored only)", ".new (compiled only)", ".shstrtab"}));
  EXPECT_EQ(differing_sections(one, two, 1).size(), 1u);
  EXPECT_TRUE(differing_sections(one, "text", 9).empty());
}

TEST(ObjectScan, EveryTruncationIsRefused) {
  const std::string whole = object64({{".text"}, {".data"}});
  for (size_t size = 1; size < whole.size(); ++size)
    EXPECT_FALSE(outputs_are_searchable(whole.substr(0, size))) << size;
}

TEST(ObjectScan, EveryBrokenHeaderByteIsSurvived) {
  const std::string whole = object64({{".text"}});
  for (size_t at = 0; at < whole.size(); ++at) {
    for (char value : {'\0', '\x7f', '\xff'}) {
      std::string broken = whole;
      broken[at] = value;
      outputs_are_searchable(broken);
    }
  }
}

}  // namespace
}  // namespace hpcc
