// What a compile uses where nothing in the guest counts it.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace hpcc {

// Memory that `first` and everything it started have for themselves, without files that they map. `proc` is /proc of
// the PID namespace in which `first` has that number. What has ended meanwhile counts nothing.
uint64_t memory_below(int proc, pid_t first);

// Bytes in use in the file system of `fd`.
uint64_t disk_used(int fd);

}  // namespace hpcc
