#include "vm/virtqueue.h"

#include <unistd.h>

#include <cstring>

#include "base/limits.h"

namespace hpcc {
namespace {

constexpr uint16_t kNext = 1, kWrite = 2, kIndirect = 4, kNoInterrupt = 1;

struct Descriptor {
  uint64_t address;
  uint32_t size_bytes;
  uint16_t flags, next;
};
static_assert(sizeof(Descriptor) == 16);

struct UsedElement {
  uint32_t head, written;
};

Error bad_ring(const char* what) { return {Code::kInvalid, std::string("virtqueue: ") + what, 0}; }

uint16_t load(const uint16_t* from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }

}  // namespace

struct Virtqueue::Rings {
  char* descriptors;
  uint16_t *available_flags, *available_index, *available;
  uint16_t *used_flags, *used_index;
  char* used;
};

Status Virtqueue::set_size(uint32_t size) {
  if (size == 0 || size > limits::kVirtqueueSize || (size & (size - 1)) != 0) return bad_ring("bad size");
  size_ = size;
  return {};
}

void Virtqueue::set_addresses(uint64_t descriptors, uint64_t used, uint64_t available) {
  descriptors_ = descriptors;
  used_ = used;
  available_ = available;
}

void Virtqueue::take_kick() {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = read(kick_.get(), &count, sizeof count);
}

// Found anew each time: the memory table may have changed.
Result<Virtqueue::Rings> Virtqueue::rings(const GuestMemory& memory) const {
  Rings out;
  out.descriptors = memory.at_user(descriptors_, uint64_t{size_} * sizeof(Descriptor));
  char* available = memory.at_user(available_, 6 + uint64_t{size_} * 2);
  char* used = memory.at_user(used_, 6 + uint64_t{size_} * sizeof(UsedElement));
  if (!out.descriptors || !available || !used) return bad_ring("a ring outside the memory");
  if (reinterpret_cast<uintptr_t>(available) % 2 || reinterpret_cast<uintptr_t>(used) % 4) {
    return bad_ring("a ring that is not aligned");
  }
  out.available_flags = reinterpret_cast<uint16_t*>(available);
  out.available_index = out.available_flags + 1;
  out.available = out.available_flags + 2;
  out.used_flags = reinterpret_cast<uint16_t*>(used);
  out.used_index = out.used_flags + 1;
  out.used = used + 4;
  return out;
}

Result<std::optional<Virtqueue::Chain>> Virtqueue::peek(const GuestMemory& memory) {
  if (!usable()) return std::optional<Chain>();
  TRY_ASSIGN(const Rings ring, rings(memory));
  const uint16_t waiting = static_cast<uint16_t>(load(ring.available_index) - next_);
  if (waiting == 0) return std::optional<Chain>();
  if (waiting > size_) return bad_ring("more available than its size");
  Chain chain;
  chain.head = load(ring.available + next_ % size_);
  uint16_t index = chain.head;
  for (uint32_t count = 0;; ++count) {
    if (count == limits::kVirtqueueChain) return bad_ring("a chain without end");
    if (index >= size_) return bad_ring("a descriptor outside the table");
    Descriptor descriptor;
    memcpy(&descriptor, ring.descriptors + size_t{index} * sizeof descriptor, sizeof descriptor);
    if (descriptor.flags & kIndirect) return bad_ring("an indirect descriptor, which was not offered");
    char* bytes = memory.at_guest(descriptor.address, descriptor.size_bytes);
    if (!bytes) return bad_ring("a buffer outside the memory");
    auto& part = descriptor.flags & kWrite ? chain.writable : chain.readable;
    part.emplace_back(bytes, descriptor.size_bytes);
    if (!(descriptor.flags & kNext)) break;
    index = descriptor.next;
  }
  return std::optional<Chain>(std::move(chain));
}

Status Virtqueue::finish(const GuestMemory& memory, const Chain& chain, uint32_t written) {
  TRY_ASSIGN(const Rings ring, rings(memory));
  const uint16_t at = load(ring.used_index);
  const UsedElement element = {chain.head, written};
  memcpy(ring.used + size_t{at % size_} * sizeof element, &element, sizeof element);
  __atomic_store_n(ring.used_index, static_cast<uint16_t>(at + 1), __ATOMIC_RELEASE);
  ++next_;
  finished_some_ = true;
  return {};
}

Status Virtqueue::notify(const GuestMemory& memory) {
  if (!finished_some_ || !usable()) return {};
  finished_some_ = false;
  TRY_ASSIGN(const Rings ring, rings(memory));
  // The guest turns interrupts on and then looks at the index once more: our store must be visible before this load.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (!call_ || (load(ring.available_flags) & kNoInterrupt)) return {};
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = write(call_.get(), &one, sizeof one);
  return {};
}

}  // namespace hpcc
