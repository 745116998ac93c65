#include "webd/http/request_reader.h"

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "webd/http/head_scanner.h"
#include "webd/http/limits.h"

namespace mailstead::web {
namespace {

namespace beast = boost::beast;

constexpr absl::string_view kTooLarge = "the request is too large";

using BeastText = beast::string_view;

absl::string_view View(BeastText text) { return {text.data(), text.size()}; }

// Fills head and body. What it refuses says `status` and `reason`; the error_code only stops the parser.
class Parser final : public beast::http::basic_parser<true> {
 public:
  Parser(RequestHead& head, std::string& body) : head_(head), body_(body) {
    // The head was measured before it comes here.
    header_limit(2 * kMaxHeadBytes);
    // Counted here: the answer is ours.
    body_limit(std::numeric_limits<uint64_t>::max());
  }

  int status = 0;
  absl::string_view reason;
  // What the rest of the body may have.
  uint64_t room_bytes = std::numeric_limits<uint64_t>::max();

 private:
  void Refuse(int with_status, absl::string_view why, beast::error_code& error) {
    status = with_status;
    reason = why;
    error = beast::http::error::bad_value;
  }

  void on_request_impl(beast::http::verb, BeastText method, BeastText target, int version,
                       beast::error_code& error) override {
    if (version != 10 && version != 11) return Refuse(505, "HTTP/1.1 is spoken here", error);
    head_.method = std::string(View(method));
    head_.target = std::string(View(target));
    head_.minor_version = version - 10;
  }

  void on_response_impl(int, BeastText, int, beast::error_code& error) override {
    Refuse(400, "a response is no request", error);
  }

  void on_field_impl(beast::http::field, BeastText name, BeastText value, beast::error_code& error) override {
    // A trailer (RFC 9110 section 6.5.1): nothing of it is for us.
    if (head_is_done_) return;
    if (head_.fields.size() == kMaxHeaderFields) return Refuse(431, "there are too many fields", error);
    head_.fields.push_back({absl::AsciiStrToLower(View(name)), std::string(View(value))});
    const HeaderField& field = head_.fields.back();
    // SECURITY: a length that is said twice, even the same, or an encoding beside chunked, is what request smuggling is made of
    // (RFC 9112 sections 6.1 and 6.3 let a server refuse it). What contradicts each other Beast refuses itself.
    if (field.name == "content-length" &&
        (head_.Count("content-length") > 1 ||
         field.value.find_first_not_of("0123456789") != std::string::npos)) {
      return Refuse(400, "Content-Length must be one number", error);
    }
    if (field.name == "transfer-encoding" && !absl::EqualsIgnoreCase(field.value, "chunked")) {
      return Refuse(501, "of transfer encodings there is chunked only", error);
    }
  }

  void on_header_impl(beast::error_code& error) override {
    head_is_done_ = true;
    head_.keep_alive = keep_alive();
    head_.chunked = chunked();
    if (head_.minor_version == 0 && head_.Count("transfer-encoding") > 0) {
      return Refuse(400, "HTTP/1.0 has no Transfer-Encoding", error);
    }
    // RFC 9112 section 3.2.
    const size_t hosts = head_.Count("host");
    if (hosts > 1 || (hosts == 0 && head_.minor_version == 1)) {
      return Refuse(400, "there must be one Host", error);
    }
    if (content_length().has_value()) head_.content_length = *content_length();
    if (head_.content_length > room_bytes) return Refuse(413, kTooLarge, error);
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}

  std::size_t on_body_impl(BeastText piece, beast::error_code& error) override { return Take(piece, error); }

  void on_chunk_header_impl(std::uint64_t size, BeastText, beast::error_code& error) override {
    if (size > room_bytes) Refuse(413, kTooLarge, error);
  }

  std::size_t on_chunk_body_impl(std::uint64_t, BeastText piece, beast::error_code& error) override {
    return Take(piece, error);
  }

  void on_finish_impl(beast::error_code&) override {}

  std::size_t Take(BeastText piece, beast::error_code& error) {
    if (piece.size() > room_bytes) {
      Refuse(413, kTooLarge, error);
      return 0;
    }
    body_.append(piece.data(), piece.size());
    room_bytes -= piece.size();
    return piece.size();
  }

  RequestHead& head_;
  std::string& body_;
  // Set for good when the head is whole.
  bool head_is_done_ = false;
};

}  // namespace

struct RequestReader::Impl {
  Impl() : parser(head, body) {}

  size_t Fail(int with_status, absl::string_view why) {
    status = with_status;
    error = absl::InvalidArgumentError(why);
    return 0;
  }

  size_t ReadHead(absl::string_view input) {
    switch (scanner.Scan(input)) {
      case HeadScanner::Verdict::kNeedMore:
        return 0;
      case HeadScanner::Verdict::kMalformed:
        return Fail(400, "the head of the request has a line that is none");
      case HeadScanner::Verdict::kTooLarge:
        return Fail(431, absl::StrCat("the head of the request has more than ", kMaxHeadBytes, " bytes"));
      case HeadScanner::Verdict::kComplete:
        break;
    }
    const size_t blank = scanner.blank_bytes();
    const size_t taken = Put(input.substr(blank, scanner.size_bytes() - blank));
    if (!error.ok()) return 0;
    if (!parser.is_header_done()) return Fail(400, "the head of the request cannot be read");
    return blank + taken;
  }

  size_t ReadBody(absl::string_view input) {
    size_t taken = 0;
    // Beast takes one step at a time: a chunk's size, what is there of the chunk, the trailer. The next step may not need more
    // input, and then none may come.
    while (taken < input.size() && !parser.is_done()) {
      const size_t step = Put(input.substr(taken));
      if (!error.ok()) return 0;
      if (step == 0) break;
      taken += step;
    }
    // A chunk's size with its extensions, or the trailer.
    if (taken == 0 && input.size() > kMaxHeadBytes) return Fail(400, "a line of the body does not end");
    return taken;
  }

  size_t Put(absl::string_view input) {
    beast::error_code code;
    const size_t taken = parser.put(boost::asio::const_buffer(input.data(), input.size()), code);
    if (!code || code == beast::http::error::need_more) return taken;
    if (parser.status != 0) return Fail(parser.status, parser.reason);
    if (code == beast::http::error::bad_version) return Fail(505, "HTTP/1.1 is spoken here");
    return Fail(400, absl::StrCat("the request cannot be read: ", code.message()));
  }

  RequestHead head;
  std::string body;
  HeadScanner scanner;
  Parser parser;
  absl::Status error;
  int status = 0;
};

RequestReader::RequestReader() : impl_(std::make_unique<Impl>()) {}
RequestReader::~RequestReader() = default;

void RequestReader::LimitBody(uint64_t max_bytes) {
  impl_->parser.room_bytes = max_bytes;
  if (head_done() && head().content_length > max_bytes) impl_->Fail(413, kTooLarge);
}

size_t RequestReader::Read(absl::string_view input) {
  if (input.empty() || done() || !impl_->error.ok()) return 0;
  return head_done() ? impl_->ReadBody(input) : impl_->ReadHead(input);
}

bool RequestReader::head_done() const { return impl_->parser.is_header_done(); }
bool RequestReader::done() const { return impl_->parser.is_done(); }
const absl::Status& RequestReader::error() const { return impl_->error; }
int RequestReader::error_status() const { return impl_->status; }
const RequestHead& RequestReader::head() const { return impl_->head; }
std::string& RequestReader::body() { return impl_->body; }

}  // namespace mailstead::web
