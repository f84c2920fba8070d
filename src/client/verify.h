// Verify: hits that are compiled again (HPCC_VERIFY). Which ones, and how two results of one command differ. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hpcc {

// The share of hits to compile again, 0 to 1, from the variable's text: "1", "0.05", "1/20", "5%"; 0 when it is unset,
// empty or "0". Any other text asks for all of them: who wrote it wanted to be sure.
double verify_rate(std::optional<std::string_view> text);

// Whether the hit with this number is one of them: a fixed sequence that looks random, so that a build's order does not
// pick the same files each time, and a test knows what to expect.
bool is_sampled(uint64_t number, double rate);

// What a command left behind, or what a hit would leave.
struct OutputImage {
  std::string path;  // as the command names it
  std::string bytes;
  bool executable = false;
};
struct ResultImage {
  int exit_code = 0;
  std::string stdout_text, stderr_text;
  std::vector<OutputImage> outputs;
};

// One sentence per difference, for people; none when the two are equal.
std::vector<std::string> differences(const ResultImage& stored, const ResultImage& compiled);

}  // namespace hpcc
