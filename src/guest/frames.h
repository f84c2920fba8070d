// What worker and proxy say to each other. Control socket (one per session) and channels (one per compile) are
// SOCK_SEQPACKET; a message is a kind and a payload, bulk travels as sealed memory.
//
// control  worker → proxy   kCompile   descriptors: channel, encoded GuestCompile
//          proxy → worker   kReady; kError: then the proxy ends, and with it the session
// channel  proxy → worker   kNeed      32-byte digests, at most kMessageFds of them
//          worker → proxy   kBlobs     one descriptor for each, in that order
//          proxy → worker   kResult    descriptors: encoded ProxyResult, then each output; or kError
//          worker closes it: the compile is cancelled
// error := u8 code, text
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "guest/guest.h"

namespace hpcc::proxy {

inline constexpr int kControlFd = 3, kAgentFd = 4;  // what the proxy is started with

enum class Kind : char { kCompile = 'C', kReady = 'Y', kError = 'E', kNeed = 'N', kBlobs = 'B', kResult = 'R' };

struct Output {
  uint32_t output = 0;  // index into GuestCompile::outputs
  bool executable = false;
  uint64_t size_bytes = 0;
};

// GuestResult as the proxy can tell it; the worker adds names and digests.
struct ProxyResult {
  GuestEnd end = GuestEnd::kExited;
  uint32_t exit_code = 0;
  bool observed = true;
  uint64_t peak_rss_kib = 0, cpu_ms = 0, wall_ms = 0;
  std::vector<Output> outputs;
  std::string stdout_bytes, stderr_bytes, probes, message;
};

// First message on the control socket, worker → proxy.
struct Settings {
  uint64_t blob_cache_bytes = 0;
  uint32_t grace_ms = 0;
};
std::string encode_settings(const Settings& settings);
Result<Settings> decode_settings(std::string_view bytes);

std::string encode_compile(const GuestCompile& compile);
Result<GuestCompile> decode_compile(std::string_view bytes);

std::string encode_result(const ProxyResult& result);
// `asked`: what the result must fit to. Everything is checked: a proxy may have been taken over by its guest.
Result<ProxyResult> decode_result(std::string_view bytes, const GuestCompile& asked);

// A guest's words, cut and without anything that a terminal would act on.
std::string printable(std::string_view text);

std::string encode_error(const Error& error);
Error decode_error(std::string_view payload);  // of any bytes something that can be shown

std::string encode_need(const std::vector<BlobDigest>& digests);
Result<std::vector<BlobDigest>> decode_need(std::string_view payload);

}  // namespace hpcc::proxy
