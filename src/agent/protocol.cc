#include "agent/protocol.h"

#include <set>
#include <string>

#include "base/fs.h"
#include "base/limits.h"
#include "base/sha256.h"

namespace hpcc {
namespace {

Error bad(const std::string& what) { return Error{Code::kInvalid, "host frame: " + what, 0}; }

template <typename Strings>
Status check_words(const Strings& words, size_t limit_count, size_t limit_bytes, const char* what) {
  size_t bytes = 0;
  if (static_cast<size_t>(words.size()) > limit_count) return bad(std::string("too many ") + what);
  for (const std::string& word : words) {
    bytes += word.size() + 1;
    if (word.find('\0') != std::string::npos) return bad(std::string("NUL in ") + what);
  }
  return bytes > limit_bytes ? bad(std::string("too long ") + what) : Status();
}

Status check_paths(const v1::Compile& compile) {
  std::set<std::string_view> files;
  for (const v1::Input& input : compile.inputs()) {
    if (!is_plain_relative(input.path())) return bad("input path");
    if (input.digest().size() != Sha256::kBytes) return bad("input digest");
    if (!files.insert(input.path()).second) return bad("two inputs of one path");
  }
  std::set<std::string_view> outputs;
  for (const std::string& path : compile.outputs()) {
    if (!is_plain_relative(path)) return bad("output path");
    if (!outputs.insert(path).second) return bad("two outputs of one path");
  }
  for (const std::string& path : compile.directories()) {
    if (!is_plain_relative(path)) return bad("directory path");
  }
  const std::string& cwd = compile.working_directory();
  return cwd.empty() || is_plain_relative(cwd) ? Status() : bad("working directory");
}

Status check_blob(const v1::Blob& blob) {
  if (blob.digest().size() != Sha256::kBytes) return bad("blob digest");
  if (blob.data().size() > limits::kGuestChunkBytes || blob.data().size() > blob.size()) return bad("blob part");
  return {};
}

}  // namespace

Status check_compile(const v1::Compile& compile) {
  if (compile.argv().empty() || compile.argv(0).empty()) return bad("no command");
  TRY(check_words(compile.argv(), limits::kArgvCount, limits::kArgvBytes, "arguments"));
  TRY(check_words(compile.environment(), limits::kArgvCount, limits::kEnvBytes, "variables"));
  if (static_cast<size_t>(compile.inputs_size()) > limits::kGuestInputs ||
      static_cast<size_t>(compile.directories_size()) > limits::kGuestInputs ||
      static_cast<size_t>(compile.outputs_size()) > limits::kGuestOutputs) {
    return bad("too many paths");
  }
  TRY(check_paths(compile));
  const v1::Limits& limit = compile.limits();
  if (limit.wall_ms() == 0 || limit.processes() == 0 || limit.memory_bytes() == 0 || limit.disk_bytes() == 0 ||
      limit.output_bytes() == 0 || limit.stdio_bytes() == 0 || limit.stdio_bytes() > limits::kStdioBytes) {
    return bad("limits");
  }
  return {};
}

Status check_host_frame(const v1::HostFrame& frame) {
  switch (frame.frame_case()) {
    case v1::HostFrame::kHello:
      return frame.hello().seed().size() == 32 && frame.hello().unix_ns() > 0 ? Status() : bad("hello");
    case v1::HostFrame::kBlob:
      return check_blob(frame.blob());
    case v1::HostFrame::kDrop:
      for (const std::string& digest : frame.drop().digests()) {
        if (digest.size() != Sha256::kBytes) return bad("dropped digest");
      }
      return {};
    case v1::HostFrame::kCompile:
      return check_compile(frame.compile());
    case v1::HostFrame::kCancel:
      return {};
    case v1::HostFrame::FRAME_NOT_SET:
      break;
  }
  return bad("unknown kind");
}

}  // namespace hpcc
