// Rings and vhost-user messages of a guest or VMM that means harm.
#include <gtest/gtest.h>

#include <cstring>

#include "base/limits.h"
#include "vm/vhost_user.h"
#include "vm/virtqueue.h"

namespace hpcc {
namespace {

struct Descriptor {
  uint64_t address = 0;
  uint32_t size_bytes = 0;
  uint16_t flags = 0, next = 0;
};

// 16 descriptors at 0, available at 0x400, used at 0x800, buffers from 0x1000.
struct Ring {
  static constexpr uint32_t kSize = 16;
  alignas(4096) char memory[0x4000] = {};
  GuestMemory guest;
  Virtqueue queue;

  Ring() {
    guest.use_for_test(memory, sizeof memory);
    EXPECT_TRUE(queue.set_size(kSize).ok());
    queue.set_addresses(0, 0x800, 0x400);
    queue.enable();
  }
  void put(uint16_t index, const Descriptor& descriptor) {
    memcpy(memory + index * sizeof descriptor, &descriptor, sizeof descriptor);
  }
  void offer(uint16_t head) {
    uint16_t at;
    memcpy(&at, memory + 0x402, 2);
    memcpy(memory + 0x404 + (at % kSize) * 2, &head, 2);
    ++at;
    memcpy(memory + 0x402, &at, 2);
  }
  bool refused() { return !queue.peek(guest).ok(); }
};

TEST(Virtqueue, AChainIsGivenOnceFinishedAndReported) {
  Ring ring;
  EXPECT_FALSE(ring.queue.peek(ring.guest)->has_value());
  ring.put(3, {0x1000, 16, 1, 4});
  ring.put(4, {0x2000, 64, 2, 0});
  ring.offer(3);
  auto chain = ring.queue.peek(ring.guest);
  ASSERT_TRUE(chain.ok() && chain->has_value());
  ASSERT_EQ((*chain)->readable.size(), 1u);
  ASSERT_EQ((*chain)->writable.size(), 1u);
  EXPECT_EQ((*chain)->writable[0].size(), 64u);
  EXPECT_EQ((*chain)->readable[0].data(), ring.memory + 0x1000);
  ASSERT_TRUE(ring.queue.finish(ring.guest, **chain, 7).ok());
  uint16_t used;
  memcpy(&used, ring.memory + 0x802, 2);
  EXPECT_EQ(used, 1);
  EXPECT_FALSE(ring.queue.peek(ring.guest)->has_value());
}

TEST(Virtqueue, LoopsAndIndexesAndAddressesOutsideAreRefused) {
  const Descriptor bad[] = {{0x1000, 16, 1, 3},          // a loop
                            {0x1000, 16, 1, 16},         // outside the table
                            {0x3fff, 2, 0, 0},           // over the memory's end
                            {~uint64_t{0}, 2, 0, 0},     // wraps
                            {0x1000, ~0u, 0, 0},         // too long
                            {0x1000, 16, 4, 0}};         // indirect
  for (const Descriptor& descriptor : bad) {
    Ring ring;
    ring.put(3, descriptor);
    ring.offer(3);
    EXPECT_TRUE(ring.refused());
  }
  Ring ring;
  ring.offer(200);
  EXPECT_TRUE(ring.refused());
}

TEST(Virtqueue, MoreAvailableThanItsSizeIsRefused) {
  Ring ring;
  const uint16_t index = Ring::kSize + 1;
  memcpy(ring.memory + 0x402, &index, 2);
  EXPECT_TRUE(ring.refused());
}

TEST(Virtqueue, RingsOutsideTheMemoryOrNotAlignedAreRefused) {
  for (const uint64_t address : {uint64_t{0x3ff0}, uint64_t{0x10000}, ~uint64_t{0}, uint64_t{0x401}}) {
    Ring ring;
    ring.offer(0);
    ring.queue.set_addresses(0, 0x800, address);
    EXPECT_TRUE(ring.refused()) << address;
  }
  Virtqueue queue;
  for (const uint32_t size : {0u, 3u, 1u << 16, ~0u}) EXPECT_FALSE(queue.set_size(size).ok());
}

std::string words(std::initializer_list<uint64_t> numbers) {
  std::string out;
  for (const uint64_t number : numbers) out.append(reinterpret_cast<const char*>(&number), sizeof number);
  return out;
}

bool accepted(uint32_t request, const std::string& payload, size_t files, uint32_t flags = 1) {
  const VhostHeader header = {request, flags, static_cast<uint32_t>(payload.size())};
  return decode_vhost_message(header, payload, files).ok();
}

TEST(VhostUser, MessagesAreTakenInTheirOneShapeOnly) {
  EXPECT_TRUE(accepted(1, "", 0));
  EXPECT_FALSE(accepted(1, "x", 0));
  EXPECT_FALSE(accepted(1, "", 1));
  EXPECT_FALSE(accepted(1, "", 0, 2));   // version
  EXPECT_FALSE(accepted(1, "", 0, 5));   // a reply
  EXPECT_FALSE(accepted(0, "", 0));
  EXPECT_FALSE(accepted(6, words({0}), 0));
  EXPECT_FALSE(accepted(4000, "", 0));
  const std::string region = words({0, 4096, 0, 0});
  EXPECT_TRUE(accepted(5, words({1}) + region, 1));
  EXPECT_FALSE(accepted(5, words({1}) + region, 0));
  EXPECT_FALSE(accepted(5, words({2}) + region, 2));
  EXPECT_FALSE(accepted(5, words({0xffffffff}) + region, 1));
  EXPECT_FALSE(accepted(5, words({0}), 0));
  EXPECT_TRUE(accepted(12, words({1}), 1));
  EXPECT_TRUE(accepted(12, words({0x100}), 0));
  EXPECT_FALSE(accepted(12, words({0x100}), 1));
  EXPECT_FALSE(accepted(12, words({2}), 1));      // queue
  EXPECT_FALSE(accepted(8, words({0x1000000005}), 0));
  EXPECT_FALSE(accepted(9, words({0, 0, 0, 0}), 0));
}

TEST(GuestMemory, AFileShorterThanItsRegionIsRefused) {
  char name[] = "/tmp/hpcc-memory-test-XXXXXX";
  Fd file(mkstemp(name));
  ASSERT_TRUE(file);
  unlink(name);
  ASSERT_EQ(ftruncate(file.get(), 8192), 0);
  const auto map = [&](uint64_t size, uint64_t offset) {
    GuestMemory memory;
    std::vector<Fd> files;
    files.emplace_back(dup(file.get()));
    return memory.map({{0, size, 0x7000, offset}}, std::move(files)).ok() && memory.at_user(0x7000, size) &&
           !memory.at_user(0x7000, size + 1) && !memory.at_guest(size, 1);
  };
  EXPECT_TRUE(map(8192, 0));
  EXPECT_TRUE(map(4096, 4096));
  EXPECT_FALSE(map(8193, 0));
  EXPECT_FALSE(map(8192, 4096));
  EXPECT_FALSE(map(~uint64_t{0}, 4096));
  EXPECT_FALSE(map(4096, ~uint64_t{0} - 100));
}

}  // namespace
}  // namespace hpcc
