// Rng: the only source of chance in a walk, so that a seed gives the same walk everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hpcc::fuzz {

class Rng {
 public:
  // The seed is mixed first: the streams of neighbouring seeds would else be one stream, a few numbers apart.
  explicit Rng(uint64_t seed) : state_(seed ^ 0x5851f42d4c957f2du) { state_ = next() ^ (next() << 1); }

  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  size_t below(size_t limit) { return limit == 0 ? 0 : static_cast<size_t>(next() % limit); }
  size_t between(size_t low, size_t high) { return low + below(high - low + 1); }
  bool chance(unsigned percent) { return below(100) < percent; }

  template <typename List>
  const auto& pick(const List& list) {
    return list[below(std::size(list))];
  }

  // Index into `weights`, as likely as its weight.
  size_t weighted(const std::vector<unsigned>& weights) {
    size_t total = 0;
    for (unsigned weight : weights) total += weight;
    size_t at = below(total);
    for (size_t i = 0; i < weights.size(); ++i) {
      if (at < weights[i]) return i;
      at -= weights[i];
    }
    return 0;
  }

 private:
  uint64_t state_;
};

}  // namespace hpcc::fuzz
