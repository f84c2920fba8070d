// What the conformance tests share: a session on a driver's sandbox, blobs in memory, and counting what is left behind.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <ostream>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/message.h"
#include "guest/guest.h"
#include "vm/sandbox.h"

namespace hpcc::test {

// argv[0] of this test is the proxy as well: main() takes --role=guest.
inline GuestOptions guest_options() {
  GuestOptions options;
  options.proxy_argv = {"/proc/self/exe", "--role=guest"};
  return options;
}

class MemoryBlobs final : public BlobSource {
 public:
  GuestInput add(const std::string& path, const std::string& content) {
    const BlobDigest digest = BlobDigest::of(content);
    std::lock_guard<std::mutex> lock(mutex_);
    blobs_[digest] = content;
    return {path, digest, content.size(), false};
  }
  void replace(const BlobDigest& digest, const std::string& content) { blobs_[digest] = content; }
  Result<Fd> open(const BlobDigest& digest) override {
    ++opened;
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = blobs_.find(digest);
    if (found == blobs_.end()) return Error{Code::kNotFound, "no such blob", 0};
    return seal_bytes(found->second);
  }
  std::atomic<int> opened{0};

 private:
  std::mutex mutex_;
  std::map<BlobDigest, std::string> blobs_;
};

struct Driver {
  std::string name;
  // Everything that takes time is this much slower here.
  int slowness = 1;
  Result<std::unique_ptr<Sandbox>> (*start)(const SandboxSpec& spec, Deadline deadline) = nullptr;
  SandboxSpec spec;
};

inline void PrintTo(const Driver& driver, std::ostream* out) { *out << driver.name; }

// The drivers this run is for: `namespace`, with the host's own root as the image.
std::vector<Driver> drivers();

inline std::string output_text(const GuestResult& result, const std::string& path) {
  for (const GuestOutput& output : result.outputs) {
    if (output.path != path) continue;
    Result<SealedBytes> bytes = SealedBytes::map(output.file.get(), 1u << 30);
    return bytes.ok() ? std::string(bytes->view()) : "unreadable";
  }
  return "absent";
}

// Processes of the whole machine with `word` among their arguments.
inline int processes_with(const std::string& word) {
  int count = 0;
  for (const std::string& name : list_directory("/proc").value_or({})) {
    Result<std::string> line = read_file("/proc/" + name + "/cmdline", 1u << 20);
    if (line.ok() && line->find(word) != std::string::npos) ++count;
  }
  return count;
}

// Counted before and after: what a sandbox could have left behind. main() makes this process the reaper of its orphans,
// so that none gets out of sight.
struct Leavings {
  size_t descriptors, mounts, descendants, threads;
  bool operator==(const Leavings&) const = default;
  // Ended processes that this one has to reap are gone first.
  static Leavings settled() {
    for (int i = 0; i < 200; ++i) {
      while (waitpid(-1, nullptr, WNOHANG) > 0) continue;
      if (count().descendants == 0) break;
      poll(nullptr, 0, 50);
    }
    return count();
  }
  static Leavings count() {
    std::string mounts = read_file("/proc/self/mountinfo", 64u << 20).value_or("");
    std::map<int, int> parent_of;
    for (const std::string& name : list_directory("/proc").value_or({})) {
      if (name[0] < '1' || name[0] > '9') continue;
      std::string stat = read_file("/proc/" + name + "/stat", 4096).value_or("");
      size_t at = stat.rfind(')');
      if (at != std::string::npos) parent_of[std::atoi(name.c_str())] = std::atoi(stat.c_str() + at + 4);
    }
    size_t descendants = 0;
    for (auto [pid, parent] : parent_of) {
      while (parent > 1 && parent != getpid()) parent = parent_of.contains(parent) ? parent_of[parent] : 0;
      if (parent == getpid()) ++descendants;
    }
    return {list_directory("/proc/self/fd").value_or({}).size(),
            static_cast<size_t>(std::count(mounts.begin(), mounts.end(), '\n')), descendants,
            list_directory("/proc/self/task").value_or({}).size()};
  }
  friend std::ostream& operator<<(std::ostream& out, const Leavings& l) {
    return out << l.descriptors << " descriptors, " << l.mounts << " mounts, " << l.descendants << " descendants, "
               << l.threads << " threads";
  }
};

}  // namespace hpcc::test
