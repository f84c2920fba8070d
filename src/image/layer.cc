#include "image/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/limits.h"

namespace hpcc {
namespace {

// Dates before 1970 and after 2100 are mistakes, and squashfs has 32 bits for them.
constexpr int64_t kLastSecond = 4102444800;

struct ArchiveCloser {
  void operator()(struct archive* archive) const { archive_read_free(archive); }
};
using Archive = std::unique_ptr<struct archive, ArchiveCloser>;

// What libarchive's callback sees: the decompressed bytes, and the error that ended them.
struct Feed {
  Inflater* inflater = nullptr;
  std::optional<Error> failed;
};

la_ssize_t read_feed(struct archive* archive, void* data, const void** bytes) {
  Feed& feed = *static_cast<Feed*>(data);
  Result<std::string_view> got = feed.inflater->next();
  if (!got.ok()) {
    feed.failed = std::move(got).error();
    archive_set_error(archive, 1, "%s", feed.failed->message.c_str());
    return -1;
  }
  *bytes = got->data();
  return static_cast<la_ssize_t>(got->size());
}

Error archive_error(struct archive* archive, const Feed& feed) {
  if (feed.failed) return *feed.failed;
  const char* said = archive_error_string(archive);
  return {Code::kInvalid, std::string("not a sound tar file: ") + (said ? said : "no reason given"), 0};
}

class ArchiveContent final : public TreeWriter::Content {
 public:
  ArchiveContent(struct archive* archive, const Feed& feed) : archive_(archive), feed_(feed) {}
  Result<TreeWriter::Piece> next() override {
    for (;;) {
      const void* bytes = nullptr;
      size_t size = 0;
      la_int64_t offset = 0;
      const int code = archive_read_data_block(archive_, &bytes, &size, &offset);
      if (code == ARCHIVE_EOF) return TreeWriter::Piece{};
      if (code != ARCHIVE_OK || offset < 0) return archive_error(archive_, feed_);
      if (size == 0) continue;
      return TreeWriter::Piece{{static_cast<const char*>(bytes), size}, static_cast<uint64_t>(offset)};
    }
  }

 private:
  struct archive* archive_;
  const Feed& feed_;
};

Status decode_entry(struct archive* archive, const Feed& feed, struct archive_entry* entry, TreeWriter& tree) {
  const char* path = archive_entry_pathname(entry);
  if (!path) return Error{Code::kInvalid, "an entry without a name", 0};
  const int64_t mtime_s = std::clamp<int64_t>(archive_entry_mtime(entry), 0, kLastSecond);
  if (const char* target = archive_entry_hardlink(entry)) return tree.add_hard_link(path, target);
  switch (archive_entry_filetype(entry)) {
    case AE_IFDIR:
      return tree.add_directory(path, mtime_s);
    case AE_IFLNK: {
      const char* target = archive_entry_symlink(entry);
      return tree.add_symlink(path, mtime_s, target ? target : "");
    }
    case AE_IFREG: {
      const int64_t size = archive_entry_size(entry);
      if (size < 0) return Error{Code::kInvalid, "a negative size", 0};
      ArchiveContent content(archive, feed);
      return tree.add_file(path, mtime_s, static_cast<uint64_t>(size), archive_entry_perm(entry), content);
    }
    case AE_IFCHR:
    case AE_IFBLK:
    case AE_IFIFO:
    case AE_IFSOCK:
      return tree.skip_special(path);
    default:  // an open set: the archive's own number
      return Error{Code::kInvalid, "an entry of unknown type", 0};
  }
}

Status decode_tar(Feed& feed, TreeWriter& tree) {
  Archive archive(archive_read_new());
  if (!archive) return Error{Code::kLimit, "no memory to read tar", 0};
  archive_read_support_filter_none(archive.get());
  archive_read_support_format_tar(archive.get());
  archive_read_support_format_empty(archive.get());
  if (archive_read_open(archive.get(), &feed, nullptr, read_feed, nullptr) != ARCHIVE_OK) {
    return archive_error(archive.get(), feed);
  }
  std::string last = "the first entry";
  for (;;) {
    struct archive_entry* entry = nullptr;
    const int code = archive_read_next_header(archive.get(), &entry);
    if (code == ARCHIVE_EOF) return {};
    if (code != ARCHIVE_OK) {
      Error error = archive_error(archive.get(), feed);
      error.message = "at or after " + last + ": " + error.message;
      return error;
    }
    const char* path = archive_entry_pathname(entry);
    last = path ? std::string(path).substr(0, limits::kPathBytes) : "an entry without a name";
    Status done = decode_entry(archive.get(), feed, entry, tree);
    if (!done.ok()) {
      Error error = std::move(done).error();
      error.message = last + ": " + error.message;
      return error;
    }
  }
}

}  // namespace

Result<BlobDigest> decode_layer(ByteSource source, LayerCompression compression, TreeWriter& tree) {
  TRY_ASSIGN(Inflater inflater, Inflater::create(std::move(source), compression, limits::kImageTarBytes));
  tree.start_layer();
  Feed feed;
  feed.inflater = &inflater;
  TRY(decode_tar(feed, tree));
  // Padding after the tar's end belongs to the diff_id too.
  for (;;) {
    TRY_ASSIGN(const std::string_view rest, inflater.next());
    if (rest.empty()) break;
  }
  return inflater.digest();
}

}  // namespace hpcc
