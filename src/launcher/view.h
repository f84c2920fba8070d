// The view of the file system a process has: mount namespace and root, and the rights it has there. Launcher and engine
// compute it with the same code and must agree; otherwise the same path may name different files. Header-only,
// freestanding.
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hpcc {

// Writes "rootdev:rootino:rootmount:namespace:rights"; rights is a digest of group, groups and capabilities. The mount
// id of "/" tells namespaces apart even where /proc is missing. False only when "/" cannot be examined.
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
  uint32_t rights[260] = {};
  int groups = getgroups(256, reinterpret_cast<gid_t*>(rights + 4));
  rights[0] = getegid();
  rights[1] = static_cast<uint32_t>(groups);
  uint32_t header[2] = {0x20080522, 0};  // _LINUX_CAPABILITY_VERSION_3, this process
  uint32_t capabilities[6] = {};
  if (syscall(SYS_capget, header, capabilities) == 0) {
    rights[2] = capabilities[0];
    rights[3] = capabilities[3];
  }
  uint64_t digest = 0xcbf29ce484222325ull;
  for (uint32_t word : rights) digest = (digest ^ word) * 0x100000001b3ull;
  snprintf(out, size, "%u.%u:%llu:%llu:%llu:%llx", root.dev_major, root.dev_minor,
           static_cast<unsigned long long>(root.ino), static_cast<unsigned long long>(root.mount_id), name_space,
           static_cast<unsigned long long>(digest));
  return true;
}

}  // namespace hpcc
