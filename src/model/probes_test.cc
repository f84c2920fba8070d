#include "model/probes.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace hpcc {
namespace {

TEST(Probes, NamesLookedForInTheSameDirectoriesShareAGroup) {
  Probes probes = Probes::from_paths({"/hpcc/w/a/x.h", "/hpcc/w/b/x.h", "/hpcc/w/a/y.h", "/hpcc/w/b/y.h", "/hpcc/w/z"});
  ASSERT_EQ(probes.directories, (std::vector<std::string>{"/hpcc/w", "/hpcc/w/a", "/hpcc/w/b"}));
  ASSERT_EQ(probes.groups.size(), 2u);
  EXPECT_EQ(probes.groups[0], (ProbeGroup{{0}, {"z"}}));
  EXPECT_EQ(probes.groups[1], (ProbeGroup{{1, 2}, {"x.h", "y.h"}}));
  EXPECT_EQ(probes.path_count(), 5u);
}

TEST(Probes, OrderAndRepeatsDoNotMatter) {
  Probes one = Probes::from_paths({"/hpcc/w/a/x.h", "/hpcc/w/b/x.h"});
  Probes two = Probes::from_paths({"/hpcc/w/b/x.h", "/hpcc/w/a/x.h", "/hpcc/w/b/x.h"});
  EXPECT_EQ(encode_probes(one), encode_probes(two));
}

TEST(Probes, PathsOutsideTheProjectOrNotNormalAreLeftOut) {
  Probes probes =
      Probes::from_paths({"/usr/include/x.h", "/hpcc/w/../x", "/hpcc/wx/y", "relative", "/hpcc/w/a//b", ""});
  EXPECT_TRUE(probes.directories.empty());
  EXPECT_TRUE(probes.groups.empty());
}

TEST(Probes, WhatIsEncodedIsDecoded) {
  Probes probes = Probes::from_paths({"/hpcc/w/a/x.h", "/hpcc/w/b/x.h", "/hpcc/w/b/y.h"});
  Result<Probes> back = decode_probes(encode_probes(probes));
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(*back, probes);
  EXPECT_TRUE(decode_probes(encode_probes(Probes{})).ok());
}

TEST(Probes, OnlyTheCanonicalEncodingIsDecoded) {
  const std::string good = encode_probes(Probes::from_paths({"/hpcc/w/a/x.h", "/hpcc/w/b/x.h"}));
  EXPECT_FALSE(decode_probes(good + "x").ok());
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode_probes(good.substr(0, size)).ok()) << size;
  Probes swapped = Probes::from_paths({"/hpcc/w/a/x.h", "/hpcc/w/b/y.h"});
  std::swap(swapped.groups[0], swapped.groups[1]);
  EXPECT_FALSE(decode_probes(encode_probes(swapped)).ok());
  Probes unused;
  unused.directories = {"/hpcc/w"};
  EXPECT_FALSE(decode_probes(encode_probes(unused)).ok());
}

TEST(Probes, NamesThatCouldLeaveTheProjectAreRefused) {
  for (const char* name : {"..", ".", "", "a/b"}) {
    Probes probes{{"/hpcc/w"}, {ProbeGroup{{0}, {name}}}};
    EXPECT_FALSE(decode_probes(encode_probes(probes)).ok()) << name;
  }
  for (const char* directory : {"/", "/hpcc", "/hpcc/w/..", "/hpcc/w/", "hpcc/w", "/etc"}) {
    Probes probes{{directory}, {ProbeGroup{{0}, {"x"}}}};
    EXPECT_FALSE(decode_probes(encode_probes(probes)).ok()) << directory;
  }
}

TEST(Probes, AProductThatWouldTakeTooLongToCompareIsRefused) {
  Probes probes;
  ProbeGroup group;
  auto number = [](int i) {
    std::string text = std::to_string(i);
    return std::string(5 - text.size(), '0') + text;
  };
  for (int i = 0; i < 3000; ++i) {
    probes.directories.push_back("/hpcc/w/" + number(i));
    group.directories.push_back(static_cast<uint32_t>(i));
    group.names.push_back(number(i));
  }
  probes.groups.push_back(group);
  Result<Probes> back = decode_probes(encode_probes(probes));
  ASSERT_FALSE(back.ok());
  EXPECT_EQ(back.error().code, Code::kLimit);
}

}  // namespace
}  // namespace hpcc
