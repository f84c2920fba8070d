#include "image/image_store.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "image/flatten.h"
#include "image/layout.h"
#include "image/programs.h"
#include "image/squashfs.h"
#include "image/test_support.h"
#include "image/verity.h"

namespace hpcc {
namespace {

using namespace image_test;

const Deadline kSoon = Deadline::after_ms(60'000);

struct Place {
  TempDir temp;
  std::string layout = temp.path + "/layout", images = temp.path + "/images";
  Result<AddedImage> add(const std::vector<std::string>& layers) {
    EXPECT_TRUE(remove_tree(layout).ok());
    write_layout(layout, layers);
    return add_layout();
  }
  Result<AddedImage> add_layout(const std::string& wanted = "") {
    Result<ImageStore> store = ImageStore::open(images);
    EXPECT_TRUE(store.ok());
    ImageAdd what;
    what.layout_dir = layout;
    what.wanted = wanted;
    return store->add(what, kSoon);
  }
  // What the store holds besides its lock.
  std::vector<std::string> left() {
    std::vector<std::string> names = *list_directory(images);
    std::erase(names, ".lock");
    return names;
  }
};

const std::vector<Entry> kSmall = {{"usr/bin/cc", '0', "compiler", "", 0755},
                                   {"bin", '2', "", "usr/bin"},
                                   {"usr/include/stdio.h", '0', std::string(9000, 'h')}};

#define NEEDS_MKSQUASHFS() \
  if (!find_mksquashfs().ok()) GTEST_SKIP() << find_mksquashfs().error().message

TEST(ImageStore, AnImageIsFoundByItsManifestWithTreeSquashfsAndVerity) {
  NEEDS_MKSQUASHFS();
  Place place;
  Result<AddedImage> added = place.add({tar(kSmall)});
  ASSERT_TRUE(added.ok()) << added.error().to_string();
  EXPECT_FALSE(added->was_there);
  EXPECT_EQ(added->entries, 3u);
  Result<ImageStore> store = ImageStore::open(place.images);
  Result<Rootfs> rootfs = store->find(added->digest);
  ASSERT_TRUE(rootfs.ok()) << rootfs.error().to_string();
  EXPECT_EQ(contents(rootfs->tree_dir + "/bin/cc"), "compiler");
  EXPECT_EQ(rootfs->salt, added->digest.hex());
  struct stat info;
  ASSERT_EQ(lstat((rootfs->tree_dir + "/usr/bin/cc").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, geteuid());
  EXPECT_EQ(info.st_mode & 07777, 0555u);
  EXPECT_EQ(place.left().size(), 1u);
  Result<AddedImage> again = place.add_layout();
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->was_there);
  ASSERT_EQ(store->list()->size(), 1u);
  ASSERT_TRUE(store->remove(added->digest).ok());
  EXPECT_EQ(store->find(added->digest).error().code, Code::kNotFound);
  EXPECT_TRUE(place.left().empty());
}

TEST(ImageStore, TheSameImageGivesTheSameBytesInAnyStore) {
  NEEDS_MKSQUASHFS();
  Place first, second;
  Result<AddedImage> one = first.add({tar(kSmall)}), two = second.add({tar(kSmall)});
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->digest, two->digest);
  const std::string a = first.images + "/" + one->digest.hex(), b = second.images + "/" + two->digest.hex();
  for (const char* file : {"/rootfs.squashfs", "/rootfs.verity", "/rootfs"}) {
    EXPECT_EQ(contents(a + file), contents(b + file)) << file;
  }
}

TEST(ImageStore, ADamagedImageIsSaidToBeDamagedAndCanBeAddedAgain) {
  NEEDS_MKSQUASHFS();
  Place place;
  Result<AddedImage> added = place.add({tar(kSmall)});
  ASSERT_TRUE(added.ok());
  const std::string squashfs = place.images + "/" + added->digest.hex() + "/rootfs.squashfs";
  ASSERT_EQ(chmod(squashfs.c_str(), 0644), 0);
  ASSERT_EQ(truncate(squashfs.c_str(), 100), 0);
  Result<ImageStore> store = ImageStore::open(place.images);
  EXPECT_EQ(store->find(added->digest).error().code, Code::kCorrupt);
  Result<AddedImage> again = place.add_layout();
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(store->find(added->digest).ok());
}

TEST(ImageStore, AHostileLayerIsAnErrorThatNamesLayerAndPathAndLeavesNothing) {
  Place place;
  Result<AddedImage> added = place.add({tar(kSmall), tar({{"../../evil", '0', "x"}})});
  ASSERT_FALSE(added.ok());
  EXPECT_NE(added.error().message.find("layer 2"), std::string::npos) << added.error().message;
  EXPECT_NE(added.error().message.find("../../evil"), std::string::npos) << added.error().message;
  EXPECT_TRUE(place.left().empty());
}

TEST(ImageStore, ABlobThatDoesNotHaveItsDigestIsRefused) {
  Place place;
  const std::string layer = tar(kSmall);
  write_layout(place.layout, {layer});
  const std::string blob = place.layout + "/blobs/sha256/" + BlobDigest::of(layer).hex();
  for (const std::string& bad : {tar({{"other", '0', "x"}}), layer + std::string(512, '\0'), layer.substr(0, 2048)}) {
    write_text(blob, bad);
    Result<AddedImage> added = place.add_layout();
    ASSERT_FALSE(added.ok());
    EXPECT_TRUE(place.left().empty());
  }
  write_text(blob, layer + std::string(512, '\0'));
  EXPECT_EQ(place.add_layout().error().code, Code::kCorrupt);
}

TEST(ImageStore, AManifestThatDoesNotHaveItsDigestIsRefused) {
  Place place;
  const std::string name = write_layout(place.layout, {tar(kSmall)});
  const std::string path = place.layout + "/blobs/sha256/" + name.substr(7);
  write_text(path, contents(path) + " ");
  Result<AddedImage> added = place.add_layout();
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().code, Code::kCorrupt);
}

TEST(ImageStore, AnImageThatIsNotInTheLayoutIsNamed) {
  Place place;
  const std::string name = write_layout(place.layout, {tar(kSmall)});
  const std::string other = "sha256:" + std::string(64, 'a');
  Result<AddedImage> added = place.add_layout(other);
  ASSERT_FALSE(added.ok());
  EXPECT_NE(added.error().message.find(other), std::string::npos);
  EXPECT_NE(added.error().message.find(name), std::string::npos);
  Place empty;
  EXPECT_NE(empty.add_layout().error().message.find("not an OCI image layout"), std::string::npos);
}

TEST(ImageStore, TheFlattenersAnswerIsDecodedWithLimits) {
  EXPECT_EQ(decode_flatten_report("Elayer 1: \x1b[31mevil\n", 1).error().message, "layer 1: ?[31mevil?");
  EXPECT_FALSE(decode_flatten_report("", 1).ok());
  EXPECT_FALSE(decode_flatten_report("K", 1).ok());
  EXPECT_FALSE(decode_flatten_report("E" + std::string(100'000, 'x'), 1).ok());
  EXPECT_TRUE(decode_flatten_report("K" + std::string(24 + 32, '\1'), 1).ok());
  EXPECT_FALSE(decode_flatten_report("K" + std::string(24 + 32, '\1'), 2).ok());
}

TEST(ImageStore, ARecordHasOneEncoding) {
  RootfsRecord record;
  record.root_hash = std::string(64, 'a');
  record.salt = std::string(64, 'b');
  record.data_blocks = 12;
  record.verity_bytes = 8192;
  const std::string text = encode_rootfs_record(record);
  Result<RootfsRecord> decoded = decode_rootfs_record(text);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(encode_rootfs_record(*decoded), text);
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(decode_rootfs_record(text.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(decode_rootfs_record(text + "more 1\n").ok());
}

TEST(Verity, OurTreeIsTheOneThatVeritysetupMakes) {
  TempDir temp;
  const std::string salt(32, '\x5a'), hex = hex_encode(salt);
  for (const size_t blocks : {1u, 2u, 128u, 129u, 300u}) {
    std::string data;
    while (data.size() < blocks * kVerityBlockBytes) data += std::to_string(data.size()) + ",";
    data.resize(blocks * kVerityBlockBytes);
    const std::string file = temp.path + "/data" + std::to_string(blocks), tree = file + ".verity";
    write_text(file, data);
    Result<Verity> made = write_verity(file, tree, salt);
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    EXPECT_EQ(made->data_blocks, blocks);
    if (access("/usr/sbin/veritysetup", X_OK) != 0) GTEST_SKIP() << "veritysetup is missing (package cryptsetup-bin)";
    EXPECT_EQ(system(("/usr/sbin/veritysetup verify " + file + " " + tree + " " + made->root_hash).c_str()), 0);
  }
}

TEST(Oci, WhatIsNoImageIsRefused) {
  const std::string good = "{\"schemaVersion\":2,\"config\":" + descriptor("config.v1+json", "c") + ",\"layers\":[" +
                           descriptor("layer.v1.tar", "l") + "]}";
  EXPECT_TRUE(decode_manifest_json(good).ok());
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const std::string& bad :
       {std::string(), std::string("[]"), std::string("{}"), std::string(5 << 20, '['), good.substr(0, good.size() - 1),
        changed("sha256:", "sha512:"), changed("sha256:", "sha256:../"), changed("\"size\":1", "\"size\":-1"),
        changed("\"size\":1", "\"size\":1.5"), changed("\"size\":1", "\"size\":\"1\""),
        changed("layer.v1.tar", "layer.v1.cpio"), changed("[{", "[1,{"),
        "{\"config\":" + descriptor("config.v1+json", "c") + ",\"layers\":[]}"}) {
    EXPECT_FALSE(decode_manifest_json(bad).ok()) << bad.substr(0, 200);
  }
  std::string deep = "{\"config\":";
  deep += std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  EXPECT_FALSE(decode_manifest_json(deep).ok());
}

}  // namespace
}  // namespace hpcc
