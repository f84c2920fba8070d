// Virtqueue: the device's end of one split ring (virtio 1.1, no indirect descriptors, no event index) in a guest's
// memory. Every index, address and length in it is the guest's and may change while we look.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "vm/guest_memory.h"

namespace hpcc {

class Virtqueue {
 public:
  struct Chain {
    uint16_t head = 0;
    std::vector<std::span<char>> readable, writable;  // by the device
  };

  Status set_size(uint32_t size);
  void set_next(uint32_t index) { next_ = static_cast<uint16_t>(index); }
  uint16_t next() const { return next_; }
  // User addresses (GuestMemory::at_user).
  void set_addresses(uint64_t descriptors, uint64_t used, uint64_t available);
  void set_call(Fd call) { call_ = std::move(call); }
  void set_kick(Fd kick) { kick_ = std::move(kick); }
  int kick_fd() const { return kick_.get(); }
  void take_kick();
  void enable() { enabled_ = true; }
  void disable() { enabled_ = false; }
  bool usable() const { return enabled_ && size_ != 0; }

  // The next chain the guest has made available, still on the ring; nothing when there is none. An Error: the ring is
  // not one.
  Result<std::optional<Chain>> peek(const GuestMemory& memory);
  // Takes the chain peek() gave off the ring, with `written` bytes in its writable parts.
  Status finish(const GuestMemory& memory, const Chain& chain, uint32_t written);
  // Interrupts the guest if something was finished since the last time and it wants to know.
  Status notify(const GuestMemory& memory);

 private:
  struct Rings;
  Result<Rings> rings(const GuestMemory& memory) const;

  uint32_t size_ = 0;
  uint16_t next_ = 0;
  uint64_t descriptors_ = 0, used_ = 0, available_ = 0;
  Fd kick_, call_;
  bool enabled_ = false, finished_some_ = false;
};

}  // namespace hpcc
