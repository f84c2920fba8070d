#include "guest/assemble.h"

#include "base/limits.h"
#include "model/probes.h"

namespace hpcc::proxy {
namespace {

Error breach(const std::string& what) {
  return Error{Code::kCorrupt, "the guest's agent broke the protocol: " + what, 0};
}

Status append(std::string* to, const std::string& bytes, size_t limit_bytes, const char* what) {
  if (bytes.size() > limit_bytes - to->size()) return breach(std::string("too much ") + what);
  to->append(bytes);
  return {};
}

// kExited needs the code; every other end is shown as the signal's or as SIGKILL.
Status set_end(const v1::Result& from, ProxyResult* to) {
  constexpr uint32_t kKilled = 137;
  to->exit_code = kKilled;
  switch (from.end()) {
    case v1::END_EXITED:
      to->end = GuestEnd::kExited;
      to->exit_code = from.code();
      return from.code() <= 255 ? Status() : breach("exit code");
    case v1::END_SIGNALLED:
      to->end = GuestEnd::kSignalled;
      to->exit_code = 128 + from.code();
      return from.code() >= 1 && from.code() <= 64 ? Status() : breach("signal");
    case v1::END_TIME_LIMIT:
      to->end = GuestEnd::kTimeLimit;
      return {};
    case v1::END_MEMORY_LIMIT:
      to->end = GuestEnd::kMemoryLimit;
      return {};
    case v1::END_OUTPUT_LIMIT:
      to->end = GuestEnd::kOutputLimit;
      return {};
    case v1::END_REFUSED_OUTPUT:
      to->end = GuestEnd::kRefusedOutput;
      return {};
    case v1::END_CANCELLED:
    case v1::END_FAILED:
    case v1::END_UNSPECIFIED:
    case v1::End_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::End_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return breach("end");
}

}  // namespace

Status Assembler::started() {
  if (started_) return breach("started twice");
  started_ = true;
  return {};
}

Status Assembler::data(const v1::Data& data) {
  if (!started_) return breach("data before start");
  if (data.bytes().empty()) return breach("empty data");
  if (data.stream() < stream_) return breach("order of streams");
  stream_ = data.stream();
  switch (data.stream()) {
    case v1::STREAM_STDOUT:
      return append(&stdout_, data.bytes(), limits_.stdio_bytes, "stdout");
    case v1::STREAM_STDERR:
      return append(&stderr_, data.bytes(), limits_.stdio_bytes, "stderr");
    case v1::STREAM_PROBES:
      return append(&probes_, data.bytes(), limits::kProbesBytes, "probes");
    case v1::STREAM_OUTPUT:
      return output_data(data);
    case v1::STREAM_UNSPECIFIED:
    case v1::Stream_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Stream_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return breach("unknown stream");
}

Status Assembler::output_data(const v1::Data& data) {
  if (data.output() >= files_.size()) return breach("an output nobody asked for");
  if (data.output() < output_) return breach("order of outputs");
  output_ = data.output();
  if (data.bytes().size() > limits_.output_bytes - output_bytes_) return breach("outputs larger than allowed");
  output_bytes_ += data.bytes().size();
  std::optional<MemoryFile>& file = files_[output_];
  if (!file) {
    TRY_ASSIGN(file, MemoryFile::create());
  }
  return file->append(data.bytes());
}

Status Assembler::take_outputs(const v1::Result& result, Assembled* out) {
  uint64_t listed_bytes = 0;
  for (const v1::Output& row : result.outputs()) {
    const std::vector<Output>& before = out->result.outputs;
    if (row.output() >= files_.size() || (!before.empty() && before.back().output >= row.output())) {
      return breach("list of outputs");
    }
    std::optional<MemoryFile>& file = files_[row.output()];
    if (!file && row.size() == 0) {
      TRY_ASSIGN(file, MemoryFile::create());
    }
    if (!file || file->size_bytes() != row.size()) return breach("size of an output");
    listed_bytes += row.size();
    TRY_ASSIGN(Fd sealed, std::move(*file).seal());
    out->files.push_back(std::move(sealed));
    out->result.outputs.push_back({row.output(), row.executable(), row.size()});
  }
  return listed_bytes == output_bytes_ ? Status() : breach("data of an output that is not listed");
}

Result<Assembled> Assembler::finish(const v1::Result& from, bool was_cancelled) {
  Assembled out;
  if (from.message().size() > limits::kGuestMessageBytes) return breach("message too long");
  if (from.end() == v1::END_FAILED) {
    out.failed = Error{Code::kIo, "the guest could not run the compile: " + from.message(), 0};
    return out;
  }
  if (!started_) return breach("result before start");
  if (from.stdout_size() != stdout_.size() || from.stderr_size() != stderr_.size() ||
      from.probes_size() != probes_.size()) {
    return breach("size of stdio or probes");
  }
  if (from.end() == v1::END_CANCELLED) {
    if (!was_cancelled) return breach("cancelled by itself");
    out.cancelled = true;
    return out;
  }
  TRY(set_end(from, &out.result));
  const bool ended_itself = out.result.end == GuestEnd::kExited || out.result.end == GuestEnd::kSignalled;
  if (!ended_itself && from.outputs_size() != 0) return breach("outputs of a compile that was ended");
  TRY(take_outputs(from, &out));
  if (probes_.empty()) probes_ = encode_probes(Probes{});
  Result<Probes> probes = decode_probes(probes_);
  if (!probes.ok()) return breach(probes.error().message);
  out.result.message = printable(from.message());
  out.result.observed = from.observed();
  out.result.peak_rss_kib = from.peak_rss_kib();
  out.result.cpu_ms = from.cpu_ms();
  out.result.wall_ms = from.wall_ms();
  out.result.stdout_bytes = std::move(stdout_);
  out.result.stderr_bytes = std::move(stderr_);
  out.result.probes = std::move(probes_);
  return out;
}

}  // namespace hpcc::proxy
