// The encoders of model/reapi.h against the protobuf library, byte for byte.
#include "model/reapi.h"

#include <build/bazel/remote/execution/v2/remote_execution.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

namespace hpcc {
namespace {

namespace reapi = build::bazel::remote::execution::v2;

std::string deterministic(const google::protobuf::Message& message) {
  std::string out;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return out;
}

void set(reapi::Digest* out, const SizedDigest& digest) {
  out->set_hash(digest.digest.hex());
  out->set_size_bytes(static_cast<int64_t>(digest.size_bytes));
}

const SizedDigest kSmall = SizedDigest::of("content"), kEmpty = SizedDigest::of("");
const SizedDigest kLarge = {BlobDigest::of("x"), uint64_t{5} << 32};

TEST(Reapi, DirectoriesAreEncodedAsTheLibraryDoes) {
  reapi::Directory wanted;
  auto* file = wanted.add_files();
  file->set_name("A.h");
  set(file->mutable_digest(), kEmpty);
  file = wanted.add_files();
  file->set_name("a.c");
  set(file->mutable_digest(), kLarge);
  file->set_is_executable(true);
  file = wanted.add_files();
  file->set_name("\xc3\xa9");
  set(file->mutable_digest(), kSmall);
  auto* directory = wanted.add_directories();
  directory->set_name("a-b");
  set(directory->mutable_digest(), kEmpty);
  directory = wanted.add_directories();
  directory->set_name(std::string(300, 'z'));
  set(directory->mutable_digest(), kSmall);
  EXPECT_EQ(encode_reapi_directory({{"a.c", kLarge, true}, {"\xc3\xa9", kSmall, false}, {"A.h", kEmpty, false}},
                                   {{std::string(300, 'z'), kSmall}, {"a-b", kEmpty}}),
            deterministic(wanted));
  EXPECT_EQ(encode_reapi_directory({}, {}), deterministic(reapi::Directory()));
}

TEST(Reapi, CommandsAreEncodedAsTheLibraryDoes) {
  reapi::Command wanted;
  for (const char* argument : {"gcc", "", "-DX=\xff\n", "-c", "a.c"}) wanted.add_arguments(argument);
  auto* variable = wanted.add_environment_variables();
  variable->set_name("CPATH");
  variable = wanted.add_environment_variables();
  variable->set_name("SOURCE_DATE_EPOCH");
  variable->set_value("1");
  wanted.set_working_directory("build");
  wanted.add_output_paths("a.d");
  wanted.add_output_paths("a.o");
  ReapiCommand command;
  command.arguments = {"gcc", "", "-DX=\xff\n", "-c", "a.c"};
  command.environment = {{"SOURCE_DATE_EPOCH", "1"}, {"CPATH", ""}};
  command.output_paths = {"a.o", "a.d", "a.o"};
  command.working_directory = "build";
  EXPECT_EQ(encode_reapi_command(command), deterministic(wanted));
  EXPECT_EQ(encode_reapi_command({}), "");
}

TEST(Reapi, ActionsAreEncodedAsTheLibraryDoes) {
  reapi::Action wanted;
  set(wanted.mutable_command_digest(), kSmall);
  set(wanted.mutable_input_root_digest(), kEmpty);
  ReapiAction action;
  action.command = kSmall;
  action.input_root = kEmpty;
  EXPECT_EQ(encode_reapi_action(action), deterministic(wanted));
  wanted.mutable_timeout()->set_seconds(600);
  wanted.set_do_not_cache(true);
  for (const char* name : {"ISA", "OSFamily", "container-image"}) {
    auto* property = wanted.mutable_platform()->add_properties();
    property->set_name(name);
    property->set_value(std::string(name) + "-value");
  }
  action.timeout_s = 600;
  action.do_not_cache = true;
  action.platform = {
      {"container-image", "container-image-value"}, {"OSFamily", "OSFamily-value"}, {"ISA", "ISA-value"}};
  EXPECT_EQ(encode_reapi_action(action), deterministic(wanted));
}

}  // namespace
}  // namespace hpcc
