#include "guest/frames.h"

#include <algorithm>

#include "base/fs.h"
#include "base/limits.h"
#include "base/message.h"
#include "model/codec.h"

namespace hpcc::proxy {
namespace {

constexpr size_t kTextBytes = 4096;

Error malformed(const char* what) { return Error{Code::kCorrupt, std::string("proxy: malformed ") + what, 0}; }

void put_list(ByteWriter& out, const std::vector<std::string>& words) {
  out.u32(static_cast<uint32_t>(words.size()));
  for (const std::string& word : words) out.text32(word);
}

bool read_list(ByteReader& in, size_t limit_count, size_t limit_bytes, std::vector<std::string>* out) {
  const uint32_t count = in.count(4, limit_count);
  for (uint32_t i = 0; i < count && in.ok(); ++i) out->emplace_back(in.text32(limit_bytes));
  return in.ok();
}

bool read_flag(ByteReader& in) {
  const uint8_t value = in.u8();
  if (value > 1) in.fail();
  return value == 1;
}

template <typename Paths>
bool all_plain(const Paths& paths) {
  return std::all_of(paths.begin(), paths.end(), [](const std::string& path) { return is_plain_relative(path); });
}

bool read_inputs(ByteReader& in, std::vector<GuestInput>* out) {
  const uint32_t count = in.count(45, limits::kGuestInputs);
  for (uint32_t i = 0; i < count; ++i) {
    GuestInput input;
    input.path = in.text32(limits::kPathBytes);
    std::string_view digest = in.raw(Sha256::kBytes);
    input.size_bytes = in.u64();
    input.executable = read_flag(in);
    if (!in.ok() || !is_plain_relative(input.path)) return false;
    std::copy(digest.begin(), digest.end(), input.digest.bytes.begin());
    out->push_back(std::move(input));
  }
  return in.ok();
}

bool is_known(Code code) {
  switch (code) {
    case Code::kNotFound:
    case Code::kInvalid:
    case Code::kCorrupt:
    case Code::kLimit:
    case Code::kPermission:
    case Code::kUnsupported:
    case Code::kTimeout:
    case Code::kIo:
      return true;
  }
  return false;
}

bool is_known(GuestEnd end) {
  switch (end) {
    case GuestEnd::kExited:
    case GuestEnd::kSignalled:
    case GuestEnd::kTimeLimit:
    case GuestEnd::kMemoryLimit:
    case GuestEnd::kOutputLimit:
    case GuestEnd::kRefusedOutput:
      return true;
  }
  return false;
}

}  // namespace

std::string encode_settings(const Settings& settings) {
  ByteWriter out;
  out.u64(settings.blob_cache_bytes);
  out.u32(settings.grace_ms);
  return out.take();
}

Result<Settings> decode_settings(std::string_view bytes) {
  ByteReader in(bytes);
  Settings settings;
  settings.blob_cache_bytes = in.u64();
  settings.grace_ms = in.u32();
  if (!in.finished()) return malformed("settings");
  return settings;
}

std::string encode_compile(const GuestCompile& compile) {
  ByteWriter out;
  put_list(out, compile.argv);
  put_list(out, compile.environment);
  out.text32(compile.working_directory);
  out.u32(static_cast<uint32_t>(compile.inputs.size()));
  for (const GuestInput& input : compile.inputs) {
    out.text32(input.path);
    out.raw(input.digest.view());
    out.u64(input.size_bytes);
    out.u8(input.executable ? 1 : 0);
  }
  put_list(out, compile.directories);
  put_list(out, compile.outputs);
  out.u32(compile.limits.wall_ms);
  out.u32(compile.limits.processes);
  out.u64(compile.limits.memory_bytes);
  out.u64(compile.limits.disk_bytes);
  out.u64(compile.limits.output_bytes);
  out.u32(compile.limits.stdio_bytes);
  return out.take();
}

Result<GuestCompile> decode_compile(std::string_view bytes) {
  ByteReader in(bytes);
  GuestCompile out;
  if (!read_list(in, limits::kArgvCount, limits::kArgvBytes, &out.argv) ||
      !read_list(in, limits::kArgvCount, limits::kEnvBytes, &out.environment)) {
    return malformed("command");
  }
  out.working_directory = in.text32(limits::kPathBytes);
  if (!read_inputs(in, &out.inputs) || !read_list(in, limits::kGuestInputs, limits::kPathBytes, &out.directories) ||
      !read_list(in, limits::kGuestOutputs, limits::kPathBytes, &out.outputs)) {
    return malformed("paths");
  }
  out.limits.wall_ms = in.u32();
  out.limits.processes = in.u32();
  out.limits.memory_bytes = in.u64();
  out.limits.disk_bytes = in.u64();
  out.limits.output_bytes = in.u64();
  out.limits.stdio_bytes = in.u32();
  const bool plain = all_plain(out.directories) && all_plain(out.outputs) &&
                     (out.working_directory.empty() || is_plain_relative(out.working_directory));
  if (!in.finished() || out.argv.empty() || !plain || out.limits.stdio_bytes > limits::kStdioBytes ||
      out.limits.output_bytes > limits::kOutputBytes) {
    return malformed("compile");
  }
  return out;
}

std::string encode_result(const ProxyResult& result) {
  ByteWriter out;
  out.u8(static_cast<uint8_t>(result.end));
  out.u32(result.exit_code);
  out.u8(result.observed ? 1 : 0);
  out.u64(result.peak_rss_kib);
  out.u64(result.cpu_ms);
  out.u64(result.wall_ms);
  out.u32(static_cast<uint32_t>(result.outputs.size()));
  for (const Output& output : result.outputs) {
    out.u32(output.output);
    out.u8(output.executable ? 1 : 0);
    out.u64(output.size_bytes);
  }
  out.text32(result.stdout_bytes);
  out.text32(result.stderr_bytes);
  out.text32(result.probes);
  out.text32(result.message);
  return out.take();
}

Result<ProxyResult> decode_result(std::string_view bytes, const GuestCompile& asked) {
  ByteReader in(bytes);
  ProxyResult out;
  out.end = static_cast<GuestEnd>(in.u8());
  out.exit_code = in.u32();
  out.observed = read_flag(in);
  out.peak_rss_kib = in.u64();
  out.cpu_ms = in.u64();
  out.wall_ms = in.u64();
  if (!in.ok() || !is_known(out.end) || out.exit_code > 255) return malformed("result");
  const uint32_t count = in.count(13, asked.outputs.size());
  uint64_t total_bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    Output output;
    output.output = in.u32();
    output.executable = read_flag(in);
    output.size_bytes = in.u64();
    const bool ordered = out.outputs.empty() || out.outputs.back().output < output.output;
    if (!in.ok() || output.output >= asked.outputs.size() || !ordered) return malformed("outputs");
    if (output.size_bytes > asked.limits.output_bytes - total_bytes) return malformed("output size");
    total_bytes += output.size_bytes;
    out.outputs.push_back(output);
  }
  out.stdout_bytes = in.text32(asked.limits.stdio_bytes);
  out.stderr_bytes = in.text32(asked.limits.stdio_bytes);
  out.probes = in.text32(limits::kProbesBytes);
  out.message = in.text32(kTextBytes);
  if (!in.finished() || printable(out.message) != out.message) return malformed("result");
  return out;
}

std::string printable(std::string_view text) {
  std::string out(text.substr(0, kTextBytes));
  for (char& c : out) c = c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

std::string encode_error(const Error& error) {
  std::string out(1, static_cast<char>(error.code));
  const std::string text = error.sys_errno != 0 ? error.to_string() : error.message;
  return out + text.substr(0, kTextBytes);
}

Error decode_error(std::string_view payload) {
  Error error{Code::kCorrupt, "the guest's proxy failed", 0};
  if (payload.empty()) return error;
  const Code code = static_cast<Code>(static_cast<uint8_t>(payload[0]));
  if (is_known(code)) error.code = code;
  error.message = printable(payload.substr(1));
  return error;
}

std::string encode_need(const std::vector<BlobDigest>& digests) {
  std::string out;
  for (const BlobDigest& digest : digests) out += digest.view();
  return out;
}

Result<std::vector<BlobDigest>> decode_need(std::string_view payload) {
  if (payload.empty() || payload.size() % Sha256::kBytes != 0 || payload.size() / Sha256::kBytes > kMessageFds) {
    return malformed("need");
  }
  std::vector<BlobDigest> out;
  for (size_t at = 0; at < payload.size(); at += Sha256::kBytes) {
    BlobDigest digest;
    std::copy_n(payload.begin() + static_cast<ptrdiff_t>(at), Sha256::kBytes, digest.bytes.begin());
    out.push_back(digest);
  }
  return out;
}

}  // namespace hpcc::proxy
