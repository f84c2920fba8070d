#include "rpc/identity.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/fs.h"
#include "rpc/authority.h"
#include "rpc/tls.h"

namespace hpcc {
namespace {

TEST(Identity, ComesBackFromItsUri) {
  for (const Identity& identity : {Identity{Role::kScheduler, "", "scheduler"}, Identity{Role::kWorker, "", "w-1"},
                                   Identity{Role::kClient, "acme", "laptop"}}) {
    const auto decoded = decode_identity(encode_identity(identity));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, identity);
  }
}

TEST(Identity, AnythingElseIsRefused) {
  for (const char* uri :
       {"", "spiffe://hpcc/", "spiffe://hpcc/client/acme", "spiffe://hpcc/client//laptop", "spiffe://hpcc/client/a/b/c",
        "spiffe://hpcc/worker/", "spiffe://hpcc/worker/a/b", "spiffe://hpcc/worker/A", "spiffe://hpcc/worker/..",
        "spiffe://hpcc/client/../x", "spiffe://hpcc/admin/x", "spiffe://other/worker/a", "https://hpcc/worker/a",
        "spiffe://hpcc/worker/-a", "spiffe://hpcc/worker/a b", "spiffe://hpcc/worker/a\n"}) {
    EXPECT_FALSE(decode_identity(uri).ok()) << uri;
  }
  EXPECT_FALSE(decode_identity("spiffe://hpcc/worker/" + std::string(64, 'a')).ok());
  EXPECT_FALSE(decode_identity("spiffe://hpcc/worker/" + std::string(1 << 20, 'a')).ok());
}

TEST(Identity, IsReadFromACertificate) {
  const Authority authority = std::move(Authority::create(3600)).value();
  const KeyPair one = std::move(authority.issue({Role::kClient, "acme", "laptop"}, 3600)).value();
  const KeyPair two = std::move(authority.issue({Role::kClient, "acme", "laptop"}, 3600)).value();
  const auto peer = decode_peer(one.certificate_pem);
  ASSERT_TRUE(peer.ok());
  EXPECT_EQ(peer->identity, (Identity{Role::kClient, "acme", "laptop"}));
  EXPECT_NE(peer->certificate, decode_peer(two.certificate_pem)->certificate);
  EXPECT_FALSE(decode_peer(authority.pair().certificate_pem).ok()) << "the authority is nobody";
  EXPECT_FALSE(decode_peer("").ok());
  EXPECT_FALSE(decode_peer(one.key_pem).ok());
}

TEST(Authority, KnowsItsOwnCertificatesAndTheirTime) {
  const Authority one = std::move(Authority::create(3600)).value(), two = std::move(Authority::create(3600)).value();
  const KeyPair issued = std::move(one.issue({Role::kWorker, "", "w1"}, 1000)).value();
  EXPECT_TRUE(is_issued_by(issued.certificate_pem, one.pair().certificate_pem));
  EXPECT_FALSE(is_issued_by(issued.certificate_pem, two.pair().certificate_pem));
  const auto left = remaining_s(issued.certificate_pem);
  ASSERT_TRUE(left.ok());
  EXPECT_GT(*left, 900);
  EXPECT_LE(*left, 1000);
  EXPECT_FALSE(Authority::from_pem({one.pair().certificate_pem, two.pair().key_pem}).ok());
}

class InitCertificates : public testing::Test {
 protected:
  InitCertificates() {
    char name[] = "/tmp/hpcc-rpc-test.XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~InitCertificates() override { std::filesystem::remove_all(dir_); }
  std::string certificate(const std::string& who) {
    return std::move(read_file(dir_ + "/" + who + "/cert.pem", 65536)).value();
  }
  std::string dir_;
};

TEST_F(InitCertificates, MakesASetThatFitsAndKeepsIt) {
  ASSERT_TRUE(init_certificates(dir_, {}).ok());
  for (const char* who : {"scheduler", "worker", "client"}) {
    const auto tls = read_tls(dir_ + "/" + who);
    ASSERT_TRUE(tls.ok()) << tls.error().to_string();
    EXPECT_TRUE(is_issued_by(tls->certificate_pem, tls->ca_pem));
    EXPECT_EQ(std::filesystem::status(dir_ + "/" + who + "/key.pem").permissions(), std::filesystem::perms(0600));
  }
  const std::string before = certificate("worker");
  ASSERT_TRUE(init_certificates(dir_, {}).ok());
  EXPECT_EQ(certificate("worker"), before);
}

TEST_F(InitCertificates, MakesAnewWhatIsDamagedOrForAnother) {
  ASSERT_TRUE(init_certificates(dir_, {}).ok());
  const std::string worker = certificate("worker"), client = certificate("client");
  std::filesystem::resize_file(dir_ + "/worker/cert.pem", 10);
  CertificateNames names;
  names.tenant = "acme";
  ASSERT_TRUE(init_certificates(dir_, names).ok());
  EXPECT_NE(certificate("worker"), worker);
  EXPECT_EQ(decode_peer(certificate("client"))->identity.tenant, "acme");
  names.tenant = "../x";
  EXPECT_FALSE(init_certificates(dir_, names).ok());
}

TEST_F(InitCertificates, AKeyThatOthersCanReadIsNotUsed) {
  ASSERT_TRUE(init_certificates(dir_, {}).ok());
  std::filesystem::permissions(dir_ + "/client/key.pem", std::filesystem::perms(0640));
  EXPECT_FALSE(read_tls(dir_ + "/client").ok());
}

}  // namespace
}  // namespace hpcc
