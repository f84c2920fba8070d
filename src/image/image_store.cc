#include "image/image_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

#include "base/fs.h"
#include "base/limits.h"
#include "image/flatten.h"
#include "image/layout.h"
#include "image/squashfs.h"
#include "image/verity.h"

namespace hpcc {
namespace {

constexpr char kTree[] = "tree", kSquashfs[] = "rootfs.squashfs", kVerity[] = "rootfs.verity", kRecord[] = "rootfs";
constexpr std::string_view kStaging = ".new-";
constexpr size_t kHexDigits = 64;

Status write_file(const std::string& path, std::string_view bytes) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) return errno_error("create " + path);
  return write_fd(file.get(), bytes, path);
}

// Held while an image is made or removed; the kernel drops it with the process.
Result<Fd> lock(const std::string& dir, Deadline deadline) {
  const std::string path = join_path(dir, ".lock");
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return errno_error("open " + path);
  constexpr useconds_t kPauseUs = 50'000;
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return errno_error("lock " + path);
    if (deadline.passed()) return Error{Code::kTimeout, path + ": another command is making an image", 0};
    usleep(kPauseUs);
  }
  return file;
}

uint64_t size_of(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
}

bool is_directory(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// The rest of the next line after "key ".
Result<std::string_view> value_of(std::string_view& text, std::string_view key) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, std::min(end, text.size()));
  if (end == std::string_view::npos || line.size() <= key.size() + 1 || line.substr(0, key.size()) != key ||
      line[key.size()] != ' ') {
    return Error{Code::kCorrupt, "rootfs: no line " + std::string(key), 0};
  }
  text.remove_prefix(end + 1);
  return line.substr(key.size() + 1);
}

Result<std::string> hash_of(std::string_view& text, std::string_view key) {
  TRY_ASSIGN(const std::string_view value, value_of(text, key));
  const std::optional<BlobDigest> digest = BlobDigest::from_hex(value);
  if (!digest || digest->hex() != value) return Error{Code::kCorrupt, "rootfs: bad " + std::string(key), 0};
  return std::string(value);
}

Result<uint64_t> number_of(std::string_view& text, std::string_view key) {
  TRY_ASSIGN(const std::string_view value, value_of(text, key));
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || std::to_string(number) != value) {
    return Error{Code::kCorrupt, "rootfs: bad " + std::string(key), 0};
  }
  return number;
}

}  // namespace

std::string encode_rootfs_record(const RootfsRecord& record) {
  return "version 1\nroot_hash " + record.root_hash + "\nsalt " + record.salt + "\ndata_blocks " +
         std::to_string(record.data_blocks) + "\nverity_bytes " + std::to_string(record.verity_bytes) + "\n";
}

Result<RootfsRecord> decode_rootfs_record(std::string_view text) {
  RootfsRecord record;
  TRY_ASSIGN(const uint64_t version, number_of(text, "version"));
  if (version != 1) return Error{Code::kUnsupported, "rootfs: version " + std::to_string(version), 0};
  TRY_ASSIGN(record.root_hash, hash_of(text, "root_hash"));
  TRY_ASSIGN(record.salt, hash_of(text, "salt"));
  TRY_ASSIGN(record.data_blocks, number_of(text, "data_blocks"));
  TRY_ASSIGN(record.verity_bytes, number_of(text, "verity_bytes"));
  if (!text.empty() || record.data_blocks == 0 || record.data_blocks > UINT64_MAX / kVerityBlockBytes) {
    return Error{Code::kCorrupt, "rootfs: not as written", 0};
  }
  return record;
}

Result<ImageStore> ImageStore::open(const std::string& dir) {
  TRY(make_directories(dir, 0700));
  return ImageStore(dir);
}

std::string ImageStore::path_of(const ImageDigest& digest) const { return join_path(dir_, digest.hex()); }

// Under the lock: whatever an interrupted command left.
Status ImageStore::clear_leftovers() {
  TRY_ASSIGN(const std::vector<std::string> names, list_directory(dir_));
  for (const std::string& name : names) {
    if (name.compare(0, kStaging.size(), kStaging) == 0) TRY(remove_tree(join_path(dir_, name)));
  }
  return {};
}

Result<AddedImage> ImageStore::add(const ImageAdd& what, Deadline deadline) {
  TRY_ASSIGN(const Fd held, lock(dir_, deadline));
  TRY(clear_leftovers());
  const std::string staging = join_path(dir_, std::string(kStaging) + std::to_string(getpid()));
  Result<AddedImage> added = make(what, staging, deadline);
  if (added.ok() && !added->was_there && rename(staging.c_str(), path_of(added->digest).c_str()) != 0) {
    added = errno_error("rename " + staging);
  }
  if (!added.ok() || added->was_there) {
    Status removed = remove_tree(staging);
    if (added.ok() && !removed.ok()) return std::move(removed).error();
  }
  return added;
}

Result<AddedImage> ImageStore::make(const ImageAdd& what, const std::string& staging, Deadline deadline) {
  TRY_ASSIGN(LayoutImage image, read_layout(what.layout_dir, what.wanted));
  AddedImage added;
  added.digest = image.digest;
  if (find(image.digest).ok()) {
    added.was_there = true;
    return added;
  }
  TRY(remove_tree(path_of(image.digest)));  // a damaged one
  if (mkdir(staging.c_str(), 0700) != 0) return errno_error("mkdir " + staging);
  const std::string tree = join_path(staging, kTree), squashfs = join_path(staging, kSquashfs);
  if (mkdir(tree.c_str(), 0700) != 0) return errno_error("mkdir " + tree);
  TRY_ASSIGN(const Flattened flattened, flatten(image.layers, tree, what.flattener, deadline));
  for (size_t i = 0; i < flattened.diff_ids.size(); ++i) {
    if (flattened.diff_ids[i] == image.config.diff_ids[i]) continue;
    return Error{Code::kCorrupt, "layer " + std::to_string(i + 1) + ": its content is not that of the config's diff_id",
                 0};
  }
  added.entries = flattened.entries;
  added.bytes = flattened.bytes;
  added.skipped = flattened.skipped;
  TRY(write_squashfs(tree, squashfs, deadline));
  const std::string verity = join_path(staging, kVerity);
  RootfsRecord record;
  record.salt = image.digest.hex();
  TRY_ASSIGN(const Verity made, write_verity(squashfs, verity, std::string(image.digest.view())));
  record.root_hash = made.root_hash;
  record.data_blocks = made.data_blocks;
  record.verity_bytes = size_of(verity);
  TRY(write_file(join_path(staging, "manifest.json"), image.manifest_json));
  TRY(write_file(join_path(staging, "config.json"), image.config_json));
  TRY(write_file(join_path(staging, kRecord), encode_rootfs_record(record)));
  return added;
}

Result<Rootfs> ImageStore::find(const ImageDigest& digest) const {
  const std::string dir = path_of(digest);
  const std::string record_path = join_path(dir, kRecord);
  Result<std::string> text = read_file(record_path, limits::kPathBytes);
  if (!text.ok() && text.error().code == Code::kNotFound) {
    return Error{Code::kNotFound, "no image " + digest.text() + " here: add it with `hpcc image add DIR`", 0};
  }
  if (!text.ok()) return text.error();
  TRY_ASSIGN(const RootfsRecord record, decode_rootfs_record(*text));
  Rootfs rootfs;
  rootfs.digest = digest;
  rootfs.tree_dir = join_path(dir, kTree);
  rootfs.squashfs = join_path(dir, kSquashfs);
  rootfs.verity = join_path(dir, kVerity);
  rootfs.root_hash = record.root_hash;
  rootfs.salt = record.salt;
  rootfs.data_blocks = record.data_blocks;
  if (size_of(rootfs.squashfs) != record.data_blocks * kVerityBlockBytes ||
      size_of(rootfs.verity) != record.verity_bytes || !is_directory(rootfs.tree_dir)) {
    return Error{Code::kCorrupt, dir + ": damaged; remove it with `hpcc image rm` and add it again", 0};
  }
  return rootfs;
}

Result<std::vector<ImageDigest>> ImageStore::list() const {
  TRY_ASSIGN(const std::vector<std::string> names, list_directory(dir_));
  std::vector<ImageDigest> out;
  for (const std::string& name : names) {
    const std::optional<ImageDigest> digest = name.size() == kHexDigits ? ImageDigest::from_hex(name) : std::nullopt;
    if (digest) out.push_back(*digest);
  }
  return out;
}

Status ImageStore::remove(const ImageDigest& digest) {
  constexpr int64_t kLockMs = 10'000;
  TRY_ASSIGN(const Fd held, lock(dir_, Deadline::after_ms(kLockMs)));
  const std::string dir = path_of(digest);
  if (!is_directory(dir)) return Error{Code::kNotFound, "no image " + digest.text() + " here", 0};
  // Out of sight first: a reader must not find half an image.
  const std::string staging = join_path(dir_, std::string(kStaging) + std::to_string(getpid()));
  if (rename(dir.c_str(), staging.c_str()) != 0) return errno_error("rename " + dir);
  return remove_tree(staging);
}

}  // namespace hpcc
