// The view of the file system a process has: mount namespace and root. Launcher and engine compute it with the same
// code and must agree; otherwise the same path may name different files. Header-only, freestanding.
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hpcc {

// Writes "rootdev:rootino:rootmount:namespace". The mount id of "/" tells namespaces apart even where /proc is missing.
// False only when "/" cannot be examined.
inline bool describe_view(char* out, size_t size) {
  struct {  // struct statx of the kernel; C libraries disagree on whether they declare it
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, spare0;
    uint64_t ino, bytes, blocks, attributes_mask;
    int64_t times[8];
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t mount_id;
    uint64_t spare[13];
  } root;
  memset(&root, 0, sizeof root);
  constexpr unsigned kBasicStatsAndMountId = 0x7ff | 0x1000;
  if (syscall(SYS_statx, AT_FDCWD, "/", 0, kBasicStatsAndMountId, &root) != 0) {
    struct stat old;
    if (stat("/", &old) != 0) return false;
    root.dev_major = static_cast<uint32_t>(old.st_dev >> 8);
    root.dev_minor = static_cast<uint32_t>(old.st_dev & 0xff);
    root.ino = old.st_ino;
  }
  struct stat space;
  unsigned long long name_space = stat("/proc/self/ns/mnt", &space) == 0 ? space.st_ino : 0;
  snprintf(out, size, "%u.%u:%llu:%llu:%llu", root.dev_major, root.dev_minor, static_cast<unsigned long long>(root.ino),
           static_cast<unsigned long long>(root.mount_id), name_space);
  return true;
}

}  // namespace hpcc
