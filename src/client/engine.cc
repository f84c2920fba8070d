#include "client/engine.h"

#include <algorithm>

#include "base/fs.h"
#include "base/limits.h"
#include "client/image_mode.h"

namespace hpcc {
namespace {

constexpr size_t kLoadedCostLimit = 1'500'000;  // inputs and absent names held in memory; about 90 MB
constexpr size_t kPendingHits = 4096;

size_t cost_of(const Manifest& manifest) {
  size_t cost = manifest.inputs.size() + 8;
  for (const AbsentSet& set : manifest.absents) cost += 4 + set.names.size() * 2 + set.checked_names.size() * 2;
  return cost;
}

std::string cache_name(const DirectKey& key, const Place& place) {
  return std::string(key.view()) + bound_place_text(place);
}

}  // namespace

Engine::Engine(std::unique_ptr<Store> store, const std::string& dir, std::string view, std::string build_id)
    : store_(std::move(store)),
      files_(*store_, std::move(view)),
      quarantine_(dir),
      build_id_(std::move(build_id)) {}
Engine::~Engine() = default;
void Engine::set_image_mode(std::unique_ptr<ImageMode> mode) { image_mode_ = std::move(mode); }

Engine::LoadedList Engine::load(const DirectKey& key, const Place& place) {
  const std::string name = cache_name(key, place);
  const uint64_t version = store_->version(key);
  {
    std::lock_guard lock(mutex_);
    auto found = loaded_.find(name);
    if (found != loaded_.end() && found->second.version == version) {
      ages_.splice(ages_.begin(), ages_, found->second.age);
      return found->second.entries;
    }
  }
  auto list = std::make_shared<std::vector<std::shared_ptr<Loaded>>>();
  size_t cost = 0;
  if (version != 0) {
    Result<std::vector<Entry>> entries = store_->find(key);
    if (!entries.ok()) store_->count(Counter::kError);
    if (entries.ok()) {
      for (Entry& entry : *entries) {
        cost += cost_of(entry.manifest);
        auto manifest = std::make_unique<LoadedManifest>(entry.manifest, place, files_);
        list->push_back(std::make_shared<Loaded>(Loaded{entry.sequence, std::move(entry.result), std::move(manifest)}));
      }
    }
  }
  if (list->empty()) return list;
  std::lock_guard lock(mutex_);
  if (auto old = loaded_.find(name); old != loaded_.end()) {
    cost_ -= old->second.cost;
    ages_.erase(old->second.age);
    loaded_.erase(old);
  }
  ages_.push_front(name);
  loaded_[name] = Cached{version, list, ages_.begin(), cost};
  cost_ += cost;
  while (cost_ > kLoadedCostLimit && ages_.size() > 1) {
    auto oldest = loaded_.find(ages_.back());
    cost_ -= oldest->second.cost;
    loaded_.erase(oldest);
    ages_.pop_back();
  }
  return list;
}

void Engine::forget(const DirectKey& key, const Place& place) {
  std::lock_guard lock(mutex_);
  auto found = loaded_.find(cache_name(key, place));
  if (found == loaded_.end()) return;
  cost_ -= found->second.cost;
  ages_.erase(found->second.age);
  loaded_.erase(found);
}

void Engine::remove_entries(const DirectKey& key, const Place& place) {
  if (Result<std::vector<Entry>> entries = store_->find(key); entries.ok()) {
    for (const Entry& entry : *entries) (void)store_->remove(key, entry.sequence).ok();
  }
  forget(key, place);
}

DriverKind Engine::driver_kind(const std::string& path, const FileFact& fact) {
  if (uint32_t known = (fact.facts & kDriverMask) >> kDriverShift) return static_cast<DriverKind>(known - 1);
  {
    std::lock_guard lock(mutex_);
    auto found = drivers_.find(fact.digest);
    if (found != drivers_.end()) return found->second;
  }
  Result<std::string> content = read_file(path, limits::kOutputBytes);
  DriverKind kind = content.ok() ? identify_driver(*content) : DriverKind::kUnknown;
  std::lock_guard lock(mutex_);
  drivers_[fact.digest] = kind;
  return kind;
}

// Model, features and caches of the first processor. A superset of what the drivers resolve "native" from, so two
// machines with equal identity resolve alike.
const std::string& Engine::cpu_identity() {
  std::lock_guard lock(mutex_);
  if (cpu_) return *cpu_;
  std::string text;
  Result<std::string> info = read_file("/proc/cpuinfo", 1u << 22);
  if (info.ok()) {
    std::string_view first = std::string_view(*info).substr(0, info->find("\n\n"));
    while (!first.empty()) {
      std::string_view line = first.substr(0, first.find('\n'));
      first.remove_prefix(std::min(first.size(), line.size() + 1));
      for (std::string_view volatile_line : {"processor", "cpu MHz", "bogomips", "BogoMIPS", "apicid", "initial apicid",
                                             "core id", "physical id", "siblings", "cpu cores", "microcode"}) {
        if (line.starts_with(volatile_line)) line = {};
      }
      if (!line.empty()) text += std::string(line) + "\n";
    }
  }
  for (const char* index : {"index0", "index1", "index2", "index3"}) {
    for (const char* what : {"size", "level", "coherency_line_size"}) {
      Result<std::string> value =
          read_file(std::string("/sys/devices/system/cpu/cpu0/cache/") + index + "/" + what, 4096);
      text += value.ok() ? *value : "-\n";
    }
  }
  cpu_ = BlobDigest::of(text).hex();
  return *cpu_;
}

void Engine::note_hit(const std::string& object, const DirectKey& key, uint64_t sequence) {
  bool full = false;
  {
    std::lock_guard lock(mutex_);
    hits_[object] = {realtime_ns(), key, sequence};
    full = hits_.size() >= kPendingHits;
  }
  if (full) (void)flush().ok();
}

std::optional<HitNote> Engine::last_hit(const std::string& object) {
  std::optional<HitNote> note = read_hit_note(*store_, object);
  std::lock_guard lock(mutex_);
  auto pending = hits_.find(object);
  // An engine without the daemon may have written a later one.
  if (pending != hits_.end() && (!note || pending->second.when_ns > note->when_ns)) note = pending->second;
  return note;
}

Status Engine::flush() {
  std::unordered_map<std::string, HitNote> hits;
  {
    std::lock_guard lock(mutex_);
    hits.swap(hits_);
  }
  for (const auto& [object, note] : hits) write_hit_note(*store_, object, note);
  files_.flush();
  return store_->flush();
}

}  // namespace hpcc
