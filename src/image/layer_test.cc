#include "image/layer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <locale.h>
#include <zlib.h>
#include <zstd.h>

#include "image/test_support.h"

namespace hpcc {
namespace {

using namespace image_test;

// A tree and, beside it, a file that no layer may touch.
struct Ground {
  TempDir temp;
  std::string tree = temp.path + "/tree";
  std::optional<TreeWriter> writer;

  explicit Ground(const TreeLimits& limits = {}) {
    setlocale(LC_CTYPE, "C.UTF-8");
    write_text(temp.path + "/outside", "untouched");
    EXPECT_EQ(mkdir(tree.c_str(), 0755), 0);
    Result<TreeWriter> made = TreeWriter::create(Fd(open(tree.c_str(), O_RDONLY | O_DIRECTORY)), limits);
    EXPECT_TRUE(made.ok());
    writer.emplace(std::move(made).value());
  }
  ~Ground() {
    EXPECT_EQ(contents(temp.path + "/outside"), "untouched");
    EXPECT_EQ(list_directory(temp.path)->size(), 2u);
  }
  Result<BlobDigest> apply(const std::string& bytes, LayerCompression compression = LayerCompression::kNone) {
    bool given = false;
    return decode_layer(
        [&]() -> Result<std::string_view> {
          if (std::exchange(given, true)) return std::string_view();
          return std::string_view(bytes);
        },
        compression, *writer);
  }
  std::string error_of(const std::string& bytes) {
    Result<BlobDigest> done = apply(bytes);
    return done.ok() ? "no error" : done.error().message;
  }
  std::string read(const std::string& name) { return contents(tree + "/" + name); }
  bool has(const std::string& name) { return is_there(tree + "/" + name); }
  struct stat stat_of(const std::string& name) {
    struct stat info = {};
    EXPECT_EQ(lstat((tree + "/" + name).c_str(), &info), 0) << name;
    return info;
  }
};

TEST(Layer, FilesDirectoriesAndLinksAppearWithPlainModesAndTheirTimes) {
  Ground ground;
  const std::string layer = tar({{"usr/", '5', "", "", 0700, 77},
                                 {"usr/bin/cc", '0', "code", "", 04755, 1234},
                                 {"usr/bin/c99", '1', "", "usr/bin/cc"},
                                 {"bin", '2', "", "usr/bin", 0777, 99},
                                 {"etc/secret", '0', "x", "", 0600}});
  Result<BlobDigest> done = ground.apply(layer);
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(*done, BlobDigest::of(layer));
  ASSERT_TRUE(ground.writer->seal().ok());
  EXPECT_EQ(ground.read("bin/c99"), "code");
  EXPECT_EQ(ground.stat_of("usr/bin/cc").st_mode & 07777, 0555u);
  EXPECT_EQ(ground.stat_of("usr/bin/cc").st_mtim.tv_sec, 1234);
  EXPECT_EQ(ground.stat_of("usr/bin/cc").st_ino, ground.stat_of("usr/bin/c99").st_ino);
  EXPECT_EQ(ground.stat_of("etc/secret").st_mode & 07777, 0444u);
  EXPECT_EQ(ground.stat_of("usr").st_mode & 07777, 0555u);
  EXPECT_EQ(ground.stat_of("usr").st_mtim.tv_sec, 77);
  EXPECT_EQ(ground.stat_of("usr/bin").st_mtim.tv_sec, 0);
  EXPECT_EQ(ground.stat_of("bin").st_mtim.tv_sec, 99);
}

TEST(Layer, NamesThatLeadOutAreRefusedAndNamed) {
  for (const char* name : {"../outside", "a/../../outside", "/outside", "..", "a/..", "./../outside"}) {
    Ground ground;
    const std::string error = ground.error_of(tar({{name, '0', "evil"}}));
    EXPECT_NE(error, "no error") << name;
    EXPECT_NE(error.find(name), std::string::npos) << error;
  }
}

TEST(Layer, ALinkThatLeadsOutIsFollowedInsideTheTreeOnly) {
  Ground ground;
  ASSERT_TRUE(ground.apply(tar({{"up", '2', "", "../.."}, {"abs", '2', "", "/"}, {"up/outside", '0', "in"},
                                {"abs/other", '0', "in"}})).ok());
  EXPECT_EQ(ground.read("outside"), "in");
  EXPECT_EQ(ground.read("other"), "in");
}

TEST(Layer, AFileThroughALinkToADirectoryLandsThere) {
  Ground ground;
  ASSERT_TRUE(ground.apply(tar({{"usr/lib/", '5'}, {"lib", '2', "", "usr/lib"}})).ok());
  ASSERT_TRUE(ground.apply(tar({{"lib/crt1.o", '0', "o"}})).ok());
  EXPECT_EQ(ground.read("usr/lib/crt1.o"), "o");
}

TEST(Layer, AFileOverALinkReplacesTheLinkAndNotWhatItPointsTo) {
  Ground ground;
  ASSERT_TRUE(ground.apply(tar({{"target", '0', "old"}, {"link", '2', "", "target"}})).ok());
  ASSERT_TRUE(ground.apply(tar({{"link", '0', "new"}})).ok());
  EXPECT_EQ(ground.read("target"), "old");
  EXPECT_EQ(ground.read("link"), "new");
}

TEST(Layer, AFileOverAHardLinkLeavesTheOtherNameAlone) {
  Ground ground;
  ASSERT_TRUE(ground.apply(tar({{"a", '0', "old"}, {"b", '1', "", "a"}})).ok());
  ASSERT_TRUE(ground.apply(tar({{"b", '0', "new"}})).ok());
  EXPECT_EQ(ground.read("a"), "old");
  EXPECT_EQ(ground.read("b"), "new");
}

TEST(Layer, HardLinksLeadToFilesInTheTreeOnly) {
  for (const char* target : {"../outside", "/etc/passwd", "missing", "directory", "out/outside"}) {
    Ground ground;
    const std::string error = ground.error_of(
        tar({{"directory/", '5'}, {"out", '2', "", "../.."}, {"link", '1', "", target}}));
    EXPECT_NE(error.find("link: hard link"), std::string::npos) << target << ": " << error;
  }
}

TEST(Layer, AWhiteoutHidesWhatLowerLayersHave) {
  Ground ground;
  ASSERT_TRUE(ground.apply(tar({{"d/a", '0', "1"}, {"d/b", '0', "1"}, {"d/sub/c", '0', "1"}})).ok());
  ASSERT_TRUE(ground.apply(tar({{"d/.wh.a", '0'}, {"d/.wh.sub", '0'}, {"d/.wh.missing", '0'}})).ok());
  EXPECT_FALSE(ground.has("d/a"));
  EXPECT_FALSE(ground.has("d/sub"));
  EXPECT_TRUE(ground.has("d/b"));
  EXPECT_FALSE(ground.has("d/.wh.a"));
}

TEST(Layer, AnOpaqueDirectoryKeepsItsOwnLayerOnlyInWhateverOrder) {
  for (const bool opaque_first : {true, false}) {
    Ground ground;
    ASSERT_TRUE(ground.apply(tar({{"d/old", '0', "1"}, {"d/sub/old", '0', "1"}, {"d/sub/new", '0', "1"}})).ok());
    std::vector<Entry> entries = {{"d/sub/", '5'}, {"d/sub/new", '0', "2"}, {"d/mine", '0', "2"}};
    entries.insert(opaque_first ? entries.begin() : entries.end(), Entry{"d/.wh..wh..opq", '0'});
    ASSERT_TRUE(ground.apply(tar(entries)).ok());
    EXPECT_FALSE(ground.has("d/old"));
    EXPECT_FALSE(ground.has("d/sub/old"));
    EXPECT_EQ(ground.read("d/sub/new"), "2");
    EXPECT_EQ(ground.read("d/mine"), "2");
  }
}

TEST(Layer, AWhiteoutThroughALinkStaysInside) {
  Ground ground;
  ASSERT_TRUE(ground.apply(tar({{"up", '2', "", ".."}, {"keep", '0', "1"}})).ok());
  ASSERT_TRUE(ground.apply(tar({{"up/.wh.outside", '0'}, {"up/.wh.tree", '0'}})).ok());
  EXPECT_TRUE(ground.has("keep"));
  EXPECT_NE(ground.error_of(tar({{".wh...", '0'}})), "no error");
  EXPECT_NE(ground.error_of(tar({{".wh.", '0'}})), "no error");
}

TEST(Layer, DevicesAndPipesAreLeftOutAndCounted) {
  Ground ground;
  ASSERT_TRUE(ground.apply(tar({{"dev/null", '3'}, {"dev/sda", '4'}, {"run/pipe", '6'}, {"f", '0', "x"}})).ok());
  EXPECT_FALSE(ground.has("dev/null"));
  EXPECT_FALSE(ground.has("dev/sda"));
  EXPECT_FALSE(ground.has("run/pipe"));
  EXPECT_EQ(ground.writer->skipped(), 3u);
}

TEST(Layer, LimitsOnEntriesBytesAndDepthHold) {
  TreeLimits limits;
  limits.entries = 3;
  limits.bytes = 100;
  limits.depth = 4;
  EXPECT_NE(Ground(limits).error_of(tar({{"a", '0'}, {"b", '0'}, {"c", '0'}, {"d", '0'}})).find("too many entries"),
            std::string::npos);
  EXPECT_NE(Ground(limits).error_of(tar({{"a", '0', std::string(60, 'x')}, {"b", '0', std::string(60, 'x')}}))
                .find("too large"),
            std::string::npos);
  EXPECT_NE(Ground(limits).error_of(tar({{"1/2/3/4/5/6", '0'}})).find("too deep"), std::string::npos);
  limits.entries = 100;
  // Through links the same depth can be passed step by step.
  Ground ground(limits);
  EXPECT_NE(ground.error_of(tar({{"1/2/3/", '5'}, {"s", '2', "", "1/2/3"}, {"s/4/", '5'}, {"t", '2', "", "s/4"},
                                 {"t/5/", '5'}}))
                .find("too deep"),
            std::string::npos);
}

TEST(Layer, LongNamesComeThroughPaxHeadersAndAreLimited) {
  Ground ground;
  const std::string name(200, 'n');
  ASSERT_TRUE(ground.apply(pax_header({{"path", name}, {"mtime", "1234.5"}}) + tar({{"short", '0', "x"}})).ok());
  EXPECT_EQ(ground.read(name), "x");
  EXPECT_EQ(ground.stat_of(name).st_mtim.tv_sec, 1234);
  EXPECT_NE(ground.error_of(pax_header({{"path", std::string(300, 'n')}}) + tar({{"s", '0'}})).find("too long"),
            std::string::npos);
  EXPECT_NE(ground.error_of(pax_header({{"path", "../outside"}}) + tar({{"s", '0', "evil"}})), "no error");
  EXPECT_NE(ground.error_of(pax_header({{"linkpath", "../outside"}}) + tar({{"s", '1', "", "f"}})), "no error");
}

TEST(Layer, NamesThatAreNotAsciiOrNotUtf8AreKeptByteForByte) {
  Ground ground;
  ASSERT_TRUE(ground.apply(tar({{"\xc3\xbc.h", '0', "u"}, {"\xff\xfe.h", '0', "b"}})).ok());
  EXPECT_EQ(ground.read("\xc3\xbc.h"), "u");
  EXPECT_EQ(ground.read("\xff\xfe.h"), "b");
}

TEST(Layer, ATruncatedOrDamagedTarIsAnError) {
  const std::string whole = tar({{"a", '0', std::string(2000, 'x')}, {"b", '0', "y"}});
  Ground ground;
  EXPECT_NE(ground.error_of(whole.substr(0, 1500)), "no error");
  std::string damaged = whole;
  damaged[3] ^= 1;  // the name: the header's sum is wrong
  EXPECT_NE(Ground().error_of(damaged), "no error");
  EXPECT_NE(Ground().error_of(std::string(4096, 'q')), "no error");
  EXPECT_EQ(Ground().error_of(std::string(1024, '\0')), "no error");  // no entries
}

std::string gzip(const std::string& bytes) {
  std::string out(bytes.size() + 1000, '\0');
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

TEST(Layer, CompressedLayersAreReadFrameAfterFrame) {
  const std::string layer = tar({{"a", '0', std::string(100'000, 'x')}}), first = layer.substr(0, 3000),
                    second = layer.substr(3000);
  for (const bool use_zstd : {true, false}) {
    const auto pack = use_zstd ? zstd : gzip;
    const LayerCompression compression = use_zstd ? LayerCompression::kZstd : LayerCompression::kGzip;
    Ground ground;
    Result<BlobDigest> done = ground.apply(pack(first) + pack(second), compression);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    EXPECT_EQ(*done, BlobDigest::of(layer));
    EXPECT_EQ(ground.read("a").size(), 100'000u);
    const std::string packed = pack(layer);
    EXPECT_FALSE(Ground().apply(packed.substr(0, packed.size() - 5), compression).ok());
    EXPECT_FALSE(Ground().apply(packed + "garbage", compression).ok());
    EXPECT_FALSE(Ground().apply(layer, compression).ok());
  }
}

TEST(Layer, ABombIsStoppedAtTheLimit) {
  const std::string bomb = gzip(std::string(8 << 20, '\0'));
  bool given = false;
  Result<Inflater> inflater = Inflater::create(
      [&]() -> Result<std::string_view> {
        return std::exchange(given, true) ? std::string_view() : std::string_view(bomb);
      },
      LayerCompression::kGzip, 1 << 20);
  ASSERT_TRUE(inflater.ok());
  Result<std::string_view> got = inflater->next();
  for (; got.ok() && !got->empty(); got = inflater->next()) continue;
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::kLimit);
}

}  // namespace
}  // namespace hpcc
