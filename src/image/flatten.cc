// On the stream: for each layer a LayerHeader and its bytes as they are stored; then the end of writing. Back comes one
// report: 'E' and a text, or 'K', three u64 (entries, bytes, skipped), and 32 bytes of diff_id per layer.
#include "image/flatten.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/child.h"
#include "base/fs.h"
#include "base/limits.h"
#include "image/layer.h"

namespace hpcc {
namespace {

struct LayerHeader {
  uint32_t magic = 0x6c637068;  // "hpcl"
  uint32_t compression = 0;
  uint64_t size_bytes = 0;
};

constexpr int kStream = 0, kTree = 3;
constexpr size_t kChunk = 256u << 10, kErrorBytes = 8192;
constexpr size_t kReportBytes = kErrorBytes + limits::kImageLayers * Sha256::kBytes;
// A tree of some gigabytes, decompressed by one thread.
constexpr uint64_t kMemoryBytes = 1u << 30, kCpuSeconds = 1800;

// --- the confined side ---

constexpr int kFlattenCalls[] = {SYS_openat,   SYS_openat2,  SYS_mkdirat,   SYS_unlinkat,  SYS_linkat,
                                 SYS_symlinkat, SYS_getdents64, SYS_pwrite64, SYS_ftruncate, SYS_fchmod,
                                 SYS_utimensat, SYS_fcntl, SYS_recvfrom};

Status read_exactly(int fd, void* to, size_t size) {
  char* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = read(fd, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Error{Code::kIo, "the stream of layers ended", 0};
    at += got;
    size -= static_cast<size_t>(got);
  }
  return {};
}

Result<LayerCompression> decode_layer_header(const LayerHeader& header) {
  if (header.magic != LayerHeader{}.magic || header.size_bytes > limits::kImageBytes) {
    return Error{Code::kInvalid, "bad layer header", 0};
  }
  for (LayerCompression known : {LayerCompression::kNone, LayerCompression::kGzip, LayerCompression::kZstd}) {
    if (header.compression == static_cast<uint32_t>(known)) return known;
  }
  return Error{Code::kInvalid, "bad layer header", 0};
}

Result<BlobDigest> flatten_layer(const LayerHeader& header, std::vector<char>& buffer, TreeWriter& tree) {
  TRY_ASSIGN(const LayerCompression compression, decode_layer_header(header));
  uint64_t left = header.size_bytes;
  const ByteSource source = [&]() -> Result<std::string_view> {
    if (left == 0) return std::string_view();
    ssize_t got;
    do got = read(kStream, buffer.data(), std::min<uint64_t>(left, buffer.size()));
    while (got < 0 && errno == EINTR);
    if (got <= 0) return Error{Code::kIo, "the stream of layers ended", 0};
    left -= static_cast<uint64_t>(got);
    return std::string_view(buffer.data(), static_cast<size_t>(got));
  };
  TRY_ASSIGN(const BlobDigest digest, decode_layer(source, compression, tree));
  if (left != 0) return Error{Code::kInvalid, "bytes after the compressed layer's end", 0};
  return digest;
}

Result<std::string> flatten_stream() {
  TRY_ASSIGN(TreeWriter tree, TreeWriter::create(Fd(kTree), TreeLimits{}));
  std::vector<char> buffer(kChunk);
  std::string diff_ids;
  for (size_t index = 0;; ++index) {
    LayerHeader header;
    const ssize_t first = recv(kStream, &header, 1, MSG_PEEK);
    if (first == 0) break;
    TRY(read_exactly(kStream, &header, sizeof header));
    Result<BlobDigest> digest = flatten_layer(header, buffer, tree);
    if (!digest.ok()) {
      Error error = std::move(digest).error();
      error.message = "layer " + std::to_string(index + 1) + ": " + error.message;
      return error;
    }
    diff_ids += digest->view();
  }
  TRY(tree.seal());
  std::string report = "K";
  for (uint64_t number : {tree.entries(), tree.bytes(), tree.skipped()}) {
    report.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  return report + diff_ids;
}

// --- the host's side ---

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

// Makes a tree that another uid wrote the caller's. Whoever wrote it is dead; links are never followed.
Status take_over(int parent, const std::string& name, uint32_t depth) {
  if (depth > limits::kImageDepth + 1) return Error{Code::kLimit, name + ": directories too deep", 0};
  Fd directory(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return errno_error("open " + name);
  if (fchown(directory.get(), geteuid(), getegid()) != 0) return errno_error("chown " + name);
  const int listed = dup(directory.get());
  std::unique_ptr<DIR, DirCloser> dir(listed < 0 ? nullptr : fdopendir(listed));
  if (!dir) return errno_error("list " + name);
  while (const struct dirent* entry = readdir(dir.get())) {
    const std::string child = entry->d_name;
    if (child == "." || child == "..") continue;
    if (fchownat(directory.get(), child.c_str(), geteuid(), getegid(), AT_SYMLINK_NOFOLLOW) != 0) {
      return errno_error("chown " + child);
    }
    if (entry->d_type == DT_DIR) TRY(take_over(directory.get(), child, depth + 1));
  }
  return {};
}

class Pump {
 public:
  Pump(int stream, Deadline deadline) : stream_(stream), deadline_(deadline), buffer_(kChunk) {}

  // kInterrupted-like: true when everything was sent, false when the flattener has something to say already.
  Result<bool> send_layer(const LayerFile& file) {
    LayerHeader header;
    header.compression = static_cast<uint32_t>(file.layer.compression);
    header.size_bytes = file.layer.size_bytes;
    TRY_ASSIGN(bool going, send({reinterpret_cast<const char*>(&header), sizeof header}));
    Sha256 hash;
    uint64_t sent = 0;
    while (going) {
      const ssize_t got = pread(file.blob.get(), buffer_.data(), buffer_.size(), static_cast<off_t>(sent));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno_error("read layer");
      if (got == 0) break;
      sent += static_cast<uint64_t>(got);
      if (sent > file.layer.size_bytes) break;
      hash.update(buffer_.data(), static_cast<size_t>(got));
      TRY_ASSIGN(going, send({buffer_.data(), static_cast<size_t>(got)}));
    }
    if (!going) return false;
    BlobDigest digest;
    hash.finish(digest.bytes.data());
    if (sent == file.layer.size_bytes && digest == file.layer.digest) return true;
    return Error{Code::kCorrupt, "blob sha256:" + file.layer.digest.hex() + " does not have its digest and size", 0};
  }

  Result<std::string> report() {
    shutdown(stream_, SHUT_WR);
    std::string out;
    for (;;) {
      TRY(wait_for(POLLIN));
      const ssize_t got = recv(stream_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return out;  // a reset counts as the end: what is missing does not decode
      out.append(buffer_.data(), static_cast<size_t>(got));
      if (out.size() > kReportBytes) return Error{Code::kLimit, "flattener: report too large", 0};
    }
  }

 private:
  Result<short> wait_for(short events) {
    struct pollfd wait = {stream_, events, 0};
    for (;;) {
      const int ready = poll(&wait, 1, deadline_.remaining_ms());
      if (ready > 0) return wait.revents;
      if (deadline_.passed()) return Error{Code::kTimeout, "flattening the image took too long", 0};
      if (ready < 0 && errno != EINTR) return errno_error("poll");
    }
  }

  Result<bool> send(std::string_view bytes) {
    while (!bytes.empty()) {
      TRY_ASSIGN(const short ready, wait_for(POLLIN | POLLOUT));
      if (ready & (POLLIN | POLLHUP | POLLERR)) return false;
      const ssize_t done = ::send(stream_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (done < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (done < 0) return false;
      bytes.remove_prefix(static_cast<size_t>(done));
    }
    return true;
  }

  int stream_;
  Deadline deadline_;
  std::vector<char> buffer_;
};

Result<Child> start_flattener(const std::string& program, const std::string& tree_dir, int stream, int tree) {
  ChildSpec spec;
  spec.program = program;
  spec.argv = {"hpcc-image", "--role=flatten"};
  spec.descriptors = {stream, -1, -1, tree};
  Confinement& confinement = spec.confinement.emplace();
  confinement.memory_bytes = kMemoryBytes;
  confinement.cpu_s = kCpuSeconds;
  confinement.descriptors = 2 * limits::kImageDepth + 64;
  confinement.threads = 4;
  confinement.readable = program_libraries();  // the C library's UTF-8 locale is there too
  confinement.writable = {tree_dir};
  return Child::start(spec);
}

}  // namespace

int run_flattener() {
  umask(0);
  // libarchive converts names by the C library's character set; in "C" it refuses what is not ASCII.
  if (!setlocale(LC_CTYPE, "C.UTF-8")) return 1;
  const Status confined = restrict_syscalls(kFlattenCalls);
  Result<std::string> report = confined.ok() ? flatten_stream() : Result<std::string>(confined.error());
  const bool good = report.ok();
  const std::string bytes = good ? *report : "E" + report.error().to_string().substr(0, kErrorBytes - 1);
  const Status told = write_fd(kStream, bytes, "report");
  return good && told.ok() ? 0 : 1;
}

Result<Flattened> decode_flatten_report(std::string_view bytes, size_t layers) {
  if (!bytes.empty() && bytes.front() == 'E' && bytes.size() <= kErrorBytes) {
    // Names in it are hostile: nothing a terminal would act on.
    std::string text;
    for (const char c : bytes.substr(1)) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    return Error{Code::kInvalid, text, 0};
  }
  Flattened out;
  uint64_t numbers[3];
  if (bytes.size() != 1 + sizeof numbers + layers * Sha256::kBytes || bytes.front() != 'K') {
    return Error{Code::kIo, "the flattener ended without a report", 0};
  }
  memcpy(numbers, bytes.data() + 1, sizeof numbers);
  out.entries = numbers[0];
  out.bytes = numbers[1];
  out.skipped = numbers[2];
  bytes.remove_prefix(1 + sizeof numbers);
  for (size_t i = 0; i < layers; ++i) {
    BlobDigest digest;
    memcpy(digest.bytes.data(), bytes.data() + i * Sha256::kBytes, Sha256::kBytes);
    out.diff_ids.push_back(digest);
  }
  return out;
}

Result<Flattened> flatten(std::vector<LayerFile>& layers, const std::string& tree_dir, const std::string& program,
                          Deadline deadline) {
  Fd tree(open(tree_dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!tree) return errno_error("open " + tree_dir);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
  Fd ours(ends[0]), theirs(ends[1]);
  TRY_ASSIGN(Child child, start_flattener(program, tree_dir, theirs.get(), tree.get()));
  theirs.reset();
  // It touches the tree only after the first byte from us.
  const uid_t own = geteuid() == 0 ? kOwnUidBase + static_cast<uid_t>(child.pid()) : geteuid();
  if (geteuid() == 0 && fchown(tree.get(), own, own) != 0) return errno_error("chown " + tree_dir);
  Pump pump(ours.get(), deadline);
  for (const LayerFile& layer : layers) {
    TRY_ASSIGN(const bool going, pump.send_layer(layer));
    if (!going) break;
  }
  TRY_ASSIGN(const std::string bytes, pump.report());
  TRY_ASSIGN(const int code, child.wait(deadline));
  Result<Flattened> report = decode_flatten_report(bytes, layers.size());
  if (report.ok() && code != 0) return Error{Code::kIo, "the flattener failed", 0};
  if (!report.ok() && code > 128) {
    return Error{Code::kIo, "the flattener was ended by signal " + std::to_string(code - 128), 0};
  }
  if (!report.ok()) return report;
  if (geteuid() == 0) TRY(take_over(AT_FDCWD, tree_dir, 0));
  return report;
}

}  // namespace hpcc
