#include "wire/remote.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace hpcc::remote {
namespace {

Submit a_submit() {
  Submit submit;
  submit.id = 7;
  submit.flags = kSkipCache;
  submit.image = "sha256:ab";
  submit.root = "/h/me/p";
  submit.action = "action";
  submit.command = std::string("com\0mand", 8);
  submit.directories = {"d1", ""};
  submit.files = {{"src/a.c", SizedDigest::of("x"), false}, {"b.h", SizedDigest::of(""), false}};
  submit.seen = {{"w1", 5}, {"w1", 7}};
  submit.timeout_ms = 1000;
  return submit;
}

RemoteResult a_result() {
  RemoteResult result;
  result.id = 9;
  result.outcome = Outcome::kDone;
  result.exit_code = -1;
  result.stdout_text = "out";
  result.stderr_text = "err";
  result.outputs = {{"a.o", SizedDigest::of("o"), true}};
  result.row = "row";
  result.checkpoint = "note";
  result.probes = "p";
  result.grant = "g";
  result.worker = "w";
  result.leaf_index = 5;
  result.inclusion = {std::string(32, 'h')};
  result.consistency = {{3, {std::string(32, 'c'), std::string(32, 'd')}}, {4, {}}};
  return result;
}

TEST(RemoteFrames, ASubmitComesBackAsItWas) {
  Result<Submit> back = decode_submit(encode_submit(a_submit()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(encode_submit(*back), encode_submit(a_submit()));
  EXPECT_EQ(back->files[0].path, "src/a.c");
  EXPECT_EQ(back->seen[1].rows, 7u);
  EXPECT_EQ(back->files[0].content, SizedDigest::of("x"));
}

TEST(RemoteFrames, AResultComesBackAsItWas) {
  Result<RemoteResult> back = decode_remote_result(encode_remote_result(a_result()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(encode_remote_result(*back), encode_remote_result(a_result()));
  EXPECT_EQ(back->exit_code, -1);
  EXPECT_EQ(back->consistency, a_result().consistency);
}

TEST(RemoteFrames, EveryTruncationIsRefused) {
  const std::string submit = encode_submit(a_submit()), result = encode_remote_result(a_result());
  for (size_t size = 0; size < submit.size(); ++size) EXPECT_FALSE(decode_submit(submit.substr(0, size)).ok()) << size;
  for (size_t size = 0; size < result.size(); ++size) {
    EXPECT_FALSE(decode_remote_result(result.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(decode_submit(submit + "x").ok());
  EXPECT_FALSE(decode_remote_result(result + "x").ok());
  EXPECT_FALSE(decode_blob_part("short").ok());
}

TEST(RemoteFrames, TravelWholeOverASocket) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Fd a(ends[0]), b(ends[1]);
  const SizedDigest blob = SizedDigest::of("bytes");
  ASSERT_TRUE(send_frame(a.get(), Type::kBlob, encode_blob_part(3, blob, "bytes")).ok());
  Result<Frame> frame = receive_frame(b.get());
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->type, Type::kBlob);
  Result<BlobPart> part = decode_blob_part(frame->payload);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->bytes, "bytes");
  EXPECT_EQ(part->blob, blob);
  a.reset();
  EXPECT_EQ(receive_frame(b.get()).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace hpcc::remote
