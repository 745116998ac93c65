#include "common/net/pem_file.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace mailstead::net {
namespace {

using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslFree<GENERAL_NAMES_free>>;

constexpr size_t kMaxFileBytes = 1 << 20;

absl::Status CannotRead(const std::string& path, int error) {
  const std::string message = absl::StrCat("cannot read ", path, ": ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
}

FileStamp StampFrom(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = status.st_size,
          .modified_ns = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

BioPtr MemoryBio(absl::string_view bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// Of 4 or 16 bytes; empty for others.
std::string AddressText(const std::string& bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if ((bytes.size() != 4 && bytes.size() != 16) ||
      inet_ntop(family, bytes.data(), text, sizeof text) == nullptr) {
    return "";
  }
  return text;
}

// OpenSSL would ask for the password on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

}  // namespace

absl::StatusOr<FileStamp> StampOf(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return CannotRead(path, errno);
  return StampFrom(status);
}

absl::StatusOr<PemFile> ReadPemFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return CannotRead(path, errno);
  const auto close = absl::MakeCleanup([file] { ::close(file); });
  struct stat status;
  if (::fstat(file, &status) != 0) return CannotRead(path, errno);
  PemFile result{.path = path, .stamp = StampFrom(status)};
  char chunk[4096];
  for (;;) {
    const ssize_t count = ::read(file, chunk, sizeof(chunk));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotRead(path, errno);
    if (count == 0) break;
    result.bytes.append(chunk, static_cast<size_t>(count));
    if (result.bytes.size() > kMaxFileBytes) return CannotRead(path, EFBIG);
  }
  OPENSSL_cleanse(chunk, sizeof(chunk));
  return result;
}

X509Ptr FirstCertificate(absl::string_view pem) {
  const BioPtr bio = MemoryBio(pem);
  X509Ptr certificate(PEM_read_bio_X509_AUX(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  return certificate;
}

bool IsSelfSigned(absl::string_view pem) {
  const X509Ptr certificate = FirstCertificate(pem);
  return certificate != nullptr && X509_self_signed(certificate.get(), /*verify_signature=*/0) == 1;
}

absl::Time ExpiryOf(absl::string_view pem) {
  const X509Ptr certificate = FirstCertificate(pem);
  std::tm end = {};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    ERR_clear_error();
    return absl::InfinitePast();
  }
  return absl::FromTM(end, absl::UTCTimeZone());
}

bool NamesHost(absl::string_view pem, const std::string& host) {
  const X509Ptr certificate = FirstCertificate(pem);
  if (certificate == nullptr) return false;
  const bool named = X509_check_ip_asc(certificate.get(), host.c_str(), 0) == 1 ||
                     X509_check_host(certificate.get(), host.data(), host.size(), 0, nullptr) == 1;
  ERR_clear_error();
  return named;
}

std::vector<std::string> NamesOf(absl::string_view pem) {
  const X509Ptr certificate = FirstCertificate(pem);
  if (certificate == nullptr) return {};
  std::vector<std::string> names;
  const GeneralNamesPtr general(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; general != nullptr && i < sk_GENERAL_NAME_num(general.get()); ++i) {
    int kind = 0;
    const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(general.get(), i), &kind);
    if (kind != GEN_DNS && kind != GEN_IPADD) continue;
    const auto* const text = static_cast<const ASN1_STRING*>(value);
    std::string name(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
    if (kind == GEN_IPADD) name = AddressText(name);
    if (!name.empty()) names.push_back(std::move(name));
  }
  if (names.empty()) {
    char common_name[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, common_name,
                              sizeof common_name);
    if (common_name[0] != '\0') names.push_back(common_name);
  }
  ERR_clear_error();
  return names;
}

absl::StatusOr<EvpKeyPtr> PrivateKey(const PemFile& file) {
  const BioPtr bio = MemoryBio(file.bytes);
  EvpKeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(file.path, ": no private key in PEM without a password"));
  }
  return key;
}

absl::Status CheckPair(const PemFile& certificate, const PemFile& key) {
  const X509Ptr leaf = FirstCertificate(certificate.bytes);
  if (leaf == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(certificate.path, ": no certificate in PEM"));
  ASSIGN_OR_RETURN(const EvpKeyPtr private_key, PrivateKey(key));
  const bool together = X509_check_private_key(leaf.get(), private_key.get()) == 1;
  ERR_clear_error();
  if (together) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(key.path, " is not the key of ", certificate.path));
}

}  // namespace mailstead::net
