#include "model/input_tree.h"

#include <gtest/gtest.h>

namespace hpcc {
namespace {

TreeFile file(const std::string& path, const std::string& content) { return {path, SizedDigest::of(content), false}; }

TEST(InputTree, DigestsGrowFromTheLeaves) {
  InputTree tree = build_input_tree({file("src/a.c", "a"), file("b.h", "b")}, {});
  const std::string src = encode_reapi_directory({{"a.c", SizedDigest::of("a"), false}}, {});
  const std::string root =
      encode_reapi_directory({{"b.h", SizedDigest::of("b"), false}}, {{"src", SizedDigest::of(src)}});
  ASSERT_EQ(tree.directories.size(), 2u);
  EXPECT_EQ(tree.directories[0].second, src);
  EXPECT_EQ(tree.directories[1].second, root);
  EXPECT_EQ(tree.root, SizedDigest::of(root));
}

TEST(InputTree, OrderOfFilesDoesNotMatter) {
  InputTree a = build_input_tree({file("a/x", "1"), file("a-b/y", "2"), file("a.c", "3")}, {"a", "z/e"});
  InputTree b = build_input_tree({file("a.c", "3"), file("a-b/y", "2"), file("a/x", "1")}, {"z/e", "a"});
  EXPECT_EQ(a.root, b.root);
  // root, a, a-b, z, z/e
  EXPECT_EQ(a.directories.size(), 5u);
}

TEST(InputTree, EmptyDirectoriesAreThere) {
  InputTree with = build_input_tree({file("a.c", "3")}, {"inc"});
  InputTree without = build_input_tree({file("a.c", "3")}, {});
  EXPECT_NE(with.root, without.root);
  InputTree twice = build_input_tree({file("a.c", "3")}, {"inc", "inc"});
  EXPECT_EQ(with.root, twice.root);
}

TEST(InputTree, NothingIsTheEmptyDirectory) {
  InputTree tree = build_input_tree({}, {});
  EXPECT_EQ(tree.root, SizedDigest::of(""));
}

}  // namespace
}  // namespace hpcc
