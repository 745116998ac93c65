// Certificates and keys in PEM files.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/net/openssl.h"

namespace mailstead::net {

// What changes when a file is replaced or written.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  int64_t modified_ns = 0;

  bool operator==(const FileStamp&) const = default;
};

struct PemFile {
  // Where the bytes came from, for messages.
  std::string path;
  std::string bytes;
  FileStamp stamp;
};

// The stamp of what `path` (symbolic links followed) names now. NotFound, or InvalidArgument; both name the
// file.
absl::StatusOr<FileStamp> StampOf(const std::string& path);
// The file's bytes, at most 1 MiB, with the stamp that goes with them. NotFound, or InvalidArgument; both
// name the file.
absl::StatusOr<PemFile> ReadPemFile(const std::string& path);

// The first certificate in the text; nullptr when there is none.
X509Ptr FirstCertificate(absl::string_view pem);
bool IsSelfSigned(absl::string_view pem);
// When the first certificate ends; InfinitePast when there is none, or its end is no time.
absl::Time ExpiryOf(absl::string_view pem);
// Whether the first certificate is good for `host`, a host name or an IP address (RFC 9525): as clients check it.
bool NamesHost(absl::string_view pem, const std::string& host);
// The host names and IP addresses that the first certificate is good for; its common name when it has none.
std::vector<std::string> NamesOf(absl::string_view pem);
// The unencrypted private key that the file holds. InvalidArgument names the file.
absl::StatusOr<EvpKeyPtr> PrivateKey(const PemFile& file);
// Whether key and certificate belong together: OK, or InvalidArgument when either is unfit or the key is not
// the certificate's.
absl::Status CheckPair(const PemFile& certificate, const PemFile& key);

}  // namespace mailstead::net
