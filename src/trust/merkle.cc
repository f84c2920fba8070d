#include "trust/merkle.h"

#include <bit>

#include "base/result.h"

namespace hpcc {

namespace {

TreeHash hash_of(std::string_view prefix, std::string_view a, std::string_view b) {
  Sha256 hash;
  hash.update(prefix);
  hash.update(a);
  hash.update(b);
  TreeHash out;
  hash.finish(out.bytes.data());
  return out;
}

uint64_t split_of(uint64_t size) { return std::bit_floor(size - 1); }  // size >= 2

}  // namespace

TreeHash leaf_hash(std::string_view data) { return hash_of(std::string_view("\0", 1), data, {}); }
TreeHash node_hash(const TreeHash& left, const TreeHash& right) { return hash_of("\1", left.view(), right.view()); }

void MerkleTree::append(const TreeHash& leaf) {
  TreeHash node = leaf;
  for (size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    std::vector<TreeHash>& row = levels_[level];
    row.push_back(node);
    if (row.size() % 2 != 0) return;
    node = node_hash(row[row.size() - 2], row.back());
  }
}

TreeHash MerkleTree::range_root(uint64_t begin, uint64_t end) const {
  const uint64_t size = end - begin;
  if (size == 0) return TreeHash::of("");
  if (std::has_single_bit(size)) {
    // Ranges come from splitting at powers of two, so a range of 2^l leaves begins at a multiple of 2^l.
    const size_t level = static_cast<size_t>(std::countr_zero(size));
    return levels_[level][begin >> level];
  }
  const uint64_t middle = begin + split_of(size);
  return node_hash(range_root(begin, middle), range_root(middle, end));
}

std::vector<TreeHash> MerkleTree::inclusion(uint64_t index, uint64_t size) const {
  CHECK(index < size && size <= this->size());
  std::vector<TreeHash> proof;
  uint64_t begin = 0, end = size;
  while (end - begin > 1) {
    const uint64_t middle = begin + split_of(end - begin);
    const bool left = index < middle;
    proof.push_back(left ? range_root(middle, end) : range_root(begin, middle));
    (left ? end : begin) = middle;
  }
  return {proof.rbegin(), proof.rend()};
}

std::vector<TreeHash> MerkleTree::consistency(uint64_t first, uint64_t second) const {
  CHECK(first > 0 && first <= second && second <= size());
  std::vector<TreeHash> proof;
  uint64_t begin = 0, end = second;
  // Walk down to the subtree whose right edge is `first`; what is beside the way is the proof.
  bool whole = true;  // the subtree at hand is the first tree itself, whose root the verifier has
  while (first != end) {
    const uint64_t middle = begin + split_of(end - begin);
    const bool left = first <= middle;
    proof.push_back(left ? range_root(middle, end) : range_root(begin, middle));
    if (!left) whole = false;
    (left ? end : begin) = middle;
  }
  if (!whole) proof.push_back(range_root(begin, end));
  return {proof.rbegin(), proof.rend()};
}

bool verify_inclusion(const TreeHash& leaf, uint64_t index, uint64_t size, const std::vector<TreeHash>& proof,
                      const TreeHash& root) {
  if (index >= size) return false;
  uint64_t node = index, last = size - 1;
  TreeHash hash = leaf;
  for (const TreeHash& step : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(step, hash);
      while ((node & 1) == 0 && node != 0) node >>= 1, last >>= 1;
    } else {
      hash = node_hash(hash, step);
    }
    node >>= 1, last >>= 1;
  }
  return last == 0 && hash == root;
}

bool verify_consistency(uint64_t first, uint64_t second, const TreeHash& first_root, const TreeHash& second_root,
                        const std::vector<TreeHash>& proof) {
  if (first == 0 || first > second) return false;
  if (first == second) return proof.empty() && first_root == second_root;
  std::vector<TreeHash> path = proof;
  if (std::has_single_bit(first)) path.insert(path.begin(), first_root);
  if (path.empty()) return false;
  uint64_t node = first - 1, last = second - 1;
  while ((node & 1) != 0) node >>= 1, last >>= 1;
  TreeHash old_hash = path[0], new_hash = path[0];
  for (size_t i = 1; i < path.size(); ++i) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      old_hash = node_hash(path[i], old_hash);
      new_hash = node_hash(path[i], new_hash);
      while ((node & 1) == 0 && node != 0) node >>= 1, last >>= 1;
    } else {
      new_hash = node_hash(new_hash, path[i]);
    }
    node >>= 1, last >>= 1;
  }
  return last == 0 && old_hash == first_root && new_hash == second_root;
}

}  // namespace hpcc
