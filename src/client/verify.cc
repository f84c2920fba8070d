#include "client/verify.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "compiler/object_scan.h"

namespace hpcc {
namespace {

constexpr size_t kSectionsNamed = 8;

std::optional<double> decode_number(std::string_view text) {
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<double> decode_rate(std::string_view text) {
  double divisor = 1;
  if (text.ends_with('%')) {
    text.remove_suffix(1);
    divisor = 100;
  } else if (size_t slash = text.find('/'); slash != std::string_view::npos) {
    std::optional<double> below = decode_number(text.substr(slash + 1));
    if (!below || *below <= 0) return std::nullopt;
    divisor = *below;
    text = text.substr(0, slash);
  }
  std::optional<double> above = decode_number(text);
  if (!above || *above < 0) return std::nullopt;
  return *above / divisor;
}

size_t first_difference(std::string_view a, std::string_view b) {
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  return at;
}

// How the bytes of one output differ; "" when they do not.
std::string describe(std::string_view stored, std::string_view compiled) {
  if (stored == compiled) return "";
  std::string text = std::to_string(stored.size()) + " bytes stored, " + std::to_string(compiled.size()) +
                     " compiled, first difference at byte " + std::to_string(first_difference(stored, compiled));
  std::string sections;
  for (const std::string& section : differing_sections(stored, compiled, kSectionsNamed)) {
    sections += (sections.empty() ? "; sections " : ", ") + section;
  }
  return text + sections;
}

const OutputImage* find(const std::vector<OutputImage>& outputs, const std::string& path) {
  auto at = std::find_if(outputs.begin(), outputs.end(), [&](const OutputImage& image) { return image.path == path; });
  return at == outputs.end() ? nullptr : &*at;
}

}  // namespace

double verify_rate(std::optional<std::string_view> text) {
  if (!text || text->empty()) return 0;
  return std::min(1.0, decode_rate(*text).value_or(1.0));
}

bool is_sampled(uint64_t number, double rate) {
  // splitmix64: equal numbers give equal answers, neighbours unrelated ones.
  uint64_t x = number + 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  x ^= x >> 31;
  return static_cast<double>(x >> 11) * 0x1p-53 < rate;
}

std::vector<std::string> differences(const ResultImage& stored, const ResultImage& compiled) {
  std::vector<std::string> out;
  if (stored.exit_code != compiled.exit_code) {
    out.push_back("exit code: " + std::to_string(stored.exit_code) + " stored, " + std::to_string(compiled.exit_code) +
                  " compiled");
  }
  for (const OutputImage& a : stored.outputs) {
    const OutputImage* b = find(compiled.outputs, a.path);
    if (!b) {
      out.push_back(a.path + ": stored, but the compiler did not write it");
      continue;
    }
    if (std::string how = describe(a.bytes, b->bytes); !how.empty()) out.push_back(a.path + ": " + how);
    if (a.executable != b->executable) {
      out.push_back(a.path + ": executable only " + (a.executable ? "when stored" : "when compiled"));
    }
  }
  for (const OutputImage& b : compiled.outputs) {
    if (!find(stored.outputs, b.path)) out.push_back(b.path + ": written by the compiler, but not stored");
  }
  auto stream = [&](const char* name, const std::string& a, const std::string& b) {
    if (std::string how = describe(a, b); !how.empty()) out.push_back(name + how);
  };
  stream("stdout: ", stored.stdout_text, compiled.stdout_text);
  stream("stderr: ", stored.stderr_text, compiled.stderr_text);
  return out;
}

}  // namespace hpcc
