// Facts: the digest cache on disk. A file of sets of eight fixed slots; a fact lives in the one set its key names, so a
// lookup is one read, and a full set forgets one of its eight. Each slot carries its check. Bounded in number.
//
// Thread rule: every method from any thread and process.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "store/io.h"
#include "store/store.h"

namespace hpcc::store {

class Facts {
 public:
  static constexpr uint64_t kMinSlots = 1u << 10, kMaxSlots = 1u << 18;

  explicit Facts(std::string path) : path_(std::move(path)) {}

  std::optional<FileFact> get(std::string_view view, std::string_view path);
  void put(std::string_view view, const std::vector<std::pair<std::string, FileFact>>& facts);

 private:
  struct File {
    Fd fd;
    uint64_t slots = 0;
    FileIdentity identity;
  };
  // Shared, because a reader goes on with the file it has while another thread replaces it.
  using FilePtr = std::shared_ptr<File>;

  FilePtr held();
  FilePtr open_file(int mode);
  FilePtr make_file(uint64_t slots, const File* content_of);
  Result<FilePtr> writable_file();

  const std::string path_;
  std::mutex mutex_;  // guards file_
  FilePtr file_;
  std::mutex write_mutex_;  // one writer of this process at a time; the file's lock excludes other processes
};

}  // namespace hpcc::store
