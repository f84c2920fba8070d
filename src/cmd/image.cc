// hpcc-image: `hpcc image …`, and the confined process that flattens layers. A binary of its own so that nothing else
// is linked with what reads hostile archives.
//   hpcc-image DIR add LAYOUT [sha256:…] | build debian-gcc | list | rm sha256:…     DIR: the image store
//   hpcc-image --role=flatten
#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/fs.h"
#include "image/build_debian.h"
#include "image/flatten.h"
#include "image/image_store.h"
#include "model/digest.h"

namespace hpcc {
namespace {

using Words = std::vector<std::string>;
using ull = unsigned long long;

constexpr int64_t kAddMs = 30 * 60 * 1000, kBuildMs = 90 * 60 * 1000;
constexpr char kDebianGcc[] = "debian-gcc";

int failed(const Error& error) {
  fprintf(stderr, "hpcc: %s\n", error.to_string().c_str());
  return 1;
}

int add(ImageStore& store, const std::string& layout_dir, const std::string& wanted) {
  ImageAdd what;
  what.layout_dir = layout_dir;
  what.wanted = wanted;
  Result<AddedImage> added = store.add(what, Deadline::after_ms(kAddMs));
  if (!added.ok()) return failed(added.error());
  if (added->was_there) {
    puts("already here");
  } else {
    printf("%llu entries, %llu bytes", static_cast<ull>(added->entries), static_cast<ull>(added->bytes));
    if (added->skipped) printf(", %llu devices or sockets left out", static_cast<ull>(added->skipped));
    puts("");
  }
  puts(added->digest.text().c_str());
  return 0;
}

int build(ImageStore& store, const std::string& dir) {
  const std::string layout = join_path(dir, std::string(kDebianGcc) + ".layout");
  struct stat info;
  if (stat(layout.c_str(), &info) != 0) {
    const Status built = build_debian_gcc(layout, Deadline::after_ms(kBuildMs));
    if (!built.ok()) return failed(built.error());
  }
  printf("OCI layout: %s\n", layout.c_str());
  return add(store, layout, "");
}

int list(const ImageStore& store) {
  Result<std::vector<ImageDigest>> images = store.list();
  if (!images.ok()) return failed(images.error());
  for (const ImageDigest& image : *images) {
    const Result<Rootfs> rootfs = store.find(image);
    const std::string note = rootfs.ok() ? "root " + rootfs->root_hash : rootfs.error().to_string();
    printf("%s %s\n", image.text().c_str(), note.c_str());
  }
  return 0;
}

int remove(ImageStore& store, const std::string& name) {
  Result<ImageDigest> digest = parse_image_digest(name);
  if (!digest.ok()) return failed(digest.error());
  const Status removed = store.remove(*digest);
  if (!removed.ok()) return failed(removed.error());
  printf("removed %s\n", name.c_str());
  return 0;
}

int usage(const Words& words) {
  const bool asked = words.size() == 1 && words[0] == "--help";
  fprintf(asked ? stdout : stderr,
          "usage: hpcc image build debian-gcc         Debian 12 with gcc, g++ and clang\n"
          "       hpcc image add DIR [sha256:...]     an OCI image layout\n"
          "       hpcc image list\n"
          "       hpcc image rm sha256:...\n");
  return asked ? 0 : 2;
}

int run(const std::string& dir, const Words& words) {
  if (words.empty() || words[0] == "--help") return usage(words);
  Result<ImageStore> store = ImageStore::open(dir);
  if (!store.ok()) return failed(store.error());
  const std::string& verb = words[0];
  const size_t count = words.size();
  if (verb == "add" && (count == 2 || count == 3)) return add(*store, words[1], count == 3 ? words[2] : "");
  if (verb == "build" && count == 2 && words[1] == kDebianGcc) return build(*store, dir);
  if (verb == "list" && count == 1) return list(*store);
  if (verb == "rm" && count == 2) return remove(*store, words[1]);
  return usage(words);
}

}  // namespace
}  // namespace hpcc

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc == 2 && std::string_view(argv[1]) == "--role=flatten") return hpcc::run_flattener();
  if (argc < 2 || argv[1][0] == '-') return hpcc::usage({});
  return hpcc::run(argv[1], {argv + 2, argv + argc});
}
