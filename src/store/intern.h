// Interner: inputs {path, kind, digest} and directories that many Manifests share, one record of the log each. A packed
// Manifest names them by their place in the log. Digests do not compress: this is what keeps 3,000 entries of 600 inputs
// small, and what makes a lookup cheap for a process that has seen the headers before.
//
// Thread rule: fetch from any thread; intern by the holder of the store's lock only.
#pragma once

#include <functional>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "model/manifest.h"
#include "store/log.h"
#include "store/table.h"

namespace hpcc::store {

struct Interned {
  Input input;         // a directory of an AbsentSet has kind kDirectory and is_directory set
  bool is_directory = false;
  uint64_t check = 0;  // names the record's content; packed Manifests hold a check over all of theirs
};

std::string encode_interned_input(const Input& input);
std::string encode_interned_directory(const AnchoredPath& path);
std::optional<Interned> decode_interned(std::string_view payload);

class Interner {
 public:
  // Calls each(i, item) for every id. kCorrupt when one is not a whole record; then `damaged` names it.
  Status fetch(const Log& log, const std::vector<uint32_t>& ids,
               const std::function<void(size_t, const Interned&)>& each, uint32_t& damaged);
  // Ids of the payloads, written where they are not in the log yet.
  Result<std::vector<uint32_t>> intern(Table& table, Log& log, TableStats& stats,
                                       const std::vector<std::string>& payloads);
  // Forgets a damaged record, so that the next put writes it anew.
  void drop(Table& table, uint32_t id);

 private:
  struct KeyHash {
    size_t operator()(const SlotKey& key) const {
      size_t hash;
      memcpy(&hash, key.data(), sizeof hash);
      return hash;
    }
  };
  static Result<std::vector<std::pair<SlotKey, Interned>>> load(const Log& log, const std::vector<uint32_t>& ids,
                                                                uint32_t& damaged);
  void make_room(size_t count);
  void add(uint32_t id, const SlotKey& key, Interned item);

  std::shared_mutex mutex_;
  std::unordered_map<uint32_t, Interned> by_id_;
  std::unordered_map<SlotKey, uint32_t, KeyHash> by_key_;
};

}  // namespace hpcc::store
