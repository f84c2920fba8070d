#include "worker/action.h"

#include <gtest/gtest.h>

#include <map>

#include "base/limits.h"

namespace hpcc {
namespace {

const std::string kImage = ImageDigest::of("a toolchain").hex();

// An action in a store of its own; a test changes the parts it is about.
class PlanTest : public testing::Test {
 protected:
  PlanTest() {
    file(root, "a.c", "int a;");
    command.add_arguments("gcc");
    command.add_arguments("a.c");
    command.add_output_paths("a.o");
    auto* property = action.mutable_platform()->add_properties();
    property->set_name("container-image");
    property->set_value("sha256:" + kImage);
  }
  SizedDigest put(const std::string& bytes) {
    const SizedDigest digest = SizedDigest::of(bytes);
    blobs[digest] = bytes;
    return digest;
  }
  void file(reapi::Directory& directory, const std::string& name, const std::string& content) {
    auto* node = directory.add_files();
    node->set_name(name);
    *node->mutable_digest() = encode_digest(put(content));
  }
  void child(reapi::Directory& directory, const std::string& name, const reapi::Directory& below) {
    auto* node = directory.add_directories();
    node->set_name(name);
    *node->mutable_digest() = encode_digest(put(below.SerializeAsString()));
  }
  Result<Plan> plan() {
    *action.mutable_command_digest() = encode_digest(put(command.SerializeAsString()));
    *action.mutable_input_root_digest() = encode_digest(put(root.SerializeAsString()));
    return plan_of(put(action.SerializeAsString()));
  }
  Result<Plan> plan_of(const SizedDigest& digest) {
    missing.clear();
    const PlanBlobs source{[this](const SizedDigest& wanted) -> Result<std::string> {
                             const auto found = blobs.find(wanted);
                             if (found == blobs.end()) return Error{Code::kNotFound, "gone"};
                             return found->second;
                           },
                           [this](const SizedDigest& wanted) { return blobs.contains(wanted); }};
    return load_plan(digest, source, &missing);
  }
  std::map<SizedDigest, std::string> blobs;
  reapi::Directory root;
  reapi::Command command;
  reapi::Action action;
  std::vector<MissingBlob> missing;
};

TEST_F(PlanTest, SaysWhatTheGuestIsToDo) {
  reapi::Directory empty, include;
  file(include, "a.h", "int b;");
  child(root, "include", include);
  child(root, "out", empty);
  command.set_working_directory("include");
  command.set_arguments(1, "../a.c");
  command.add_arguments("-c");
  auto* variable = command.add_environment_variables();
  variable->set_name("LANG");
  variable->set_value("C");
  action.mutable_timeout()->set_seconds(7);
  const auto made = plan();
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  EXPECT_EQ(made->image.hex(), kImage);
  EXPECT_EQ(made->compile.environment, std::vector<std::string>{"LANG=C"});
  EXPECT_EQ(made->compile.outputs, std::vector<std::string>{"include/a.o"});
  EXPECT_EQ(made->compile.directories, std::vector<std::string>{"out"});
  EXPECT_EQ(made->compile.limits.wall_ms, 7000u);
  EXPECT_EQ(made->source, "/hpcc/w/a.c");
  ASSERT_EQ(made->compile.inputs.size(), 2u);
  EXPECT_EQ(made->compile.inputs[1].path, "include/a.h");
}

TEST_F(PlanTest, TheObjectIsWhatTheCommandNamesAndNotTheFirstOutput) {
  command.set_working_directory("build");
  const auto object = [&](const std::vector<std::string>& arguments) {
    command.clear_arguments();
    for (const std::string& argument : arguments) command.add_arguments(argument);
    const auto made = plan();
    return made.ok() ? made->object : made.error().to_string();
  };
  for (const char* output : {"a.d", "x/b.o", "a.o"}) *command.add_output_paths() = output;
  command.mutable_output_paths()->DeleteSubrange(0, 1);
  EXPECT_EQ(object({"gcc", "-MD", "-c", "../a.c"}), "build/a.o");
  EXPECT_EQ(object({"gcc", "-MD", "-c", "-o", "x/b.o", "../a.c"}), "build/x/b.o");
  EXPECT_EQ(object({"gcc", "-MD", "-c", "-ox/b.o", "../a.c"}), "build/x/b.o");
  EXPECT_EQ(object({"gcc", "-c", "-o", "/hpcc/w/build/x/b.o", "../a.c"}), "build/x/b.o");
  command.mutable_output_paths()->DeleteSubrange(1, 2);
  EXPECT_EQ(object({"gcc", "-MD", "-fsyntax-only", "../a.c"}), "") << "a list of dependencies is no object";
  command.clear_arguments();
  for (const char* argument : {"gcc", "-c", "../a.c", "-imacros", "../b.h"}) command.add_arguments(argument);
  EXPECT_EQ(plan()->source, "/hpcc/w/a.c") << "the last argument that names a file need not be the source";
}

TEST_F(PlanTest, NamesThatLeaveTheirDirectoryAreRefused) {
  for (const std::string& name : {std::string(".."), std::string("."), std::string(), std::string("a/b"),
                                  std::string("/etc"), std::string("a\0b", 3), std::string(256, 'x')}) {
    root.Clear();
    file(root, name, "x");
    EXPECT_EQ(plan().error().code, Code::kInvalid) << name;
    root.Clear();
    child(root, name, reapi::Directory());
    EXPECT_EQ(plan().error().code, Code::kInvalid) << name;
  }
  root.Clear();
  file(root, "a", "x");
  file(root, "a", "y");
  EXPECT_EQ(plan().error().code, Code::kInvalid);
}

TEST_F(PlanTest, PathsOfTheCommandThatLeaveTheRootAreRefused) {
  for (const char* path : {"../a.o", "/a.o", "", "x/../../a.o", ".", "x/.."}) {
    command.set_output_paths(0, path);
    EXPECT_EQ(plan().error().code, Code::kInvalid) << path;
  }
  command.set_output_paths(0, "a.o");
  for (const char* path : {"..", "/", "/tmp", "a/../b", "a//b", "a/"}) {
    command.set_working_directory(path);
    EXPECT_EQ(plan().error().code, Code::kInvalid) << path;
  }
  command.set_working_directory("a/b");
  command.set_output_paths(0, "../../../a.o");
  EXPECT_EQ(plan().error().code, Code::kInvalid);
  command.set_output_paths(0, "../../a.o");
  EXPECT_TRUE(plan().ok());
  command.add_output_paths("../x/../../a.o");
  EXPECT_EQ(plan().error().code, Code::kInvalid) << "the same file twice";
}

TEST_F(PlanTest, LinksAndOutputDirectoriesAreNotSupported) {
  root.add_symlinks()->set_name("link");
  EXPECT_EQ(plan().error().code, Code::kUnsupported);
  root.clear_symlinks();
  command.add_output_directories("d");
  EXPECT_EQ(plan().error().code, Code::kUnsupported);
}

TEST_F(PlanTest, OlderClientsNameOutputsAndImageElsewhere) {
  command.clear_output_paths();
  command.add_output_files("a.o");
  *command.mutable_platform() = action.platform();
  action.mutable_platform()->clear_properties();
  const auto made = plan();
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  EXPECT_EQ(made->compile.outputs, std::vector<std::string>{"a.o"});
  EXPECT_EQ(made->image.hex(), kImage);
}

TEST_F(PlanTest, AnImageMustBeNamedByDigest) {
  for (const char* image : {"", "gcc:12", "docker://gcc:12", "sha256:12", "docker://gcc@sha256:xyz"}) {
    action.mutable_platform()->mutable_properties(0)->set_value(image);
    EXPECT_EQ(plan().error().code, Code::kInvalid) << image;
  }
  action.mutable_platform()->mutable_properties(0)->set_value("docker://gcc@sha256:" + kImage);
  EXPECT_TRUE(plan().ok());
  auto* other = action.mutable_platform()->add_properties();
  other->set_name("network");
  other->set_value("on");
  EXPECT_EQ(plan().error().code, Code::kInvalid) << "what would be ignored is refused";
}

TEST_F(PlanTest, WhatIsNotKnownIsRefused) {
  std::string with_more = command.SerializeAsString() + "\xf2\x07\x01x";
  *action.mutable_command_digest() = encode_digest(put(with_more));
  *action.mutable_input_root_digest() = encode_digest(put(root.SerializeAsString()));
  EXPECT_EQ(plan_of(put(action.SerializeAsString())).error().code, Code::kInvalid);
  EXPECT_EQ(plan_of(put("\xff\xff")).error().code, Code::kInvalid);
  action.mutable_timeout()->set_seconds(1'000'000);
  EXPECT_EQ(plan().error().code, Code::kInvalid);
}

TEST_F(PlanTest, AllThatIsMissingIsNamedAtOnce) {
  reapi::Directory below;
  file(below, "b.h", "gone");
  child(root, "include", below);
  ASSERT_TRUE(plan().ok());
  blobs.erase(SizedDigest::of("gone"));
  blobs.erase(SizedDigest::of("int a;"));
  blobs.erase(SizedDigest::of(command.SerializeAsString()));
  EXPECT_EQ(plan_of(SizedDigest::of(action.SerializeAsString())).error().code, Code::kNotFound);
  EXPECT_EQ(missing.size(), 3u);
}

// Forty directories, each holding the next twice: 2^40 paths in four kilobytes.
TEST_F(PlanTest, ASmallTreeThatStandsForAHugeOneIsRefused) {
  reapi::Directory below;
  file(below, "x", "x");
  for (int i = 0; i < 40; ++i) {
    reapi::Directory next;
    child(next, "a", below);
    child(next, "b", below);
    below = next;
  }
  root = below;
  EXPECT_EQ(plan().error().code, Code::kLimit);
  reapi::Directory deep;
  for (size_t i = 0; i < limits::kTreeDepth + 2; ++i) {
    reapi::Directory next;
    child(next, "a", deep);
    deep = next;
  }
  root = deep;
  EXPECT_EQ(plan().error().code, Code::kLimit);
}

// One blob under many names: in the guest each has a copy.
TEST_F(PlanTest, OneLargeFileUnderManyNamesIsRefused) {
  const std::string large(64u << 20, 'x');
  file(root, "copy", large);
  while (static_cast<uint64_t>(root.files_size()) * large.size() < limits::kTreeBytes) {
    *root.add_files() = root.files(1);
    root.mutable_files(root.files_size() - 1)->set_name("copy" + std::to_string(root.files_size()));
  }
  EXPECT_TRUE(plan().ok()) << "a.c is small, but not nothing";
  *root.add_files() = root.files(1);
  root.mutable_files(root.files_size() - 1)->set_name("one more");
  EXPECT_EQ(plan().error().code, Code::kLimit);
}

}  // namespace
}  // namespace hpcc
