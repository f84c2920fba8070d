#include "trust/merkle.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

// The definition of RFC 6962 §2.1, written out.
TreeHash defined_root(const std::vector<TreeHash>& leaves, size_t begin, size_t end) {
  if (begin == end) return TreeHash::of("");
  if (end - begin == 1) return leaves[begin];
  size_t split = 1;
  while (split * 2 < end - begin) split *= 2;
  return node_hash(defined_root(leaves, begin, begin + split), defined_root(leaves, begin + split, end));
}

struct Trees : testing::Test {
  Trees() {
    for (int i = 0; i < 70; ++i) {
      leaves.push_back(leaf_hash(std::to_string(i)));
      tree.append(leaves.back());
    }
  }
  std::vector<TreeHash> leaves;
  MerkleTree tree;
};

TEST_F(Trees, HaveTheRootOfTheDefinition) {
  for (size_t size = 0; size <= leaves.size(); ++size)
    EXPECT_EQ(tree.root(size), defined_root(leaves, 0, size)) << size;
}

TEST_F(Trees, ProveEveryLeafAndNoOther) {
  for (uint64_t size = 1; size <= leaves.size(); ++size) {
    for (uint64_t i = 0; i < size; ++i) {
      std::vector<TreeHash> proof = tree.inclusion(i, size);
      ASSERT_TRUE(verify_inclusion(leaves[i], i, size, proof, tree.root(size))) << i << " of " << size;
      EXPECT_FALSE(verify_inclusion(leaves[(i + 1) % 70], i, size, proof, tree.root(size)));
      EXPECT_FALSE(verify_inclusion(leaves[i], size, size, proof, tree.root(size)));
      if (proof.empty()) continue;
      EXPECT_FALSE(verify_inclusion(leaves[i], i ^ 1, size, proof, tree.root(size)) && (i ^ 1) < size);
      proof.pop_back();
      EXPECT_FALSE(verify_inclusion(leaves[i], i, size, proof, tree.root(size)));
    }
  }
}

TEST_F(Trees, ProveThatOneExtendsTheOther) {
  for (uint64_t second = 1; second <= leaves.size(); ++second) {
    for (uint64_t first = 1; first <= second; ++first) {
      std::vector<TreeHash> proof = tree.consistency(first, second);
      ASSERT_TRUE(verify_consistency(first, second, tree.root(first), tree.root(second), proof))
          << first << " " << second;
      if (first == second) continue;
      EXPECT_FALSE(verify_consistency(first, second, leaves[0], tree.root(second), proof) && first != 1);
      EXPECT_FALSE(verify_consistency(first, second, tree.root(first), leaves[1], proof));
    }
  }
}

}  // namespace
}  // namespace hpcc
