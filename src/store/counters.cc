#include "store/counters.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>

#include "base/fs.h"

namespace hpcc {

std::string_view counter_name(Counter counter) {
  switch (counter) {
    case Counter::kLocalHit: return "local_hit";
    case Counter::kRemoteHit: return "remote_hit";
    case Counter::kLocalCompiled: return "local_compiled";
    case Counter::kRemoteCompiled: return "remote_compiled";
    case Counter::kBypass: return "bypass";
    case Counter::kError: return "error";
    case Counter::kMissNoKey: return "miss_no_key";
    case Counter::kMissInputs: return "miss_inputs";
    case Counter::kMissBlob: return "miss_blob";
    case Counter::kMissRecache: return "miss_recache";
    case Counter::kNotStored: return "not_stored";
    case Counter::kCorrupt: return "corrupt";
    case Counter::kEvicted: return "evicted";
    case Counter::kTimeSavedMs: return "time_saved_ms";
    case Counter::kHitTimeUs: return "hit_time_us";
    case Counter::kCompileTimeMs: return "compile_time_ms";
    case Counter::kBytesStored: return "bytes_stored";
    case Counter::kBytesServed: return "bytes_served";
    case Counter::kLinksRecorded: return "links_recorded";
    case Counter::kVerified: return "verified";
    case Counter::kVerifyDiffered: return "verify_differed";
    case Counter::kFallbackImage: return "fallback_image";
    case Counter::kFallbackHost: return "fallback_host";
    case Counter::kBytesSent: return "bytes_sent";
    case Counter::kCount: break;
  }
  return "invalid";
}

namespace store {
namespace {

// Words of the page. New counters take the next word of their room, so that older files stay readable.
constexpr size_t kRoom = 64;
constexpr size_t kMagicWord = 0;
constexpr size_t kSinceWord = 1, kLastUseWord = 2, kBuildSinceWord = 3;
constexpr size_t kTotalsAt = 8, kBypassOffset = kRoom, kBuildAt = kTotalsAt + 2 * kRoom;
constexpr uint64_t kMagic = 0x3172746363637068;  // "hpccctr1"
constexpr size_t kBytes = 4096;

static_assert(static_cast<size_t>(Counter::kCount) <= kRoom && static_cast<size_t>(Bypass::kCount) <= kRoom);
static_assert(kBuildAt + 2 * kRoom <= kBytes / 8);

std::atomic_ref<uint64_t> word(uint64_t* words, size_t index) { return std::atomic_ref<uint64_t>(words[index]); }

}  // namespace

Counters::Counters(const std::string& path, CounterAccess access, Clock now_ns)
    : path_(path), now_ns_(std::move(now_ns)), access_(access) {
  if (!open_file() && !make_file()) fd_.reset();
}

Counters::~Counters() {
  if (mapped_ != nullptr) ::munmap(mapped_, kBytes);
}

// True when nothing is left to do: the file is in use, or it cannot be had.
bool Counters::open_file() {
  auto fd = open_at(AT_FDCWD, path_.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  if (!fd.ok() && fd.error().code == Code::kPermission) {
    access_ = CounterAccess::kLocked;  // to be read only: a count finds that it cannot write
    fd = open_at(AT_FDCWD, path_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd.ok()) return true;
  }
  if (!fd.ok()) return false;
  struct stat st;
  uint64_t magic = 0;
  if (::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != kBytes ||
      pread_some(fd->get(), &magic, sizeof magic, 0) != sizeof magic || magic != kMagic) {
    return false;
  }
  if (access_ == CounterAccess::kMapped) {
    void* page = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
    if (page == MAP_FAILED) access_ = CounterAccess::kLocked;
    else mapped_ = static_cast<uint64_t*>(page);
  }
  fd_ = std::move(*fd);
  return true;
}

// Zeros, and the damage counted.
Counters::Page Counters::page_after_damage() {
  Page page;
  page.words[kMagicWord] = kMagic;
  page.words[kTotalsAt + static_cast<size_t>(Counter::kCorrupt)] = 1;
  return page;
}

// A file of zeros; all of it written, so that no later count needs room on the disk. Who comes second must not put
// another in place of one in which the first counts already: only what cannot be opened is replaced.
bool Counters::make_file() {
  Page page;
  page.words[kMagicWord] = kMagic;
  const auto bytes = [&] { return std::string_view(reinterpret_cast<const char*>(page.words), kBytes); };
  if (!create_file(path_, bytes(), 0600).ok()) return false;
  if (open_file()) return true;
  page = page_after_damage();
  return replace_file(path_, bytes(), 0600, Sync::kNo).ok() && open_file();
}

// Whether the mapped page is in the file: an access beyond its end is a SIGBUS.
bool Counters::is_whole() const {
  struct stat st;
  return ::fstat(fd_.get(), &st) == 0 && st.st_size >= static_cast<off_t>(kBytes);
}

// Somebody cut the file: fills it up again, in place, because other processes have it mapped, too.
bool Counters::mend() {
  auto held = FileLock::acquire(fd_.get(), 1000);
  if (!held.ok()) return false;
  if (is_whole()) return true;
  const Page page = page_after_damage();
  return pwrite_all(fd_.get(), {reinterpret_cast<const char*>(page.words), kBytes}, 0).ok();
}

// Applies a change to the words, wherever they are.
template <typename Change>
void Counters::change(Change apply) {
  if (mapped_ != nullptr) {
    if (is_whole() || mend()) apply(mapped_);
    return;
  }
  std::lock_guard lock(mutex_);
  if (!fd_) return apply(memory_.words);
  auto held = FileLock::acquire(fd_.get(), 1000);
  Page page;
  if (!held.ok()) return;
  if (pread_some(fd_.get(), page.words, kBytes, 0) != kBytes) page = page_after_damage();
  apply(page.words);
  if (!pwrite_all(fd_.get(), {reinterpret_cast<const char*>(page.words), kBytes}, 0).ok()) return;  // a lost count
}

void Counters::add(size_t total_word, size_t build_word, uint64_t n) {
  const uint64_t now = now_ns_();
  change([&](uint64_t* words) {
    uint64_t last = word(words, kLastUseWord).load(std::memory_order_relaxed);
    const uint64_t idle = now > last ? now - last : last - now;  // a clock that was set back ends a build, too
    if (idle > kBuildGapNs && word(words, kLastUseWord).compare_exchange_strong(last, now)) {
      for (size_t i = 0; i < 2 * kRoom; ++i) word(words, kBuildAt + i).store(0, std::memory_order_relaxed);
      word(words, kBuildSinceWord).store(now / 1000000000);
    } else if (idle > 100000000) {
      word(words, kLastUseWord).store(now, std::memory_order_relaxed);
    }
    uint64_t none = 0;
    if (word(words, kSinceWord).load(std::memory_order_relaxed) == 0) {
      word(words, kSinceWord).compare_exchange_strong(none, now / 1000000000);
    }
    word(words, total_word).fetch_add(n, std::memory_order_relaxed);
    word(words, build_word).fetch_add(n, std::memory_order_relaxed);
  });
}

void Counters::count(Counter counter, uint64_t n) {
  const size_t index = static_cast<size_t>(counter);
  if (index < static_cast<size_t>(Counter::kCount)) add(kTotalsAt + index, kBuildAt + index, n);
}

void Counters::count_bypass(Bypass reason) {
  count(Counter::kBypass, 1);
  count_reason(reason);
}

void Counters::count_reason(Bypass reason) {
  const size_t index = static_cast<size_t>(reason);
  if (index >= static_cast<size_t>(Bypass::kCount)) return;
  add(kTotalsAt + kBypassOffset + index, kBuildAt + kBypassOffset + index, 1);
}

CounterValues Counters::read(size_t first_word, size_t since_word) {
  Page page;
  if (mapped_ != nullptr && (is_whole() || mend())) {
    for (size_t i = 0; i < kWords; ++i) page.words[i] = word(mapped_, i).load(std::memory_order_relaxed);
  } else if (fd_) {
    if (pread_some(fd_.get(), page.words, kBytes, 0) != kBytes) page = {};
  } else {
    std::lock_guard lock(mutex_);
    page = memory_;
  }
  CounterValues values;
  for (size_t i = 0; i < std::size(values.counters); ++i) values.counters[i] = page.words[first_word + i];
  for (size_t i = 0; i < std::size(values.bypass); ++i) values.bypass[i] = page.words[first_word + kBypassOffset + i];
  values.since_s = page.words[since_word];
  return values;
}

CounterValues Counters::totals() { return read(kTotalsAt, kSinceWord); }
CounterValues Counters::last_build() { return read(kBuildAt, kBuildSinceWord); }

void Counters::zero() {
  change([&](uint64_t* words) {
    for (size_t i = kSinceWord; i < kWords; ++i) word(words, i).store(0);
    word(words, kSinceWord).store(now_ns_() / 1000000000);
  });
}

}  // namespace store
}  // namespace hpcc
