// Generated sources to compile: single translation units of known weight, and a project that shares headers.
#pragma once

#include <string>
#include <vector>

namespace hpcc::bench {

struct Unit {
  std::string source;  // path under the project's root
  std::string object;  // file name
  bool cxx = false;
};

void write_file(const std::string& path, const std::string& text);
std::string read_file(const std::string& path);
// Sleeps until files written before are older than a file system's tick, as an editor's are.
void settle();

// The three units of the hit table: small.c (~10 headers), iostream.cc (~180), stdcxx.cc (~420).
std::vector<Unit> write_single_units(const std::string& root);
// `count` units; each includes 12 of 60 shared headers (which include each other a little) and a system header.
// Every second is C++ when `with_cxx`.
std::vector<Unit> write_project(const std::string& root, int count, bool with_cxx);
// C++ files that use several standard headers and some templates.
std::vector<Unit> write_cxx_files(const std::string& root, int count);
// One-function C files with <stdio.h>.
std::vector<Unit> write_tiny_files(const std::string& root, int count);

}  // namespace hpcc::bench
