#include "trust/row.h"

#include <gtest/gtest.h>

#include "base/uuid.h"

namespace hpcc {
namespace {

AuditRow sample() {
  AuditRow row;
  row.image_digest = "sha256:" + std::string(64, 'a');
  row.source_digest = std::string(64, 'b');
  row.flags = join_flags({"gcc", "-c", "a b.c", "-DX=\"1\t2\""});
  row.tenant = "acme";
  row.worker = "w1";
  row.vm = new_uuid7();
  row.duration_ms = 70;
  row.exit = 1;
  row.row_id = new_uuid7();
  row.start = rfc3339_us(1700000000123456789);
  row.name = "-";
  row.driver = "qemu-tcg\xff";
  return row;
}

TEST(AuditRow, DecodesToWhatWasEncoded) {
  SigningKey key = *SigningKey::create();
  Result<std::string> line = sign_row(sample(), key);
  ASSERT_TRUE(line.ok());
  Result<SignedRow> back = decode_row(*line);
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  AuditRow expected = sample();
  expected.vm = back->row.vm;
  expected.row_id = back->row.row_id;
  EXPECT_EQ(back->row, expected);
  EXPECT_TRUE(row_signature_ok(*back, key.public_key()));
  EXPECT_EQ(back->row.start, "2023-11-14T22:13:20.123456Z");
}

TEST(AuditRow, OfAnotherKeyDoesNotVerify) {
  Result<SignedRow> row = decode_row(*sign_row(sample(), *SigningKey::create()));
  EXPECT_FALSE(row_signature_ok(*row, SigningKey::create()->public_key()));
}

TEST(AuditRow, OfAClientIsUnsigned) {
  Result<SignedRow> row = decode_row(*assert_row(sample()));
  ASSERT_TRUE(row.ok());
  EXPECT_TRUE(row->signature.empty());
  EXPECT_FALSE(row_signature_ok(*row, SigningKey::create()->public_key()));
}

// A byte that changes makes the row malformed or its signature false; nothing in a row is outside the signature.
TEST(AuditRow, WithAnyByteChangedIsRefused) {
  SigningKey key = *SigningKey::create();
  const std::string line = *sign_row(sample(), key);
  for (size_t i = 0; i < line.size(); ++i) {
    std::string changed = line;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    Result<SignedRow> row = decode_row(changed);
    EXPECT_FALSE(row.ok() && row_signature_ok(*row, key.public_key())) << i;
  }
}

TEST(AuditRow, HasOneEncoding) {
  std::string line = *assert_row(sample());
  line.replace(line.find("acme"), 4, "\\x61cme");
  EXPECT_FALSE(decode_row(line).ok());
  EXPECT_FALSE(decode_row("a\tb").ok());
  EXPECT_FALSE(decode_row(std::string(70000, '\t')).ok());
}

TEST(AuditRow, KeepsArgumentsApart) {
  EXPECT_NE(join_flags({"a b"}), join_flags({"a", "b"}));
  EXPECT_NE(join_flags({"a", ""}), join_flags({"a"}));
  EXPECT_NE(join_flags({"a\\sb"}), join_flags({"a b"}));
  EXPECT_EQ(join_flags({std::string(40000, 'x')}).substr(0, 8), "@sha256:");
}

TEST(AuditRow, ShowsNoSecret) {
  SigningKey key = *SigningKey::create();
  std::vector<std::string> arguments = {"gcc",   "-DAPI_TOKEN=hunter2", "-D", "db_password=x",
                                        "-DN=1", "--api-key=2",         "-c"};
  EXPECT_TRUE(redact_flags(arguments, key));
  const std::string flags = join_flags(arguments);
  EXPECT_EQ(flags.find("hunter2"), flags.npos);
  EXPECT_NE(flags.find("db_password=redacted:"), flags.npos);
  EXPECT_NE(flags.find("-DN=1"), flags.npos);
  std::vector<std::string> same = {"gcc", "-DAPI_TOKEN=hunter2"}, other = {"gcc", "-DAPI_TOKEN=hunter3"};
  redact_flags(same, key);
  redact_flags(other, key);
  EXPECT_EQ(same[1], arguments[1]);
  EXPECT_NE(other[1], arguments[1]);
  for (const char* hidden : {"-Wp,-DN=1,-DAPI_TOKEN=hunter2", "-DURL=\"http://x/?token=hunter2\"",
                             "--api-key=hunter2", "-DN=1,my-secret=hunter2"}) {
    std::vector<std::string> one = {"gcc", hidden};
    EXPECT_TRUE(redact_flags(one, key)) << hidden;
    EXPECT_EQ(one[1].find("hunter2"), std::string::npos) << one[1];
  }
  std::vector<std::string> plain = {"gcc", "-DTOKENS", "-O2", "-Itoken=1"};
  EXPECT_FALSE(redact_flags(plain, key));
}

TEST(OutputsDigest, DependsOnPathContentAndMode) {
  const std::string one(64, '1'), two(64, '2');
  EXPECT_EQ(outputs_digest({}), "");
  EXPECT_EQ(outputs_digest({{"a.o", one}, {"a.d", two}}), outputs_digest({{"a.d", two}, {"a.o", one}}));
  EXPECT_NE(outputs_digest({{"a.o", one}}), outputs_digest({{"b.o", one}}));
  EXPECT_NE(outputs_digest({{"a.o", one}}), outputs_digest({{"a.o", two}}));
  EXPECT_NE(outputs_digest({{"a.o", one, false}}), outputs_digest({{"a.o", one, true}}));
}

}  // namespace
}  // namespace hpcc
