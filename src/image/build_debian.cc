#include "image/build_debian.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/child.h"
#include "base/fs.h"
#include "image/layer_writer.h"
#include "image/programs.h"
#include "model/digest.h"

namespace hpcc {
namespace {

constexpr char kSuite[] = "bookworm";
constexpr char kPackages[] = "--include=gcc,g++,clang";
// What the image's own set-up writes gets this time (2026-01-01); files of packages are older and keep theirs.
constexpr char kEpoch[] = "SOURCE_DATE_EPOCH=1767225600";

Result<Child> start_mmdebstrap(int output) {
  ChildSpec spec;
  TRY_ASSIGN(spec.program, find_mmdebstrap());
  spec.argv = {"mmdebstrap", "--variant=minbase", "--format=tar", "--quiet", kPackages, kSuite, "-"};
  // Proxies are the machine's own; everything else is pinned.
  spec.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", kEpoch};
  for (const char* name : {"HOME", "http_proxy", "https_proxy", "no_proxy", "TMPDIR"}) {
    if (const char* value = getenv(name)) spec.environment.push_back(std::string(name) + "=" + value);
  }
  spec.descriptors = {-1, output, STDERR_FILENO};
  spec.dies_with_starter = true;
  return Child::start(spec);
}

Status copy_tar(int tar, LayerWriter& layer, Deadline deadline) {
  std::vector<char> buffer(1u << 20);
  for (;;) {
    struct pollfd wait = {tar, POLLIN, 0};
    if (poll(&wait, 1, deadline.remaining_ms()) <= 0) {
      if (deadline.passed()) return Error{Code::kTimeout, "mmdebstrap took too long", 0};
      continue;
    }
    const ssize_t got = read(tar, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read from mmdebstrap");
    if (got == 0) return {};
    TRY(layer.write({buffer.data(), static_cast<size_t>(got)}));
  }
}

struct Blob {
  std::string digest;  // "sha256:…"
  uint64_t size_bytes = 0;
};

Status write_text(const std::string& path, const std::string& text) {
  Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file) return errno_error("create " + path);
  return write_fd(file.get(), text, path);
}

Result<Blob> write_blob(const std::string& blobs, const std::string& text) {
  const BlobDigest digest = BlobDigest::of(text);
  TRY(write_text(join_path(blobs, digest.hex()), text));
  return Blob{digest.text(), text.size()};
}

std::string descriptor(const std::string& media_type, const Blob& blob) {
  return "{\"mediaType\":\"application/vnd.oci.image." + media_type + "\",\"digest\":\"" + blob.digest +
         "\",\"size\":" + std::to_string(blob.size_bytes);
}

Status write_layout(const std::string& dir, const std::string& blobs, const LayerWriter::Done& layer) {
  const Blob layer_blob = {layer.blob.text(), layer.size_bytes};
  TRY_ASSIGN(const Blob config,
             write_blob(blobs, "{\"architecture\":\"amd64\",\"os\":\"linux\","
                               "\"config\":{\"Env\":[\"PATH=/usr/bin:/bin\"]},"
                               "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" +
                                   layer.diff_id.text() + "\"]}}"));
  TRY_ASSIGN(const Blob manifest,
             write_blob(blobs, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
                               "\"config\":" +
                                   descriptor("config.v1+json", config) + "},\"layers\":[" +
                                   descriptor("layer.v1.tar+zstd", layer_blob) + "}]}"));
  TRY(write_text(join_path(dir, "index.json"),
                 "{\"schemaVersion\":2,\"manifests\":[" + descriptor("manifest.v1+json", manifest) +
                     ",\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"},\"annotations\":"
                     "{\"org.opencontainers.image.ref.name\":\"debian-gcc\"}}]}"));
  return write_text(join_path(dir, "oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}");
}

Status build(const std::string& dir, Deadline deadline) {
  const std::string blobs = join_path(dir, "blobs/sha256"), unnamed = join_path(dir, "layer");
  TRY(make_directories(blobs, 0755));
  TRY_ASSIGN(LayerWriter layer, LayerWriter::create(unnamed));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  Fd tar(ends[0]), writer(ends[1]);
  TRY_ASSIGN(Child child, start_mmdebstrap(writer.get()));
  writer.reset();
  TRY(copy_tar(tar.get(), layer, deadline));
  TRY_ASSIGN(const int code, child.wait(deadline));
  if (code != 0) return Error{Code::kIo, "mmdebstrap failed with exit code " + std::to_string(code), 0};
  TRY_ASSIGN(const LayerWriter::Done done, layer.finish());
  if (rename(unnamed.c_str(), join_path(blobs, done.blob.hex()).c_str()) != 0) return errno_error("rename " + unnamed);
  return write_layout(dir, blobs, done);
}

}  // namespace

Status build_debian_gcc(const std::string& layout_dir, Deadline deadline) {
  const std::string staging = layout_dir + ".new";
  TRY(remove_tree(staging));
  Status built = build(staging, deadline);
  if (built.ok() && rename(staging.c_str(), layout_dir.c_str()) != 0) built = errno_error("rename " + staging);
  if (!built.ok()) static_cast<void>(remove_tree(staging));
  return built;
}

}  // namespace hpcc
