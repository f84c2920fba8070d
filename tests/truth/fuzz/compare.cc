// Comparing what a command left behind through hpcc with what the plain compiler left.
#include <algorithm>
#include <cctype>
#include <set>

#include "run.h"

namespace hpcc::fuzz {
namespace {

bool is_name(char c) { return isalnum(static_cast<unsigned char>(c)) != 0; }

// Temporary files are named "ccXXXXXX.s" by gcc and "a-123abc.s" by clang: other names each time, in messages and in
// assembler listings.
std::string without_temporaries(const std::string& text) {
  std::string out = text;
  for (size_t i = 0; i + 9 < out.size(); ++i) {
    const bool gcc = out.compare(i, 3, "/cc") == 0, clang = out[i] == '-';
    if (!gcc && !clang) continue;
    const size_t from = gcc ? i + 3 : i + 1;
    size_t end = from;
    while (end < out.size() && is_name(out[end])) ++end;
    if (end - from == 6 && end < out.size() && (out[end] == '.' || out[end] == ':')) out.replace(from, 6, "XXXXXX");
  }
  return out;
}

bool same_text(const std::string& a, const std::string& b) {
  return a == b || (a.size() == b.size() && without_temporaries(a) == without_temporaries(b));
}

std::string excerpt(const std::string& a, const std::string& b) {
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  const size_t low = at < 40 ? 0 : at - 40;
  auto cut = [&](const std::string& text) {
    std::string out;
    for (char c : text.substr(std::min(low, text.size()), 120)) out += isprint(static_cast<unsigned char>(c)) ? c : '.';
    return out;
  };
  return "\"" + cut(a) + "\", compiler \"" + cut(b) + "\" (at " + std::to_string(at) + ")";
}

}  // namespace

std::vector<std::string> compare(const Outcome& hpcc, const Outcome& direct) {
  std::vector<std::string> out;
  if (hpcc.code != direct.code) {
    out.push_back("exit " + std::to_string(hpcc.code) + ", compiler " + std::to_string(direct.code));
  }
  if (!same_text(hpcc.out, direct.out)) out.push_back("stdout " + excerpt(hpcc.out, direct.out));
  if (!same_text(hpcc.err, direct.err)) out.push_back("stderr " + excerpt(hpcc.err, direct.err));
  std::set<std::string> paths;
  for (const auto& [path, made] : hpcc.left.files) paths.insert(path);
  for (const auto& [path, made] : direct.left.files) paths.insert(path);
  for (const std::string& path : paths) {
    auto a = hpcc.left.files.find(path), b = direct.left.files.find(path);
    if (b == direct.left.files.end()) {
      out.push_back(path + ": made by hpcc only");
    } else if (a == hpcc.left.files.end()) {
      out.push_back(path + ": not made");
    } else if (a->second.kind != b->second.kind) {
      out.push_back(path + ": another kind of file");
    } else if (a->second.mode != b->second.mode) {
      out.push_back(path + ": other mode");
    } else if (!same_text(a->second.content, b->second.content)) {
      out.push_back(path + ": " + excerpt(a->second.content, b->second.content));
    } else if (a->second.stale && !b->second.stale) {
      out.push_back(path + ": older than the command that made it");
    }
  }
  if (hpcc.left.removed != direct.left.removed) out.push_back("other files removed");
  return out;
}

}  // namespace hpcc::fuzz
