# Debian packages: which ones, and how they get onto the machine. To be sourced; for sh as well as bash, because the
# Dockerfile sources it too.

# What the five programs are built from.
packages_build() {
  printf '%s\n' \
    ccache cmake g++ mold ninja-build pkg-config \
    libabsl-dev libargon2-dev libasio-dev libboost-dev libc-ares-dev libcivetweb-dev libcrypt-dev libcurl4-openssl-dev libgmock-dev \
    libgrpc++-dev libgsasl-dev libgtest-dev libidn2-dev libnghttp2-dev nettle-dev nlohmann-json3-dev libprotobuf-dev librocksdb-dev libspdlog-dev libssl-dev \
    libzstd-dev prometheus-cpp-dev protobuf-compiler protobuf-compiler-grpc zlib1g-dev
}

# What scripts/run uses beside them.
packages_run() {
  printf '%s\n' curl
}

# What the tests use: the fuzzers' compiler, mail clients and servers to test with, and tools. Exim and OpenSMTPD cannot be
# installed beside Postfix: tests/support/mailstead/peers.py unpacks them, and their libraries are here.
packages_test() {
  printf '%s\n' \
    clang libclang-rt-14-dev llvm \
    ca-certificates chromium curl fetchmail getmail6 gsasl haproxy iproute2 jq ldnsutils libnet-ssleay-perl mpop msmtp mutt neomutt \
    libdb5.3 libevent-2.1-7 libgnutls-dane0 libidn12 libnsl2 libpam0g libpcre2-8-0 libsasl2-modules libsasl2-modules-db \
    nghttp2-client nodejs nsd opendkim openssl postfix postsrsd procps swaks unbound util-linux valgrind \
    libgmime-3.0-dev libpython3.11-testsuite \
    python3 python3-dkim python3-grpc-tools python3-grpcio python3-h2 python3-nacl python3-pip python3-protobuf python3-spf
  # Node.js from elsewhere than Debian brings its own npm and does not go together with Debian's.
  command -v npm >/dev/null 2>&1 || echo npm
  # For grpcurl and its like, which Debian has not, and for examples/.
  command -v go >/dev/null 2>&1 || echo golang-go
  command -v javac >/dev/null 2>&1 || echo default-jdk-headless
  command -v mvn >/dev/null 2>&1 || echo maven
}

# install_packages NAME...: installs those that are missing, as root or with sudo. Touches nothing when none is.
install_packages() {
  missing_packages=
  for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
      installed*) ;;
      *) missing_packages="$missing_packages $package" ;;
    esac
  done
  [ -n "$missing_packages" ] || return 0

  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      echo "these packages are missing, and installing them needs root or sudo:$missing_packages" >&2
      return 1
    fi
    as_root=sudo
  fi
  echo "installing:$missing_packages"
  # The package lists of a fresh machine are missing or old.
  # shellcheck disable=SC2086  # One word for each package.
  $as_root apt-get update -qq &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 $missing_packages >/dev/null
}
