// The Merkle tree of RFC 6962 §2.1 (proof algorithms as in RFC 9162 §2.1): leaf = SHA-256(0x00 | data), node =
// SHA-256(0x01 | left | right), the empty tree is SHA-256 of nothing, a split is at the largest power of two below n.
//
// MerkleTree keeps every complete node (about 64 bytes a leaf), so that a root or a proof costs O(log n). One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/digest.h"

namespace hpcc {

using TreeHash = TaggedDigest<struct TreeHashTag>;

TreeHash leaf_hash(std::string_view data);
TreeHash node_hash(const TreeHash& left, const TreeHash& right);

class MerkleTree {
 public:
  uint64_t size() const { return levels_.empty() ? 0 : levels_[0].size(); }
  void append(const TreeHash& leaf);

  // Of the first `size` leaves (size <= size()).
  TreeHash root(uint64_t size) const { return range_root(0, size); }
  // That leaf `index` is in the tree of the first `size` leaves; lowest level first. index < size <= size().
  std::vector<TreeHash> inclusion(uint64_t index, uint64_t size) const;
  // That the tree of `second` leaves extends the one of `first`. 0 < first <= second <= size().
  std::vector<TreeHash> consistency(uint64_t first, uint64_t second) const;

 private:
  TreeHash range_root(uint64_t begin, uint64_t end) const;
  // levels_[l][i] = root of leaves [i << l, (i + 1) << l)
  std::vector<std::vector<TreeHash>> levels_;
};

bool verify_inclusion(const TreeHash& leaf, uint64_t index, uint64_t size, const std::vector<TreeHash>& proof,
                      const TreeHash& root);
bool verify_consistency(uint64_t first, uint64_t second, const TreeHash& first_root, const TreeHash& second_root,
                        const std::vector<TreeHash>& proof);

}  // namespace hpcc
