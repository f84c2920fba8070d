#include "disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/fd.h"
#include "base/fs.h"

namespace hpcc::fuzz {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr size_t kFileBytes = 64u << 20;

// The harness itself must not fail quietly: a tree that is not as wanted would make every comparison worthless.
void must(bool good, const char* what, const std::string& path) {
  if (good) return;
  fprintf(stderr, "truth-fuzz: %s %s: %s\n", what, path.c_str(), strerror(errno));
  abort();
}

std::set<std::string> wanted_directories(const Tree& tree) {
  std::set<std::string> out;
  for (const auto& [path, entry] : tree.entries) {
    if (entry.kind == Entry::Kind::kDirectory) out.insert(path);
    for (std::string up(directory_of(path)); up != "."; up = directory_of(up)) out.insert(up);
  }
  return out;
}

void set_mtime(const std::string& path, int64_t mtime_s) {
  const struct timespec times[2] = {{mtime_s, 0}, {mtime_s, 0}};
  must(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0, "utimensat", path);
}

void walk(const std::string& directory, const std::string& prefix, Snapshot* out) {
  DIR* stream = opendir(directory.c_str());
  if (stream == nullptr) return;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info;
    if (fstatat(dirfd(stream), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const bool is_directory = S_ISDIR(info.st_mode);
    Look look;
    look.kind = is_directory ? 'd' : S_ISLNK(info.st_mode) ? 'l' : S_ISREG(info.st_mode) ? 'f' : '?';
    look.mode = info.st_mode & 07777;
    if (!is_directory) {
      look.ino = info.st_ino;
      look.size = info.st_size;
      look.mtime_ns = info.st_mtim.tv_sec * kSecond + info.st_mtim.tv_nsec;
      look.ctime_ns = info.st_ctim.tv_sec * kSecond + info.st_ctim.tv_nsec;
    }
    out->emplace(prefix + name, look);
    if (is_directory) walk(directory + "/" + name, prefix + name + "/", out);
  }
  closedir(stream);
}

}  // namespace

// From what is there to what is wanted, in one checkout.
struct Disk::Plan {
  unsigned root;
  Tree& present;
  const Tree& wanted;
  std::set<std::string> directories;
  std::map<uint32_t, std::string> parked;  // inodes on their way from one name to another

  bool stays(const std::string& path) const {
    const auto a = std::as_const(present).entries.find(path);
    const auto b = wanted.entries.find(path);
    return a != present.entries.end() && b != wanted.entries.end() && a->second == b->second;
  }
};

void Disk::sync(unsigned root, const Tree& tree) {
  Plan plan{root, present_[root], tree, wanted_directories(tree), {}};
  if (directories_[root].empty())
    must(mkdir(this->root(root).c_str(), 0755) == 0 || errno == EEXIST, "mkdir", this->root(root));
  leave(&plan);
  make_directories(plan);
  arrive(&plan);
  fill(plan);
  directories_[root] = std::move(plan.directories);
  present_[root] = tree;
}

void Disk::leave(Plan* plan) {
  for (const auto& [path, entry] : plan->present.entries) {
    if (plan->stays(path) || entry.kind == Entry::Kind::kDirectory) continue;
    const std::string full = at(plan->root, path);
    written_ns_ = realtime_ns();
    if (entry.kind == Entry::Kind::kFile && plan->wanted.inodes.count(entry.inode) != 0) {
      if (plan->parked.count(entry.inode) == 0) {
        std::string& parked = plan->parked[entry.inode];
        parked = top_ + "/moving-" + std::to_string(entry.inode);
        must(rename(full.c_str(), parked.c_str()) == 0, "rename", full);
        continue;
      }
    }
    auto next = plan->wanted.entries.find(path);
    const bool replaced = next != plan->wanted.entries.end() && next->second.kind == Entry::Kind::kFile;
    if (!replaced || entry.kind != Entry::Kind::kFile) must(unlink(full.c_str()) == 0, "unlink", full);
  }
}

void Disk::make_directories(const Plan& plan) {
  std::set<std::string>& present = directories_[plan.root];
  for (auto path = present.rbegin(); path != present.rend(); ++path) {
    if (plan.directories.count(*path) != 0) continue;
    written_ns_ = realtime_ns();
    must(rmdir(at(plan.root, *path).c_str()) == 0, "rmdir", at(plan.root, *path));
  }
  for (const std::string& path : plan.directories) {
    if (present.count(path) != 0) continue;
    written_ns_ = realtime_ns();
    must(mkdir(at(plan.root, path).c_str(), 0755) == 0, "mkdir", at(plan.root, path));
    must(chmod(at(plan.root, path).c_str(), 0755) == 0, "chmod", at(plan.root, path));
  }
}

void Disk::arrive(Plan* plan) {
  std::map<uint32_t, std::string> there;
  for (const auto& [path, entry] : plan->present.entries) {
    if (entry.kind == Entry::Kind::kFile && plan->stays(path)) there[entry.inode] = at(plan->root, path);
  }
  for (const auto& [path, entry] : plan->wanted.entries) {
    if (plan->stays(path) || entry.kind == Entry::Kind::kDirectory) continue;
    const std::string full = at(plan->root, path), fresh = top_ + "/moving-new";
    written_ns_ = realtime_ns();
    if (entry.kind == Entry::Kind::kLink) {
      must(symlink(expand(entry.target, root(plan->root), "").c_str(), full.c_str()) == 0, "symlink", full);
      continue;
    }
    auto parked = plan->parked.find(entry.inode);
    if (parked != plan->parked.end()) {
      must(rename(parked->second.c_str(), full.c_str()) == 0, "rename", full);
      plan->parked.erase(parked);
    } else if (auto other = there.find(entry.inode); other != there.end()) {
      must(link(other->second.c_str(), fresh.c_str()) == 0, "link", full);
      must(rename(fresh.c_str(), full.c_str()) == 0, "rename", full);
    } else {
      write_file(fresh, plan->root, plan->wanted.inodes.at(entry.inode));
      must(rename(fresh.c_str(), full.c_str()) == 0, "rename", full);
      plan->present.inodes[entry.inode] = plan->wanted.inodes.at(entry.inode);
    }
    there[entry.inode] = full;
  }
  for (const auto& [inode, parked] : plan->parked) must(unlink(parked.c_str()) == 0, "unlink", parked);
}

void Disk::write_file(const std::string& path, unsigned root, const Inode& inode) {
  const std::string text = expand(*inode.text, this->root(root), "");
  struct stat info;
  const bool same_size = stat(path.c_str(), &info) == 0 && info.st_size == static_cast<off_t>(text.size());
  if (chmod(path.c_str(), 0600) != 0) must(errno == ENOENT, "chmod", path);
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (same_size ? 0 : O_TRUNC), 0600));
  must(static_cast<bool>(fd) && write_fd(fd.get(), text, path).ok(), "write", path);
  must(fchmod(fd.get(), inode.mode) == 0, "chmod", path);
  set_mtime(path, inode.mtime_s);
}

void Disk::fill(const Plan& plan) {
  std::set<uint32_t> done;
  for (const auto& [path, entry] : plan.wanted.entries) {
    if (entry.kind != Entry::Kind::kFile || !done.insert(entry.inode).second) continue;
    const Inode& wanted = plan.wanted.inodes.at(entry.inode);
    auto old = plan.present.inodes.find(entry.inode);
    const std::string full = at(plan.root, path);
    if (old == plan.present.inodes.end() || *old->second.text != *wanted.text) {
      written_ns_ = realtime_ns();
      write_file(full, plan.root, wanted);
      continue;
    }
    if (old->second.mode == wanted.mode && old->second.mtime_s == wanted.mtime_s) continue;
    written_ns_ = realtime_ns();
    if (old->second.mode != wanted.mode) must(chmod(full.c_str(), wanted.mode) == 0, "chmod", full);
    if (old->second.mtime_s != wanted.mtime_s) set_mtime(full, wanted.mtime_s);
  }
}

Snapshot Disk::snapshot(unsigned root) const {
  Snapshot out;
  walk(this->root(root), "", &out);
  return out;
}

Left Disk::left_behind(unsigned root, const Snapshot& before, int64_t start_ns) const {
  Left out;
  const Snapshot after = snapshot(root);
  for (const auto& [path, look] : after) {
    auto old = before.find(path);
    if (old != before.end() && old->second == look) continue;
    Made made{look.kind, look.mode, "", false};
    const std::string full = at(root, path);
    if (look.kind == 'f') {
      Result<std::string> content = read_file(full, kFileBytes);
      made.content = content.ok() ? std::move(content).value() : content.error().to_string();
      made.stale = look.mtime_ns < start_ns - kSecond / 20;
    } else if (look.kind == 'l') {
      char target[4096];
      const ssize_t size = readlink(full.c_str(), target, sizeof target);
      if (size > 0) made.content.assign(target, static_cast<size_t>(size));
    }
    out.files.emplace(path, std::move(made));
  }
  for (const auto& [path, look] : before) {
    if (after.count(path) == 0) out.removed.push_back(path);
  }
  return out;
}

void Disk::restore(unsigned root, const Snapshot& before) {
  const Snapshot after = snapshot(root);
  std::set<uint32_t> spoilt;
  Tree& present = present_[root];
  auto spoil = [&](const std::string& path) {
    auto entry = present.entries.find(path);
    if (entry == present.entries.end()) return;
    if (entry->second.kind == Entry::Kind::kFile) spoilt.insert(entry->second.inode);
    present.erase(path);
  };
  for (auto at_path = after.rbegin(); at_path != after.rend(); ++at_path) {
    const auto& [path, look] = *at_path;
    auto old = before.find(path);
    if (old != before.end() && old->second == look) continue;
    const std::string full = at(root, path);
    must((look.kind == 'd' ? rmdir(full.c_str()) : unlink(full.c_str())) == 0, "remove", full);
    spoil(path);
  }
  for (const auto& [path, look] : before) {
    if (after.count(path) == 0) spoil(path);
  }
  // Other names of a file that was written through one of them are made again, too.
  for (const std::string& path : present.files()) {
    if (spoilt.count(present.entries.at(path).inode) == 0) continue;
    must(unlink(at(root, path).c_str()) == 0, "unlink", path);
    present.erase(path);
  }
}

}  // namespace hpcc::fuzz
