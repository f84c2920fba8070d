#include "vm/guest_memory.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/limits.h"

namespace hpcc {

Status GuestMemory::map(const std::vector<MemoryRegion>& regions, std::vector<Fd> files) {
  unmap();
  if (regions.size() != files.size()) return Error{Code::kInvalid, "memory table: regions and files differ", 0};
  for (size_t i = 0; i < regions.size(); ++i) {
    const MemoryRegion& region = regions[i];
    if (region.size_bytes == 0 || region.size_bytes > limits::kGuestMemoryBytes ||
        region.offset > limits::kGuestMemoryBytes || region.guest_address > UINT64_MAX - region.size_bytes ||
        region.user_address > UINT64_MAX - region.size_bytes) {
      return Error{Code::kInvalid, "memory table: bad region", 0};
    }
    struct stat info;
    const uint64_t end = region.offset + region.size_bytes;
    // A file that is too short would be SIGBUS at the first access behind its end.
    if (fstat(files[i].get(), &info) != 0 || info.st_size < 0 || static_cast<uint64_t>(info.st_size) < end) {
      return Error{Code::kInvalid, "memory table: file too short", 0};
    }
    void* start = mmap(nullptr, end, PROT_READ | PROT_WRITE, MAP_SHARED, files[i].get(), 0);
    if (start == MAP_FAILED) return errno_error("map guest memory");
    char* bytes = static_cast<char*>(start);
    regions_.push_back({region, bytes + region.offset, end, bytes});
  }
  return {};
}

void GuestMemory::use_for_test(char* memory, uint64_t size_bytes) {
  unmap();
  MemoryRegion region;
  region.size_bytes = size_bytes;
  regions_.push_back({region, memory, 0, nullptr});
}

void GuestMemory::unmap() {
  for (const Mapped& mapped : regions_) {
    if (mapped.map_bytes) munmap(mapped.map_start, mapped.map_bytes);
  }
  regions_.clear();
}

char* GuestMemory::at_guest(uint64_t address, uint64_t size_bytes) const {
  for (const Mapped& mapped : regions_) {
    const uint64_t start = mapped.region.guest_address;
    if (address < start || address - start > mapped.region.size_bytes) continue;
    if (size_bytes <= mapped.region.size_bytes - (address - start)) return mapped.bytes + (address - start);
  }
  return nullptr;
}

char* GuestMemory::at_user(uint64_t address, uint64_t size_bytes) const {
  for (const Mapped& mapped : regions_) {
    const uint64_t start = mapped.region.user_address;
    if (address < start || address - start > mapped.region.size_bytes) continue;
    if (size_bytes <= mapped.region.size_bytes - (address - start)) return mapped.bytes + (address - start);
  }
  return nullptr;
}

}  // namespace hpcc
