// For tests of image/: hostile tar files and OCI layouts, made byte by byte. Not part of any binary of hpcc.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/fs.h"
#include "base/sha256.h"
#include "model/digest.h"

namespace hpcc::image_test {

struct TempDir {
  std::string path;
  TempDir() {
    const char* base = getenv("TMPDIR");
    std::string name = std::string(base ? base : "/tmp") + "/hpcc-image-test-XXXXXX";
    if (!mkdtemp(name.data())) abort();
    path = name;
  }
  ~TempDir() { EXPECT_TRUE(remove_tree(path).ok()); }
};

struct Entry {
  std::string name;
  char type = '0';
  std::string content = {}, link = {};
  unsigned mode = 0644;
  long mtime = 1000;
};

inline void octal(char* field, size_t size, unsigned long value) {
  snprintf(field, size, "%0*lo", static_cast<int>(size - 1), value);
}

// One ustar header and content, padded; the name must fit.
inline std::string tar_entry(const Entry& entry) {
  char header[512] = {};
  memcpy(header, entry.name.data(), std::min<size_t>(entry.name.size(), 100));
  octal(header + 100, 8, entry.mode);
  octal(header + 108, 8, 0);
  octal(header + 116, 8, 0);
  octal(header + 124, 12, entry.content.size());
  octal(header + 136, 12, static_cast<unsigned long>(entry.mtime));
  memset(header + 148, ' ', 8);
  header[156] = entry.type;
  memcpy(header + 157, entry.link.data(), std::min<size_t>(entry.link.size(), 100));
  memcpy(header + 257, "ustar\0" "00", 8);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  octal(header + 148, 7, sum);
  std::string out(header, sizeof header);
  out += entry.content;
  out.resize((out.size() + 511) / 512 * 512);
  return out;
}

// A pax extended header with `records` ("path", "…") for the entry that follows.
inline std::string pax_header(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string body;
  for (const auto& [key, value] : records) {
    const std::string rest = " " + key + "=" + value + "\n";
    size_t length = rest.size() + 1;
    while (std::to_string(length).size() + rest.size() != length) ++length;
    body += std::to_string(length) + rest;
  }
  return tar_entry({"pax", 'x', body, "", 0644, 0});
}

inline std::string tar(const std::vector<Entry>& entries) {
  std::string out;
  for (const Entry& entry : entries) out += tar_entry(entry);
  return out + std::string(1024, '\0');
}

inline std::string sha256_name(const std::string& bytes) { return BlobDigest::of(bytes).text(); }

inline void write_text(const std::string& path, const std::string& text) {
  FILE* out = fopen(path.c_str(), "wb");
  ASSERT_NE(out, nullptr) << path;
  ASSERT_EQ(fwrite(text.data(), 1, text.size(), out), text.size());
  fclose(out);
}

inline std::string descriptor(const std::string& type, const std::string& bytes, const std::string& more = "") {
  return "{\"mediaType\":\"application/vnd.oci.image." + type + "\",\"digest\":\"" + sha256_name(bytes) +
         "\",\"size\":" + std::to_string(bytes.size()) + more + "}";
}

// A layout with one image of these uncompressed layers. Returns the manifest's "sha256:…".
inline std::string write_layout(const std::string& dir, const std::vector<std::string>& layers) {
  const std::string blobs = dir + "/blobs/sha256/";
  EXPECT_TRUE(make_directories(dir + "/blobs/sha256", 0755).ok());
  const auto blob = [&](const std::string& bytes) { write_text(blobs + BlobDigest::of(bytes).hex(), bytes); };
  std::string ids, descriptors;
  for (const std::string& layer : layers) {
    blob(layer);
    ids += (ids.empty() ? "\"" : ",\"") + sha256_name(layer) + "\"";
    descriptors += (descriptors.empty() ? "" : ",") + descriptor("layer.v1.tar", layer);
  }
  const std::string config =
      "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + ids + "]}}";
  const std::string manifest =
      "{\"schemaVersion\":2,\"config\":" + descriptor("config.v1+json", config) + ",\"layers\":[" + descriptors + "]}";
  blob(config);
  blob(manifest);
  write_text(dir + "/index.json",
             "{\"schemaVersion\":2,\"manifests\":[" + descriptor("manifest.v1+json", manifest) + "]}");
  write_text(dir + "/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
  return sha256_name(manifest);
}

inline std::string contents(const std::string& path) {
  Result<std::string> read = read_file(path, 1 << 20);
  return read.ok() ? *read : "(" + read.error().to_string() + ")";
}

inline bool is_there(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

}  // namespace hpcc::image_test
