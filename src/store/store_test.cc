// What callers see of a store: entries, blobs, facts, history, counters.
#include "store/store.h"

#include <gtest/gtest.h>

#include "store/test_support.h"

namespace hpcc {
namespace {

using store::TempDir;
using store::sample_entry;
using store::key_of;

TEST(Store, FindsWhatWasPut) {
  TempDir dir;
  auto opened = Store::open(dir.path());
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  Store& store = **opened;
  const std::string object(30000, 'x');
  const BlobDigest blob = BlobDigest::of(object);
  ASSERT_TRUE(store.put_blob(blob, object).ok());
  Entry entry = sample_entry({blob}, 600);
  const Status put = store.put(key_of("a"), entry);
  ASSERT_TRUE(put.ok()) << put.error().to_string();
  auto found = store.find(key_of("a"));
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(encode_manifest((*found)[0].manifest), encode_manifest(entry.manifest));
  EXPECT_EQ(encode_result((*found)[0].result), encode_result(entry.result));
  EXPECT_EQ((*found)[0].sequence, store.version(key_of("a")));
  EXPECT_EQ(*store.get_blob(blob), object);
}

}  // namespace
}  // namespace hpcc
