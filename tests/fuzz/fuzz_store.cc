// Fuzzes what the store reads from its own files. The first byte chooses: decoders on bare bytes; bytes behind right
// checksums (records and slots that only a hostile writer would make), which must not crash either; or whole files of
// noise, after which the store must still give right answers and take new entries.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/codec.h"
#include "store/files.h"
#include "store/pack.h"
#include "store/store_options.h"

namespace {

using namespace hpcc;
using namespace hpcc::store;

void require(bool condition) {
  if (!condition) std::abort();
}

const DirectKey kKey = DirectKey::of("key");

Entry good_entry() {
  Entry entry;
  entry.manifest.inputs.push_back({{Anchor::kAbsolute, "/a.h"}, InputKind::kFile, BlobDigest::of("a")});
  entry.result.stderr_text = "good";
  return entry;
}

Fd memory_file() { return Fd(::memfd_create("hpcc-fuzz", MFD_CLOEXEC)); }

void fuzz_decoders(std::string_view bytes) {
  if (!decode_entry_front(bytes).ok() && !decode_interned(bytes, {})) {
    for (auto kind : {RecordKind::kEntry, RecordKind::kIntern, RecordKind::kHistory}) Log::unframe(kind, bytes);
  }
}

// Interned records and an entry's body, all with right checks: up to 16 texts, then the body.
void fuzz_records(std::string_view bytes) {
  ByteReader in(bytes);
  auto log = Log::create(memory_file(), 1);
  require(log.ok());
  Interner interner;
  Zstd zstd;
  for (int i = in.u8() % 16; i > 0 && in.ok(); --i) {
    require(log->append(Log::frame(RecordKind::kIntern, in.text16(4200))).ok());
  }
  const std::string_view body = in.raw(in.remaining());
  const auto frame = zstd.compress(body);
  ByteWriter payload;
  payload.raw(kKey.view());
  payload.u64(1);
  payload.raw(ManifestDigest{}.view());
  payload.u64(0);
  payload.u32(0);
  payload.u32(static_cast<uint32_t>(body.size()));
  payload.raw(*frame);
  uint32_t damaged = 0;
  const auto entry = unpack_entry(*log, interner, zstd, payload.bytes(), damaged);
  if (!entry.ok()) return;
  for (const IdentityGroup& group : entry->manifest.groups) {
    require(group.inputs.size() == group.classes.size());
    for (uint32_t input : group.inputs) require(input < entry->manifest.inputs.size());
  }
  encode_manifest(entry->manifest);
  encode_result(entry->result);
}

// A table's slots as the input says, with right checks, then every operation that walks it.
void fuzz_table(std::string_view bytes) {
  TableStats stats;
  auto table = Table::create(memory_file(), {.capacity = Table::kMinCapacity, .log_generation = 1}, {}, stats);
  require(table.ok());
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    Slot slot;
    const uint64_t position = in.u16() % Table::kMinCapacity;
    slot.kind = static_cast<SlotKind>(in.u8());
    slot.key.fill(in.u8());
    slot.value = in.u64();
    slot.stamp = in.u64();
    slot.where = in.u32();
    slot.length = in.u32();
    require(table->write(position, slot).ok());
  }
  Slot mine{.kind = SlotKind::kBlob, .key = kKey.bytes, .value = 5};
  require(table->insert(mine, stats).ok());
  bool found = false;
  table->find(SlotKind::kBlob, mine.key,
              [&](uint64_t, const Slot& slot) { return !(found = found || slot.value == 5); });
  require(found);
  table->count_all();
}

// One of the store's files holds the input; what the store then says is right or nothing.
void fuzz_files(std::string_view bytes) {
  const std::string dir = "/dev/shm/hpcc-fuzz-" + std::to_string(::getpid());
  remove_tree(dir);
  const Entry good = good_entry();
  {
    auto store = Store::open(dir);
    require(store.ok() && (*store)->put_blob(BlobDigest::of("blob"), "blob").ok() && (*store)->put(kKey, good).ok());
    (*store)->put_file_facts("view", {{"path", {{}, BlobDigest::of("fact"), 1}}});
    require((*store)->put_history("name", "value").ok());
  }
  ByteReader in(bytes);
  const uint8_t which = in.u8();
  const size_t offset = in.u16();
  std::string file = dir + "/v1/" +
                     (which % 5 == 0   ? "counters"
                      : which % 5 == 1 ? "facts"
                      : which % 5 == 2 ? "max_size"
                                       : "index/table");
  if (which % 5 == 4) {
    for (const std::string& name : list_directory(dir + "/v1/index")) {
      if (name.starts_with("log-")) file = dir + "/v1/index/" + name;
    }
  }
  Fd fd(::open(file.c_str(), O_RDWR | O_CREAT, 0600));
  const std::string_view patch = in.raw(in.remaining());
  require(::pwrite(fd.get(), patch.data(), patch.size(), static_cast<off_t>(offset)) ==
          static_cast<ssize_t>(patch.size()));
  if (which >= 128) require(::ftruncate(fd.get(), static_cast<off_t>(offset + patch.size())) == 0);

  auto store = Store::open(dir);
  require(store.ok());
  auto entries = (*store)->find(kKey);
  if (entries.ok() && !entries->empty()) require((*entries)[0].result.stderr_text == "good");
  auto fact = (*store)->file_fact("view", "path");
  require(!fact || fact->digest == BlobDigest::of("fact"));
  auto value = (*store)->history("name");
  require(!value || *value == "value");
  (*store)->totals();
  require((*store)->evict().ok() && (*store)->put(kKey, good).ok() && (*store)->find(kKey)->size() == 1);
  store->reset();
  remove_tree(dir);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: fuzz_decoders(rest); break;
    case 1: fuzz_records(rest); break;
    case 2: fuzz_table(rest); break;
    case 3: fuzz_files(rest); break;
  }
  return 0;
}
