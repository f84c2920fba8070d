// Interner: inputs {path, kind, digest} and directories that many Manifests share, one record of the log each. A packed
// Manifest names them by their place in the log. Digests do not compress: this is what keeps 3,000 entries of 600
// inputs small, and what makes a lookup cheap for a process that has seen the headers before.
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
  Input input;  // a directory of an AbsentSet has kind kDirectory and is_directory set
  bool is_directory = false;
  uint64_t check = 0;  // names the record's content; packed Manifests hold a check over all of theirs
};

std::string encode_interned_input(const Input& input);
std::string encode_interned_directory(const AnchoredPath& path);
std::optional<Interned> decode_interned(std::string_view payload, const RecordDigest& digest);
uint64_t interned_check(const RecordDigest& digest);

class Interner {
 public:
  // Calls each(i, item) for every id. kCorrupt when one is not a whole record; then `damaged` names it.
  Status fetch(const Log& log, const std::vector<uint32_t>& ids,
               const std::function<void(size_t, const Interned&)>& each, uint32_t& damaged);
  // Where the payloads are, written when they are not in the log yet.
  struct Place {
    uint32_t id = 0;
    RecordDigest digest;
  };
  Result<std::vector<Place>> intern(Table& table, Log& log, TableStats& stats,
                                    const std::vector<std::string>& payloads);
  // Forgets a damaged record, so that the next put writes it anew.
  void drop(Table& table, uint32_t id);

 private:
  static Result<std::vector<std::pair<RecordDigest, Interned>>> load(const Log& log, const std::vector<uint32_t>& ids,
                                                                     uint32_t& damaged);
  bool find_cached(Place& place);
  static bool find_stored(const Table& table, const Log& log, std::string_view payload, Place& place);
  Status remember(const Place& place, std::string_view payload);
  void make_room(size_t count);
  void add(uint32_t id, const RecordDigest& digest, Interned item);

  std::shared_mutex mutex_;
  std::unordered_map<uint32_t, Interned> by_id_;
  std::unordered_map<RecordDigest, uint32_t, DigestHash> by_digest_;
};

}  // namespace hpcc::store
