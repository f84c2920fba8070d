// Encodings of Manifest and CompileResult: canonical, bounded, and refused when anything is off.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "model/manifest.h"

namespace hpcc {
namespace {

Manifest sample_manifest() {
  Manifest manifest;
  auto add = [&](Anchor anchor, const char* path, InputKind kind) {
    Input input;
    input.path = {anchor, path};
    input.kind = kind;
    if (kind != InputKind::kDirectory && kind != InputKind::kNotLink) input.digest = BlobDigest::of(path);
    manifest.inputs.push_back(input);
  };
  add(Anchor::kAbsolute, "/usr/include", InputKind::kDirectory);
  add(Anchor::kAbsolute, "/usr/include/a.h", InputKind::kFile);
  add(Anchor::kAbsolute, "/usr/include/link", InputKind::kLink);
  add(Anchor::kRoot, ".", InputKind::kListing);
  add(Anchor::kCwd, "main.cc", InputKind::kFile);
  manifest.absents.push_back({{Anchor::kAbsolute, "/usr/include"}, {"b.h", "c"}, {"a.h/x"}});
  manifest.absents.push_back({{Anchor::kRoot, "."}, {}, {}});
  manifest.groups.push_back({IdentityGroup::By::kInode, {1, 4}, {0, 1}});
  manifest.groups.push_back({IdentityGroup::By::kMtimeSecond, {1, 2, 4}, {0, 1, 0}});
  return manifest;
}

CompileResult sample_result() {
  CompileResult result;
  result.outputs.push_back({OutputKind::kDepFile, 1, BlobDigest::of("dep"), 17, false});
  result.outputs.push_back({OutputKind::kObject, 0, BlobDigest::of("object"), 12345, true});
  result.stdout_text = "out";
  result.stderr_text = std::string("a\0b", 3);
  result.bound_place = "/elsewhere/project";
  result.bound_colour = "on";
  result.bound_names = "a.o";
  result.compile_ns = 1234567890123;
  return result;
}

// Replaces the first occurrence of a piece of the encoding.
std::string with(std::string bytes, std::string_view from, std::string_view to) {
  const size_t at = bytes.find(from);
  if (at == bytes.npos) ADD_FAILURE() << "nothing to replace";
  return at == bytes.npos ? bytes : bytes.replace(at, from.size(), to);
}

TEST(ManifestEncoding, ComesBackAsItWas) {
  const std::string bytes = encode_manifest(sample_manifest());
  auto decoded = decode_manifest(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
  EXPECT_EQ(decoded->inputs.size(), 5u);
  EXPECT_EQ(decoded->inputs[4].path.path, "main.cc");
  EXPECT_EQ(decoded->inputs[4].digest, BlobDigest::of("main.cc"));
  EXPECT_EQ(decoded->absents[0].names, (std::vector<std::string>{"b.h", "c"}));
  EXPECT_EQ(decoded->absents[0].checked_names, std::vector<std::string>{"a.h/x"});
  EXPECT_EQ(decoded->groups[1].inputs, (std::vector<uint32_t>{1, 2, 4}));
  EXPECT_EQ(decoded->groups[1].classes, (std::vector<uint32_t>{0, 1, 0}));
  EXPECT_EQ(encode_manifest(*decoded), bytes);
}

TEST(ManifestEncoding, IsOneForEveryOrderOfTheSameManifest) {
  Manifest shuffled = sample_manifest();
  std::swap(shuffled.inputs[0], shuffled.inputs[4]);  // 0 <-> 4
  std::swap(shuffled.absents[0], shuffled.absents[1]);
  shuffled.absents[1].names = {"c", "b.h", "c"};
  shuffled.groups = {{IdentityGroup::By::kMtimeSecond, {2, 0, 1}, {7, 3, 3}},
                     {IdentityGroup::By::kInode, {0, 1}, {9, 5}}};
  EXPECT_EQ(encode_manifest(shuffled), encode_manifest(sample_manifest()));
}

TEST(ManifestEncoding, FoldsInputsGivenTwice) {
  Manifest twice = sample_manifest();
  twice.inputs.push_back(twice.inputs[1]);
  twice.groups[0].inputs.push_back(5);
  twice.groups[0].classes.push_back(0);
  EXPECT_EQ(encode_manifest(twice), encode_manifest(sample_manifest()));
}

TEST(ManifestEncoding, DropsADigestThatMeansNothing) {
  Manifest manifest = sample_manifest();
  manifest.inputs[0].digest = BlobDigest::of("of a directory");
  EXPECT_EQ(encode_manifest(manifest), encode_manifest(sample_manifest()));
}

TEST(ManifestEncoding, RefusesOnePathWithTwoDigests) {
  Manifest manifest = sample_manifest();
  manifest.inputs.push_back(manifest.inputs[1]);
  manifest.inputs.back().digest = BlobDigest::of("other");
  EXPECT_FALSE(decode_manifest(encode_manifest(manifest)).ok());
}

TEST(ManifestEncoding, RefusesEveryTruncationAndAnyTrailingByte) {
  const std::string bytes = encode_manifest(sample_manifest());
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_manifest(bytes.substr(0, size)).ok()) << size;
  EXPECT_FALSE(decode_manifest(bytes + '\0').ok());
}

TEST(ManifestEncoding, GivesWithAnyFlippedByteAnErrorOrAnotherManifestThatEncodesToThoseBytes) {
  const std::string bytes = encode_manifest(sample_manifest());
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      auto decoded = decode_manifest(flipped);
      if (decoded.ok()) {
        EXPECT_EQ(encode_manifest(*decoded), flipped);
      }
    }
  }
}

TEST(ManifestEncoding, RefusesUnsortedInputsAndNames) {
  const std::string bytes = encode_manifest(sample_manifest());
  EXPECT_FALSE(decode_manifest(with(bytes, "/usr/include/a.h", "/usr/include/z.h")).ok());
  EXPECT_FALSE(decode_manifest(with(bytes, "b.h", "x.h")).ok());
}

TEST(ManifestEncoding, RefusesPathsThatContradictTheirAnchor) {
  for (AnchoredPath path : {AnchoredPath{Anchor::kAbsolute, "relative"}, AnchoredPath{Anchor::kRoot, "/absolute"},
                            AnchoredPath{Anchor::kCwd, ""}, AnchoredPath{Anchor::kCwd, std::string("a\0b", 3)},
                            AnchoredPath{Anchor::kCwd, std::string(limits::kPathBytes + 1, 'x')},
                            AnchoredPath{static_cast<Anchor>(3), "x"}}) {
    Manifest manifest;
    manifest.inputs.push_back({path, InputKind::kFile, {}});
    EXPECT_FALSE(decode_manifest(encode_manifest(manifest)).ok()) << path.path;
  }
}

TEST(ManifestEncoding, RefusesUnknownKindsAndIndexesOutOfRange) {
  Manifest kind = sample_manifest();
  kind.inputs[0].kind = static_cast<InputKind>(static_cast<int>(kLastInputKind) + 1);
  EXPECT_FALSE(decode_manifest(encode_manifest(kind)).ok());
  Manifest index = sample_manifest();
  index.groups[0].inputs[1] = 5;
  EXPECT_FALSE(decode_manifest(encode_manifest(index)).ok());
  Manifest by = sample_manifest();
  by.groups[1].by = static_cast<IdentityGroup::By>(2);
  EXPECT_FALSE(decode_manifest(encode_manifest(by)).ok());
}

TEST(ManifestEncoding, RefusesNamesWithSlashesUnlessTheyAreChecked) {
  Manifest manifest;
  manifest.absents.push_back({{Anchor::kRoot, "."}, {"a/b"}, {}});
  EXPECT_FALSE(decode_manifest(encode_manifest(manifest)).ok());
  manifest.absents[0] = {{Anchor::kRoot, "."}, {}, {"a/b"}};
  EXPECT_TRUE(decode_manifest(encode_manifest(manifest)).ok());
}

TEST(ManifestEncoding, RefusesAbsurdCountsBeforeItAllocates) {
  EXPECT_FALSE(decode_manifest(std::string("\x01\xff\xff\xff\xff", 5) + std::string(1000, '\0')).ok());
  EXPECT_FALSE(decode_manifest(std::string("\x01\0\0\0\0\xff\xff\xff\x7f", 9) + std::string(1000, '\0')).ok());
  EXPECT_FALSE(decode_manifest(std::string("\x01\0\0\0\0\0\0\0\0\xff\xff\xff\x7f", 13) + std::string(1000, '\0')).ok());
}

TEST(ManifestEncoding, RefusesOtherVersions) {
  std::string bytes = encode_manifest(sample_manifest());
  for (char version : {'\0', '\2', '\xff'}) {
    bytes[0] = version;
    EXPECT_FALSE(decode_manifest(bytes).ok());
  }
}

TEST(ResultEncoding, ComesBackAsItWas) {
  const std::string bytes = encode_result(sample_result());
  auto decoded = decode_result(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.error().to_string();
  EXPECT_EQ(decoded->outputs.size(), 2u);
  EXPECT_TRUE(decoded->outputs[1].executable);
  EXPECT_EQ(decoded->outputs[1].size_bytes, 12345u);
  EXPECT_EQ(decoded->stderr_text, std::string("a\0b", 3));
  EXPECT_EQ(decoded->bound_colour, "on");
  EXPECT_EQ(encode_result(*decoded), bytes);
}

TEST(ResultEncoding, RefusesEveryTruncationAndAnyTrailingByte) {
  const std::string bytes = encode_result(sample_result());
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_result(bytes.substr(0, size)).ok()) << size;
  EXPECT_FALSE(decode_result(bytes + '\0').ok());
}

TEST(ResultEncoding, GivesWithAnyFlippedByteAnErrorOrAnotherResultThatEncodesToThoseBytes) {
  const std::string bytes = encode_result(sample_result());
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      auto decoded = decode_result(flipped);
      if (decoded.ok()) {
        EXPECT_EQ(encode_result(*decoded), flipped);
      }
    }
  }
}

TEST(ResultEncoding, RefusesOutputsBeyondTheLimits) {
  CompileResult large = sample_result();
  large.outputs[0].size_bytes = limits::kOutputBytes + 1;
  EXPECT_FALSE(decode_result(encode_result(large)).ok());
  CompileResult kind = sample_result();
  kind.outputs[0].kind = static_cast<OutputKind>(static_cast<int>(OutputKind::kOther) + 1);
  EXPECT_FALSE(decode_result(encode_result(kind)).ok());
  EXPECT_FALSE(decode_result(std::string("\x01\xff\xff\xff\xff", 5) + std::string(1000, '\0')).ok());
}

}  // namespace
}  // namespace hpcc
