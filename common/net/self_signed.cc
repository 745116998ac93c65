#include "common/net/self_signed.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/net/pem_file.h"
#include "common/obs/log.h"

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
// Our mark in a certificate: the organization of its subject.
constexpr absl::string_view kCertificateMark = "Mailstead self-signed";
// Our mark in front of a key, where readers of PEM expect any text (RFC 7468 section 2); the digest stands behind it, so that
// another's key which is put behind the mark does not become ours.
constexpr absl::string_view kKeyMark = "Made by Mailstead, which may replace it. SHA-256 of the public key: ";
// What programs of a host are called.
constexpr const char* kLocalNames[] = {"localhost", "127.0.0.1", "::1"};
// How many names a certificate has beside those: the newest ones of the programs that share its folder.
constexpr size_t kMaxNames = 8;

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

bool AddToSubject(X509_NAME* subject, const char* field, absl::string_view value) {
  return X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool SetNames(X509* certificate, const std::string& name) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const absl::string_view common_name =
      name.size() <= kMaxCommonNameBytes ? absl::string_view(name) : "mailstead";
  return AddToSubject(subject, "O", kCertificateMark) && AddToSubject(subject, "CN", common_name) &&
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

// `hosts`, and what a host is called by programs on it: who trusts the certificate can check these. Built by hand: OpenSSL's
// textual form would read a comma in the name as a second one.
bool AddAlternativeNames(X509* certificate, std::vector<std::string> hosts) {
  for (const char* const local : kLocalNames) {
    if (std::find(hosts.begin(), hosts.end(), local) == hosts.end()) hosts.push_back(local);
  }
  const GeneralNamesPtr names(sk_GENERAL_NAME_new_null());
  if (names == nullptr) return false;
  for (const std::string& host : hosts) {
    if (!AddName(names.get(), host)) return false;
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

std::string DigestOf(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  const absl::Cleanup free = [&der] { OPENSSL_free(der); };
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int digest_size = 0;
  if (size <= 0 || EVP_Digest(der, static_cast<size_t>(size), reinterpret_cast<unsigned char*>(digest.data()),
                              &digest_size, EVP_sha256(), nullptr) != 1) {
    return "";
  }
  digest.resize(digest_size);
  return absl::BytesToHexString(digest);
}

// `hosts` are not empty; the first is the subject.
absl::StatusOr<std::string> MakeCertificate(EVP_PKEY* key, const std::vector<std::string>& hosts,
                                            absl::Time now) {
  const X509Ptr certificate(X509_new());
  if (certificate == nullptr || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      !SetSerial(certificate.get()) || !SetNames(certificate.get(), hosts.front()) ||
      !SetTimes(certificate.get(), now) || X509_set_pubkey(certificate.get(), key) != 1) {
    return OpenSslFailed("fields");
  }
  if (!AddAlternativeNames(certificate.get(), hosts) ||
      !AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(certificate.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(certificate.get(), NID_ext_key_usage, "serverAuth")) {
    return OpenSslFailed("extensions");
  }
  if (X509_sign(certificate.get(), key, EVP_sha256()) == 0) return OpenSslFailed("signature");
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate.get()) != 1) return OpenSslFailed("PEM");
  return BioText(bio.get());
}

absl::StatusOr<EvpKeyPtr> MakeKey() {
  EvpKeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslFailed("key");
  return key;
}

absl::StatusOr<std::string> KeyText(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr || BIO_printf(bio.get(), "%s%s\n", kKeyMark.data(), DigestOf(key).c_str()) <= 0 ||
      PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpenSslFailed("PEM");
  }
  return BioText(bio.get());
}

struct Paths {
  std::string cert;
  std::string key;
  std::string lock;
};

// What is to be done with a folder.
struct Plan {
  bool make_certificate = false;
  bool make_key = false;
  // The two files fit, so that they can be served though a certificate should be made.
  bool usable = false;
  // The file is there, and ours.
  bool replace_certificate = false;
  // Ours, when it is to be kept.
  EvpKeyPtr key;
  // Of the certificate that is replaced.
  std::vector<std::string> names;
};

absl::Status Missing(const std::string& missing, const std::string& present) {
  return absl::InvalidArgumentError(
      absl::StrCat(missing, " is missing, and ", present,
                   " is not one that Mailstead made: put the other half of the pair "
                   "there, or take both away"));
}

// An empty text stands for a file that is not there.
absl::StatusOr<PemFile> ReadIfThere(const std::string& path) {
  absl::StatusOr<PemFile> file = ReadPemFile(path);
  if (absl::IsNotFound(file.status())) return PemFile{};
  return file;
}

bool IsThere(const PemFile& file) { return !file.path.empty(); }

std::string HostOf(const std::string& name) { return name.empty() ? "localhost" : name; }

// Of a folder whose files are ours, as far as they are there.
absl::StatusOr<Plan> PlanForOurs(const SelfSignedOptions& options, const PemFile& certificate,
                                 const PemFile& key, absl::Time now) {
  Plan plan;
  plan.make_key = !IsThere(key);
  if (IsThere(key)) {
    ASSIGN_OR_RETURN(plan.key, PrivateKey(key));
  }
  plan.replace_certificate = IsThere(certificate);
  plan.usable = IsThere(certificate) && IsThere(key) && CheckPair(certificate, key).ok();
  if (IsThere(certificate)) plan.names = NamesOf(certificate.bytes);
  const bool name_is_asked = options.serving == Serving::kNothing;
  plan.make_certificate = !plan.usable || SelfSignedNeedsRenewal(certificate.bytes, now) ||
                          (name_is_asked && !NamesHost(certificate.bytes, HostOf(options.name)));
  return plan;
}

absl::StatusOr<Plan> Look(const SelfSignedOptions& options, const Paths& paths, absl::Time now) {
  ASSIGN_OR_RETURN(const PemFile certificate, ReadIfThere(paths.cert));
  ASSIGN_OR_RETURN(PemFile key, ReadIfThere(paths.key));
  const absl::Cleanup cleanse = [&key] { OPENSSL_cleanse(key.bytes.data(), key.bytes.size()); };
  if (!IsThere(certificate) && !IsThere(key)) {
    if (options.serving == Serving::kOperators) {
      return absl::InvalidArgumentError(
          absl::StrCat(paths.cert, " and ", paths.key, " are missing: the pair that was there stays in use"));
    }
    return PlanForOurs(options, certificate, key, now);
  }
  const bool our_certificate = IsThere(certificate) && IsOurCertificate(certificate.bytes);
  const bool our_key = IsThere(key) && IsOurKey(key.bytes);
  if (!IsThere(certificate)) {
    if (!our_key) return Missing(paths.cert, paths.key);
    return PlanForOurs(options, certificate, key, now);
  }
  if (!IsThere(key)) {
    if (!our_certificate) return Missing(paths.key, paths.cert);
    return PlanForOurs(options, certificate, key, now);
  }
  // A key of ours that fits no certificate of ours is what a crash leaves between the two renames: ours to mend. Any other
  // key beside a certificate of ours is the first half of what an operator is putting there.
  if (our_certificate && (our_key || CheckPair(certificate, key).ok())) {
    return PlanForOurs(options, certificate, key, now);
  }
  RETURN_IF_ERROR(CheckPair(certificate, key));
  return Plan{.usable = true};
}

// False with errno.
bool WriteAll(int file, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Puts `bytes` at `path`, all or nothing; with `replace` in the place of a certificate of ours, else where nothing is.
absl::Status WriteFile(const std::string& path, absl::string_view bytes, mode_t mode, bool replace) {
  // The lock is held, so one fixed temporary name is enough and a crash leaves at most one file behind. Whoever puts files
  // here has names of his own.
  const size_t name = path.rfind('/') + 1;
  const std::string temporary = absl::StrCat(path.substr(0, name), ".mailstead-", path.substr(name));
  ::unlink(temporary.c_str());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (file < 0) return FileFailed("create", temporary);
  const auto close = absl::MakeCleanup([file] { ::close(file); });
  // The mode is to be that whatever the umask is.
  if (!WriteAll(file, bytes) || ::fchmod(file, mode) != 0 || ::fsync(file) != 0) {
    return FileFailed("write", temporary);
  }
  if (replace) {
    // The operator knows of no lock: what came since it was looked at stays.
    const absl::StatusOr<PemFile> there = ReadPemFile(path);
    if (!there.ok() || !IsOurCertificate(there->bytes)) {
      ::unlink(temporary.c_str());
      return absl::InvalidArgumentError(absl::StrCat(path, " was replaced in this moment"));
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) return FileFailed("rename", temporary);
    return absl::OkStatus();
  }
  const bool made = ::link(temporary.c_str(), path.c_str()) == 0;
  absl::Status result = made ? absl::OkStatus() : FileFailed("create", path);
  ::unlink(temporary.c_str());
  return result;
}

// `name` first, then what the certificate of before had, the local names apart.
std::vector<std::string> HostsOf(const std::string& name, std::vector<std::string> before) {
  std::vector<std::string> hosts = {HostOf(name)};
  for (std::string& host : before) {
    const bool local =
        std::find(std::begin(kLocalNames), std::end(kLocalNames), host) != std::end(kLocalNames);
    if (local || hosts.size() == kMaxNames) continue;
    if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) hosts.push_back(std::move(host));
  }
  return hosts;
}

absl::Status CarryOut(Plan plan, const SelfSignedOptions& options, const Paths& paths, absl::Time now) {
  if (plan.make_key) {
    ASSIGN_OR_RETURN(plan.key, MakeKey());
    ASSIGN_OR_RETURN(std::string text, KeyText(plan.key.get()));
    absl::Status written = WriteFile(paths.key, text, 0600, /*replace=*/false);
    OPENSSL_cleanse(text.data(), text.size());
    RETURN_IF_ERROR(written);
  }
  const std::vector<std::string> hosts = HostsOf(options.name, std::move(plan.names));
  ASSIGN_OR_RETURN(const std::string certificate, MakeCertificate(plan.key.get(), hosts, now));
  return WriteFile(paths.cert, certificate, 0644, plan.replace_certificate);
}

// Under the lock, where no other program is in the middle of it.
absl::Status LookAndCarryOut(const SelfSignedOptions& options, const Paths& paths, absl::Time now) {
  const int lock = ::open(paths.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return FileFailed("create", paths.lock);
  const auto unlock = absl::MakeCleanup([lock] { ::close(lock); });
  while (::flock(lock, LOCK_EX) != 0) {
    if (errno != EINTR) return FileFailed("lock", paths.lock);
  }
  ASSIGN_OR_RETURN(Plan plan, Look(options, paths, now));
  if (!plan.make_certificate) return absl::OkStatus();
  return CarryOut(std::move(plan), options, paths, now);
}

}  // namespace

absl::StatusOr<PemPair> MakeSelfSigned(absl::string_view name, absl::Time now) {
  ASSIGN_OR_RETURN(const EvpKeyPtr key, MakeKey());
  PemPair pair;
  ASSIGN_OR_RETURN(pair.certificate, MakeCertificate(key.get(), HostsOf(std::string(name), {}), now));
  ASSIGN_OR_RETURN(pair.key, KeyText(key.get()));
  return pair;
}

bool IsOurCertificate(absl::string_view pem) {
  const X509Ptr certificate = FirstCertificate(pem);
  if (certificate == nullptr || X509_self_signed(certificate.get(), /*verify_signature=*/1) != 1) {
    ERR_clear_error();
    return false;
  }
  char organization[kCertificateMark.size() + 2] = {};
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_organizationName,
                                             organization, sizeof organization);
  return size == static_cast<int>(kCertificateMark.size()) && organization == kCertificateMark;
}

bool IsOurKey(absl::string_view pem) {
  if (!absl::ConsumePrefix(&pem, kKeyMark)) return false;
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(pem, absl::MaxSplits('\n', 1));
  PemFile file{.path = "key", .bytes = std::string(parts.second)};
  const absl::Cleanup cleanse = [&file] { OPENSSL_cleanse(file.bytes.data(), file.bytes.size()); };
  const absl::StatusOr<EvpKeyPtr> key = PrivateKey(file);
  return key.ok() && DigestOf(key->get()) == parts.first;
}

absl::Status KeepSelfSigned(const SelfSignedOptions& options, absl::Time now) {
  if (::mkdir(options.dir.c_str(), 0700) != 0 && errno != EEXIST) return FileFailed("create", options.dir);
  const Paths paths{.cert = absl::StrCat(options.dir, "/", kSelfSignedCertName),
                    .key = absl::StrCat(options.dir, "/", kSelfSignedKeyName),
                    .lock = absl::StrCat(options.dir, "/tls.lock")};
  // Without the lock first: a folder that is read-only to us may hold a good pair.
  const absl::StatusOr<Plan> found = Look(options, paths, now);
  if (found.ok() && !found->make_certificate) return absl::OkStatus();
  // Look again under the lock: another program may have made the pair, or be in the middle of it.
  const absl::Status made = LookAndCarryOut(options, paths, now);
  if (made.ok() || options.serving != Serving::kNothing || !found.ok() || !found->usable) return made;
  // Rather an old certificate than no mail.
  obs::LogWarning("certificate_not_renewed", {{"cert", paths.cert}, {"error", made.message()}});
  return absl::OkStatus();
}

bool SelfSignedNeedsRenewal(absl::string_view pem, absl::Time now) {
  return IsOurCertificate(pem) && ExpiryOf(pem) < now + kSelfSignedRenewBefore;
}

}  // namespace mailstead::net
