// GuestMemory: the parts of a guest's memory that its VMM has shared, and bounds-checked views of them. The guest
// writes to it at any time: whatever is read to be checked is copied out first.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

struct MemoryRegion {
  uint64_t guest_address = 0, size_bytes = 0;
  uint64_t user_address = 0;  // where the VMM has it: ring addresses are given in these
  uint64_t offset = 0;        // in the file
};

class GuestMemory {
 public:
  GuestMemory() = default;
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  ~GuestMemory() { unmap(); }

  // Replaces what was there. The files must be as large as the regions say.
  Status map(const std::vector<MemoryRegion>& regions, std::vector<Fd> files);
  // For tests: memory of the caller's as the only region, guest address 0, user address 0.
  void use_for_test(char* memory, uint64_t size_bytes);
  void unmap();

  // nullptr unless all of it lies in one region.
  char* at_guest(uint64_t address, uint64_t size_bytes) const;
  char* at_user(uint64_t address, uint64_t size_bytes) const;

 private:
  struct Mapped {
    MemoryRegion region;
    char* bytes = nullptr;
    size_t map_bytes = 0;  // 0: not ours to unmap
    char* map_start = nullptr;
  };
  std::vector<Mapped> regions_;
};

}  // namespace hpcc
