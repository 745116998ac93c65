#include "common/net/self_signed.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/net/pem_file.h"

namespace mailstead::net {
namespace {

using GeneralNamePtr = std::unique_ptr<GENERAL_NAME, OpenSslFree<GENERAL_NAME_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslFree<GENERAL_NAMES_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, OpenSslFree<BN_free>>;
using OctetsPtr = std::unique_ptr<ASN1_OCTET_STRING, OpenSslFree<ASN1_OCTET_STRING_free>>;

// The upper bound of X.520 on a common name.
constexpr size_t kMaxCommonNameBytes = 64;
constexpr size_t kSerialBytes = 16;

absl::Status OpenSslFailed(absl::string_view what) {
  return absl::InternalError(
      absl::StrCat("cannot make a self-signed certificate: ", what, ": ", TakeOpenSslError()));
}

absl::Status FileFailed(absl::string_view what, const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno)));
}

bool SetSerial(X509* certificate) {
  std::string serial = RandomBytes(kSerialBytes);
  // Positive, and never zero (RFC 5280 section 4.1.2.2).
  serial[0] = static_cast<char>((serial[0] & 0x7f) | 0x40);
  const BignumPtr number(BN_bin2bn(reinterpret_cast<const unsigned char*>(serial.data()),
                                   static_cast<int>(serial.size()), nullptr));
  return number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetNames(X509* certificate, const std::string& name) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const absl::string_view common_name =
      name.size() <= kMaxCommonNameBytes ? absl::string_view(name) : "mailstead";
  return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1;
}

bool AddName(GENERAL_NAMES* names, const std::string& name) {
  GeneralNamePtr general(GENERAL_NAME_new());
  if (general == nullptr) return false;
  if (OctetsPtr address(a2i_IPADDRESS(name.c_str())); address != nullptr) {
    GENERAL_NAME_set0_value(general.get(), GEN_IPADD, address.release());
  } else {
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    if (text == nullptr) return false;
    GENERAL_NAME_set0_value(general.get(), GEN_DNS, text);
    if (ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) != 1) return false;
  }
  ERR_clear_error();
  if (sk_GENERAL_NAME_push(names, general.get()) <= 0) return false;
  general.release();
  return true;
}

// The host's own name, and what it is called by programs on it: who trusts the certificate can check these. Built by hand:
// OpenSSL's textual form would read a comma in the name as a second one.
bool AddAlternativeNames(X509* certificate, const std::string& host) {
  const GeneralNamesPtr names(sk_GENERAL_NAME_new_null());
  if (names == nullptr || !AddName(names.get(), host)) return false;
  for (const char* const local : {"localhost", "127.0.0.1", "::1"}) {
    if (host != local && !AddName(names.get(), local)) return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

bool AddExtension(X509* certificate, int nid, const char* value) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool SetTimes(X509* certificate, absl::Time now) {
  // An hour back, for clients whose clock is late.
  return ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(now - absl::Hours(1))) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(now + kSelfSignedLifetime)) != nullptr;
}

std::string BioText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

// The files of the folder, as they are now.
struct Pair {
  std::string cert_path;
  std::string key_path;
};

enum class PairState { kUsable, kToBeMade };

// Whether the folder's files may be used, or replaced: InvalidArgument when they are the operator's and
// unfit.
absl::StatusOr<PairState> Look(const Pair& pair, absl::Time now) {
  const absl::StatusOr<PemFile> certificate = ReadPemFile(pair.cert_path);
  const absl::StatusOr<PemFile> key = ReadPemFile(pair.key_path);
  if (absl::IsNotFound(certificate.status())) return PairState::kToBeMade;
  if (!certificate.ok()) return certificate.status();
  if (absl::IsNotFound(key.status())) return PairState::kToBeMade;
  if (!key.ok()) return key.status();
  if (SelfSignedNeedsRenewal(certificate->bytes, now)) return PairState::kToBeMade;
  const absl::Status together = CheckPair(*certificate, *key);
  if (together.ok()) return PairState::kUsable;
  // A crash between the two renames of a renewal leaves a new key beside an old certificate; that is ours to
  // mend.
  if (IsSelfSigned(certificate->bytes)) return PairState::kToBeMade;
  return together;
}

absl::Status WriteFile(const std::string& path, absl::string_view bytes, mode_t mode) {
  // The lock is held, so one fixed temporary name is enough and a crash leaves at most one file behind.
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (file < 0) return FileFailed("create", temporary);
  const auto close = absl::MakeCleanup([file] { ::close(file); });
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return FileFailed("write", temporary);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  // Whatever the umask is.
  if (::fchmod(file, mode) != 0 || ::fsync(file) != 0) return FileFailed("write", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return FileFailed("rename", temporary);
  return absl::OkStatus();
}

absl::Status MakePair(const Pair& pair, absl::string_view name, absl::Time now) {
  ASSIGN_OR_RETURN(PemPair made, MakeSelfSigned(name, now));
  absl::Status written = WriteFile(pair.key_path, made.key, 0600);
  OPENSSL_cleanse(made.key.data(), made.key.size());
  RETURN_IF_ERROR(written);
  return WriteFile(pair.cert_path, made.certificate, 0644);
}

}  // namespace

absl::StatusOr<PemPair> MakeSelfSigned(absl::string_view name, absl::Time now) {
  const std::string host = name.empty() ? "localhost" : std::string(name);
  const EvpKeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslFailed("key");
  const X509Ptr certificate(X509_new());
  if (certificate == nullptr || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      !SetSerial(certificate.get()) || !SetNames(certificate.get(), host) ||
      !SetTimes(certificate.get(), now) || X509_set_pubkey(certificate.get(), key.get()) != 1) {
    return OpenSslFailed("fields");
  }
  if (!AddAlternativeNames(certificate.get(), host) ||
      !AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(certificate.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(certificate.get(), NID_ext_key_usage, "serverAuth")) {
    return OpenSslFailed("extensions");
  }
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) return OpenSslFailed("signature");

  const BioPtr certificate_bio(BIO_new(BIO_s_mem()));
  const BioPtr key_bio(BIO_new(BIO_s_secmem()));
  if (certificate_bio == nullptr || key_bio == nullptr ||
      PEM_write_bio_X509(certificate_bio.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpenSslFailed("PEM");
  }
  return PemPair{BioText(certificate_bio.get()), BioText(key_bio.get())};
}

absl::Status KeepSelfSigned(const std::string& dir, absl::string_view name, absl::Time now) {
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) return FileFailed("create", dir);
  const Pair pair{absl::StrCat(dir, "/", kSelfSignedCertName), absl::StrCat(dir, "/", kSelfSignedKeyName)};
  // Without the lock first: a folder that is read-only to us may hold a good pair.
  const absl::StatusOr<PairState> found = Look(pair, now);
  if (found.ok() && *found == PairState::kUsable) return absl::OkStatus();

  // Look again under the lock: another program may have made the pair, or be in the middle of it.
  const std::string lock_path = absl::StrCat(dir, "/tls.lock");
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return FileFailed("create", lock_path);
  const auto unlock = absl::MakeCleanup([lock] { ::close(lock); });
  while (::flock(lock, LOCK_EX) != 0) {
    if (errno != EINTR) return FileFailed("lock", lock_path);
  }
  ASSIGN_OR_RETURN(const PairState state, Look(pair, now));
  if (state == PairState::kUsable) return absl::OkStatus();
  return MakePair(pair, name, now);
}

bool SelfSignedNeedsRenewal(absl::string_view pem, absl::Time now) {
  const X509Ptr certificate = FirstCertificate(pem);
  if (certificate == nullptr || X509_self_signed(certificate.get(), /*verify_signature=*/0) != 1)
    return false;
  const std::time_t limit = absl::ToTimeT(now + kSelfSignedRenewBefore);
  return ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate.get()), limit) < 0;
}

}  // namespace mailstead::net
