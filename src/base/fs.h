// Files and paths. Pure path functions work on text and never touch the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace hpcc {

// Whole content of a regular file, at most `limit_bytes` (kLimit beyond). Errors name the path.
Result<std::string> read_file(const std::string& path, size_t limit_bytes);
Result<std::string> read_fd(int fd, size_t limit_bytes, const std::string& name);
Status write_fd(int fd, std::string_view data, const std::string& name);

enum class Sync {
  kNo,   // after a crash of the machine the file may be the old one, the new one or empty
  kYes,  // the new one is on disk, under its name, before the return
};
// A reader sees the old file or all of the new one. The text is written to a new file beside it, which is removed after
// a failure, and renamed; a link at `path` is replaced, not followed. `mode` is as for open().
Status replace_file(const std::string& path, std::string_view text, unsigned mode, Sync sync);

// Likewise, but a file that is there already stays; that is no error. (Where a file system has no links, it may not.)
Status create_file(const std::string& path, std::string_view text, unsigned mode);

Status make_directories(const std::string& path, unsigned mode);           // like mkdir -p; existing is fine
Result<std::vector<std::string>> list_directory(const std::string& path);  // sorted, without . and ..

// Removes a directory with all it holds, read-only directories included. Follows no links; what is absent is fine.
Status remove_tree(const std::string& path);

// Directory of this process's own program file; "" without /proc.
std::string program_directory();

// Whether stat results of the file system behind fd are enough to tell that a file did not change: ext2-4, xfs, btrfs,
// tmpfs. Elsewhere content is read again.
bool has_trusted_stamps(int fd);
// Whether mmap and file locks work between processes there (the above and other local file systems).
bool is_local_filesystem(const std::string& path);

// base if `path` is absolute is ignored: join("/a", "b") == "/a/b", join("/a", "/b") == "/b".
std::string join_path(std::string_view base, std::string_view path);
std::string_view directory_of(std::string_view path);  // "a/b" → "a", "b" → ".", "/b" → "/"
std::string_view basename_of(std::string_view path);
// Collapses "//", "/./" and "x/..", as text: wrong across symbolic links, so only for finding common roots.
std::string lexically_normal(std::string_view path);
// A relative path that cannot leave the directory it is taken from: no "", ".", ".." components, no NUL, not too long.
bool is_plain_relative(std::string_view path);
// True when path == directory or lies below it; both absolute.
bool is_under(std::string_view path, std::string_view directory);

int64_t realtime_ns();
int64_t monotonic_ns();
int64_t monotonic_ms();

}  // namespace hpcc
