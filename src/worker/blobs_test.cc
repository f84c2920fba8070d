// The worker's store, by itself and over CAS and ByteStream.
#include <zstd.h>

#include "base/limits.h"
#include "worker/cas.h"
#include "worker/test_support.h"

namespace hpcc::test {
namespace {

std::unique_ptr<Cas> open_cas(const TemporaryDirectory& dir, uint64_t max_bytes = 1 << 30) {
  return std::move(Cas::open(dir / "cas", max_bytes)).value();
}

TEST(Cas, GivesBackWhatWasPutToItsTenantAlone) {
  TemporaryDirectory dir;
  const auto cas = open_cas(dir);
  const SizedDigest blob = SizedDigest::of("hello");
  ASSERT_TRUE(cas->put("acme", blob, "hello").ok());
  EXPECT_EQ(*cas->read("acme", blob), "hello");
  EXPECT_TRUE(cas->has("acme", blob));
  EXPECT_FALSE(cas->has("zeta", blob));
  EXPECT_EQ(cas->read("zeta", blob).error().code, Code::kNotFound);
  EXPECT_EQ(cas->open_blob("zeta", blob).error().code, Code::kNotFound);
  EXPECT_TRUE(cas->has("zeta", SizedDigest::of(""))) << "the empty blob is always there";
}

TEST(Cas, TheRightHashWithAnotherSizeIsAnotherBlob) {
  TemporaryDirectory dir;
  const auto cas = open_cas(dir);
  SizedDigest blob = SizedDigest::of("hello");
  ASSERT_TRUE(cas->put("acme", blob, "hello").ok());
  blob.size_bytes = 6;
  EXPECT_FALSE(cas->has("acme", blob));
  EXPECT_EQ(cas->read("acme", blob).error().code, Code::kNotFound);
  EXPECT_EQ(cas->put("acme", blob, "hello").error().code, Code::kInvalid);
  EXPECT_EQ(cas->put("acme", SizedDigest::of("other"), "hello").error().code, Code::kInvalid);
  EXPECT_FALSE(cas->has("acme", SizedDigest::of("other")));
}

TEST(Cas, ADamagedBlobIsMissingAndCanBePutAgain) {
  TemporaryDirectory dir;
  const auto cas = open_cas(dir);
  const SizedDigest blob = SizedDigest::of("hello");
  ASSERT_TRUE(cas->put("acme", blob, "hello").ok());
  const std::string hex = blob.digest.hex();
  std::ofstream(dir / ("cas/acme/blobs/" + hex.substr(0, 2) + "/" + hex)) << "jello";
  EXPECT_EQ(cas->read("acme", blob).error().code, Code::kNotFound);
  EXPECT_FALSE(cas->has("acme", blob));
  ASSERT_TRUE(cas->put("acme", blob, "hello").ok());
  EXPECT_EQ(*cas->read("acme", blob), "hello");
}

TEST(Cas, TheLeastRecentlyUsedGoFirst) {
  TemporaryDirectory dir;
  const auto cas = open_cas(dir, 10 * 4096);
  std::vector<SizedDigest> blobs;
  for (int i = 0; i < 9; ++i) {
    const std::string bytes = "blob " + std::to_string(i);
    blobs.push_back(SizedDigest::of(bytes));
    ASSERT_TRUE(cas->put(i % 2 == 0 ? "acme" : "zeta", blobs.back(), bytes).ok());
  }
  EXPECT_TRUE(cas->has("acme", blobs[0]));  // used just now
  ASSERT_TRUE(cas->put("acme", SizedDigest::of("last"), "last").ok());
  ASSERT_TRUE(cas->put("acme", SizedDigest::of("very last"), "very last").ok());
  EXPECT_TRUE(cas->has("acme", blobs[0]));
  EXPECT_FALSE(cas->has("zeta", blobs[1]));
  EXPECT_LE(cas->size_bytes(), 10u * 4096);
}

TEST(Cas, KnowsItsBlobsAfterAStart) {
  TemporaryDirectory dir;
  const std::string large(1 << 20, 'x');  // compressed on disk
  ASSERT_TRUE(open_cas(dir)->put("acme", SizedDigest::of(large), large).ok());
  const auto cas = open_cas(dir);
  EXPECT_EQ(*cas->read("acme", SizedDigest::of(large)), large);
  const auto found = cas->find("acme", BlobDigest::of(large));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->size_bytes, large.size());
}

TEST(Cas, ABlobIsReadInSmallPartsAndADamagedOneIsAnError) {
  TemporaryDirectory dir;
  const auto cas = open_cas(dir);
  std::string large;  // compressed on disk
  for (int i = 0; large.size() < 3u << 20; ++i) large += std::to_string(i);
  const SizedDigest blob = SizedDigest::of(large);
  ASSERT_TRUE(cas->put("acme", blob, large).ok());
  std::string got;
  size_t largest = 0;
  const auto take = [&](std::string_view part) -> Status {
    largest = std::max(largest, part.size());
    got += part;
    return {};
  };
  ASSERT_TRUE(cas->read_parts("acme", blob, take).ok());
  EXPECT_EQ(got, large);
  EXPECT_LE(largest, store::Blobs::kPartBytes);
  const auto leave = [](std::string_view) -> Status { return Error{Code::kTimeout, "gone"}; };
  EXPECT_EQ(cas->read_parts("acme", blob, leave).error().code, Code::kTimeout);
  EXPECT_TRUE(cas->has("acme", blob)) << "a reader that leaves says nothing about the blob";
  const std::string hex = blob.digest.hex();
  const std::string file = dir / ("cas/acme/blobs/" + hex.substr(0, 2) + "/" + hex);
  ASSERT_TRUE(std::filesystem::remove(file + ".zst"));
  std::ofstream(file) << large.substr(0, large.size() - 1) + "x";
  EXPECT_EQ(cas->read_parts("acme", blob, take).error().code, Code::kNotFound);
  EXPECT_FALSE(cas->has("acme", blob));
}

TEST(Cas, WhatIsOnItsWayIsBoundedForEachTenantAndForAll) {
  TemporaryDirectory dir;
  const auto cas = open_cas(dir);
  {
    const auto most = cas->reserve("acme", limits::kTenantInFlightBytes);
    ASSERT_TRUE(most.ok());
    EXPECT_EQ(cas->reserve("acme", 1).error().code, Code::kLimit);
    const auto other = cas->reserve("zeta", limits::kInFlightBytes - limits::kTenantInFlightBytes);
    ASSERT_TRUE(other.ok()) << "one tenant's streams are not another's";
    EXPECT_EQ(cas->reserve("third", 1).error().code, Code::kLimit);
    EXPECT_EQ(cas->reserve("third", UINT64_MAX).error().code, Code::kLimit);
  }
  EXPECT_TRUE(cas->reserve("acme", limits::kTenantInFlightBytes).ok()) << "given back";
}

// --- ByteStream ---

struct Sent {
  grpc::Status status;
  int64_t committed = 0;
};

Sent write(Client& client, const std::string& name, const std::vector<std::string>& chunks, int64_t skew = 0,
           bool finish = true) {
  grpc::ClientContext context;
  client.begin(&context);
  google::bytestream::WriteResponse response;
  auto stream = client.bytes->Write(&context, &response);
  google::bytestream::WriteRequest request;
  request.set_resource_name(name);
  int64_t offset = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    request.set_write_offset(offset + (i == 0 ? 0 : skew));
    request.set_data(chunks[i]);
    request.set_finish_write(finish && i + 1 == chunks.size());
    if (!stream->Write(request)) break;
    request.clear_resource_name();
    offset += static_cast<int64_t>(chunks[i].size());
  }
  stream->WritesDone();
  Sent sent;
  sent.status = stream->Finish();
  sent.committed = response.committed_size();
  return sent;
}

std::string read(Client& client, const std::string& name, int64_t offset, int64_t limit, grpc::Status* status) {
  grpc::ClientContext context;
  client.begin(&context);
  google::bytestream::ReadRequest request;
  request.set_resource_name(name);
  request.set_read_offset(offset);
  request.set_read_limit(limit);
  auto stream = client.bytes->Read(&context, request);
  std::string data;
  for (google::bytestream::ReadResponse response; stream->Read(&response);) data += response.data();
  *status = stream->Finish();
  return data;
}

std::string zstd(const std::string& bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

std::string unzstd(const std::string& bytes, size_t size) {
  std::string out(size + 1, '\0');
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ZSTD_inBuffer in = {bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer piece = {out.data(), out.size(), 0};
  EXPECT_EQ(ZSTD_decompressStream(context, &piece, &in), 0u);
  ZSTD_freeDCtx(context);
  out.resize(piece.pos);
  return out;
}

class ByteStreamTest : public testing::Test {
 protected:
  static std::string sample() {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += std::to_string(i * 7919) + "\n";
    return text;
  }
  const std::string uuid_ = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
  Worker worker_;
  Client client_{worker_, "acme"};
};

TEST_F(ByteStreamTest, WhatWasWrittenIsRead) {
  const std::string text = sample();
  const ResourceName plain{"acme", Compression::kIdentity, SizedDigest::of(text)};
  ResourceName packed = plain;
  packed.compression = Compression::kZstd;
  const Sent sent = write(client_, encode_write_name(plain, uuid_), {text.substr(0, 100'000), text.substr(100'000)});
  ASSERT_TRUE(sent.status.ok()) << sent.status.error_message();
  EXPECT_EQ(sent.committed, static_cast<int64_t>(text.size()));
  grpc::Status status;
  EXPECT_EQ(read(client_, encode_read_name(plain), 0, 0, &status), text);
  EXPECT_EQ(read(client_, encode_read_name(plain), 10, 20, &status), text.substr(10, 20));
  EXPECT_EQ(unzstd(read(client_, encode_read_name(packed), 0, 0, &status), text.size()), text);
  EXPECT_EQ(unzstd(read(client_, encode_read_name(packed), 1000, 0, &status), text.size()), text.substr(1000));
  EXPECT_TRUE(status.ok());
  read(client_, encode_read_name(packed), 0, 5, &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  read(client_, encode_read_name(plain), static_cast<int64_t>(text.size()) + 1, 0, &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(write(client_, encode_write_name(plain, uuid_), {text}).committed, static_cast<int64_t>(text.size()));
  EXPECT_EQ(write(client_, encode_write_name(packed, uuid_), {"x"}).committed, -1) << "it is there already";
}

TEST_F(ByteStreamTest, ACompressedWriteIsUnpacked) {
  const std::string text = sample(), frame = zstd(text);
  const ResourceName name{"acme", Compression::kZstd, SizedDigest::of(text)};
  const Sent sent = write(client_, encode_write_name(name, uuid_), {frame.substr(0, 1000), frame.substr(1000)});
  ASSERT_TRUE(sent.status.ok()) << sent.status.error_message();
  EXPECT_EQ(sent.committed, static_cast<int64_t>(frame.size()));
  std::string data;
  EXPECT_FALSE(client_.is_missing(name.blob));
}

TEST_F(ByteStreamTest, BadWritesLeaveNothing) {
  const std::string text = "some text";
  const ResourceName plain{"acme", Compression::kIdentity, SizedDigest::of(text)};
  const ResourceName packed{"acme", Compression::kZstd, SizedDigest::of(text)};
  const std::string plain_name = encode_write_name(plain, uuid_), packed_name = encode_write_name(packed, uuid_);
  const auto code = [](const Sent& sent) { return sent.status.error_code(); };
  EXPECT_EQ(code(write(client_, plain_name, {"same size"})), grpc::StatusCode::INVALID_ARGUMENT) << "wrong hash";
  EXPECT_EQ(code(write(client_, plain_name, {"some"})), grpc::StatusCode::INVALID_ARGUMENT) << "too short";
  EXPECT_EQ(code(write(client_, plain_name, {text, "more"})), grpc::StatusCode::INVALID_ARGUMENT) << "too long";
  EXPECT_EQ(code(write(client_, plain_name, {"some ", "text"}, 1)), grpc::StatusCode::INVALID_ARGUMENT) << "a gap";
  EXPECT_EQ(code(write(client_, plain_name, {text}, 0, false)), grpc::StatusCode::CANCELLED) << "not finished";
  EXPECT_EQ(code(write(client_, packed_name, {text})), grpc::StatusCode::INVALID_ARGUMENT) << "no zstd";
  EXPECT_EQ(code(write(client_, packed_name, {zstd(text) + "x"})), grpc::StatusCode::INVALID_ARGUMENT) << "a tail";
  EXPECT_EQ(code(write(client_, packed_name, {zstd(std::string(1 << 24, 'x'))})), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(write(client_, "uploads/x/blobs/y/1", {text})), grpc::StatusCode::INVALID_ARGUMENT);
  ResourceName other = plain;
  other.instance = "zeta";
  EXPECT_EQ(code(write(client_, encode_write_name(other, uuid_), {text})), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(client_.is_missing(plain.blob));
}

// A few kilobytes that stand for many megabytes, and readers that do not read.
TEST_F(ByteStreamTest, SlowReadersOfALargeBlobCostTheWorkerNoMemory) {
  const std::string large(64u << 20, '\0');
  const ResourceName name{"acme", Compression::kIdentity, SizedDigest::of(large)};
  ResourceName packed = name;
  packed.compression = Compression::kZstd;
  ASSERT_TRUE(write(client_, encode_write_name(packed, uuid_), {zstd(large)}).status.ok());
  const auto files = [] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code closed;
      const std::string target = std::filesystem::read_symlink(entry, closed).string();
      count += target.starts_with("/memfd:") || target.ends_with(" (deleted)") ? 1 : 0;
    }
    return count;
  };
  const int before = files();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<google::bytestream::ReadResponse>>> readers;
  for (int i = 0; i < 8; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    client_.begin(contexts.back().get());
    google::bytestream::ReadRequest request;
    request.set_resource_name(encode_read_name(name));
    readers.push_back(client_.bytes->Read(contexts.back().get(), request));
    google::bytestream::ReadResponse response;
    ASSERT_TRUE(readers.back()->Read(&response)) << "the worker is in the middle of it";
  }
  EXPECT_EQ(files(), before) << "copies in memory or on disk";
  for (size_t i = 0; i < readers.size(); ++i) {
    contexts[i]->TryCancel();
    (void)readers[i]->Finish();
  }
}

TEST_F(ByteStreamTest, ADamagedBlobEndsTheStreamWithAnError) {
  const std::string text = sample();
  const ResourceName name{"acme", Compression::kIdentity, SizedDigest::of(text)};
  ASSERT_TRUE(write(client_, encode_write_name(name, uuid_), {text}).status.ok());
  const std::string hex = name.blob.digest.hex();
  const std::string file = worker_.dir / ("cas/acme/blobs/" + hex.substr(0, 2) + "/" + hex);
  ASSERT_TRUE(std::filesystem::remove(file + ".zst"));
  std::ofstream(file) << text.substr(0, text.size() - 1) + "x";
  grpc::Status status;
  read(client_, encode_read_name(name), 0, 0, &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND) << status.error_message();
}

TEST_F(ByteStreamTest, AFrameThatWantsAHugeWindowIsRefused) {
  const std::string text = sample();
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27);
  std::string frame(ZSTD_compressBound(text.size()), '\0');
  ZSTD_outBuffer out = {frame.data(), frame.size(), 0};
  ZSTD_inBuffer in = {text.data(), text.size(), 0};
  // Begun before its size is known: a frame says a window only then.
  ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush);
  while (ZSTD_compressStream2(context, &out, &in, ZSTD_e_end) != 0) continue;
  ZSTD_freeCCtx(context);
  frame.resize(out.pos);
  ASSERT_EQ(unzstd(frame, text.size()), text);
  const ResourceName name{"acme", Compression::kZstd, SizedDigest::of(text)};
  EXPECT_EQ(write(client_, encode_write_name(name, uuid_), {frame}).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ByteStreamTest, BatchesCarryZstdBothWays) {
  const std::string text = sample();
  reapi::BatchUpdateBlobsRequest update;
  for (const std::string& data : {zstd(text), std::string("not zstd")}) {
    auto* one = update.add_requests();
    *one->mutable_digest() = encode_digest(SizedDigest::of(text));
    one->set_data(data);
    one->set_compressor(reapi::Compressor::ZSTD);
  }
  reapi::BatchUpdateBlobsResponse updated;
  grpc::ClientContext first;
  client_.begin(&first);
  ASSERT_TRUE(client_.cas->BatchUpdateBlobs(&first, update, &updated).ok());
  EXPECT_EQ(updated.responses(0).status().code(), 0);
  EXPECT_EQ(updated.responses(1).status().code(), grpc::StatusCode::INVALID_ARGUMENT);
  reapi::BatchReadBlobsRequest request;
  *request.add_digests() = encode_digest(SizedDigest::of(text));
  request.add_acceptable_compressors(reapi::Compressor::ZSTD);
  reapi::BatchReadBlobsResponse response;
  grpc::ClientContext second;
  client_.begin(&second);
  ASSERT_TRUE(client_.cas->BatchReadBlobs(&second, request, &response).ok());
  EXPECT_EQ(response.responses(0).compressor(), reapi::Compressor::ZSTD);
  EXPECT_EQ(unzstd(response.responses(0).data(), text.size()), text);
}

TEST_F(ByteStreamTest, ATreeIsListed) {
  reapi::Directory below, root;
  auto* file = below.add_files();
  file->set_name("a.h");
  *file->mutable_digest() = encode_digest(client_.put("x"));
  for (const char* name : {"one", "two"}) {
    auto* child = root.add_directories();
    child->set_name(name);
    *child->mutable_digest() = encode_digest(client_.put(below.SerializeAsString()));
  }
  reapi::GetTreeRequest request;
  *request.mutable_root_digest() = encode_digest(client_.put(root.SerializeAsString()));
  grpc::ClientContext context;
  client_.begin(&context);
  auto stream = client_.cas->GetTree(&context, request);
  reapi::GetTreeResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.directories_size(), 2) << "equal directories are listed once";
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace hpcc::test
