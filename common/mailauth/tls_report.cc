#include "common/mailauth/tls_report.h"

#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/mail/date_time.h"
#include "common/mail/dsn/fields.h"
#include "common/text/base64.h"

namespace mailstead::mailauth {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;

// RFC 3339, in UTC.
std::string Timestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

// The last second of it.
absl::Time LastOf(const TlsReport& report) { return report.end - absl::Seconds(1); }

void SetText(Struct& to, const char* name, std::string text) {
  (*to.mutable_fields())[name].set_string_value(std::move(text));
}
void SetNumber(Struct& to, const char* name, int64_t number) {
  (*to.mutable_fields())[name].set_number_value(static_cast<double>(number));
}
Struct& SetStruct(Struct& to, const char* name) {
  return *(*to.mutable_fields())[name].mutable_struct_value();
}
ListValue& SetList(Struct& to, const char* name) {
  return *(*to.mutable_fields())[name].mutable_list_value();
}

void SetTexts(Struct& to, const char* name, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  ListValue& list = SetList(to, name);
  for (const std::string& text : texts) list.add_values()->set_string_value(text);
}

void Fill(const TlsReportFailure& failure, Struct& json) {
  SetText(json, "result-type", failure.result);
  if (!failure.mx_host.empty()) SetText(json, "receiving-mx-hostname", failure.mx_host);
  if (!failure.address.empty()) SetText(json, "receiving-ip", failure.address);
  SetNumber(json, "failed-session-count", failure.session_count);
  if (!failure.reason.empty()) SetText(json, "failure-reason-code", failure.reason);
}

void Fill(const TlsReportPolicy& policy, Struct& json) {
  Struct& about = SetStruct(json, "policy");
  SetText(about, "policy-type", policy.type);
  SetTexts(about, "policy-string", policy.strings);
  SetText(about, "policy-domain", policy.domain);
  SetTexts(about, "mx-host", policy.mx_hosts);
  Struct& summary = SetStruct(json, "summary");
  SetNumber(summary, "total-successful-session-count", policy.success_count);
  SetNumber(summary, "total-failure-session-count", policy.failure_count);
  if (policy.failures.empty()) return;
  ListValue& details = SetList(json, "failure-details");
  for (const TlsReportFailure& failure : policy.failures)
    Fill(failure, *details.add_values()->mutable_struct_value());
}

// Section 5.1: "mail.example!example.org!1459468800!1459555199.json.gz".
std::string FileName(const TlsReport& report, const std::string& hostname) {
  return absl::StrCat(hostname, "!", report.domain, "!", absl::ToUnixSeconds(report.start), "!",
                      absl::ToUnixSeconds(LastOf(report)), ".json.gz");
}

std::string People(const TlsReport& report) {
  int64_t success_count = 0;
  int64_t failure_count = 0;
  for (const TlsReportPolicy& policy : report.policies) {
    success_count += policy.success_count;
    failure_count += policy.failure_count;
  }
  return absl::StrCat("This is an aggregate report on TLS (RFC 8460) for mail to\r\n", report.domain,
                      ", from\r\n", Timestamp(report.start), " until ", Timestamp(LastOf(report)),
                      ".\r\n\r\nSessions that came up to the policies: ", success_count,
                      "\r\nSessions that did not: ", failure_count, "\r\n");
}

}  // namespace

std::string TlsReportJson(const TlsReport& report) {
  Struct json;
  SetText(json, "organization-name", report.organization);
  Struct& range = SetStruct(json, "date-range");
  SetText(range, "start-datetime", Timestamp(report.start));
  SetText(range, "end-datetime", Timestamp(LastOf(report)));
  SetText(json, "contact-info", report.contact);
  SetText(json, "report-id", report.id);
  ListValue& policies = SetList(json, "policies");
  for (const TlsReportPolicy& policy : report.policies)
    Fill(policy, *policies.add_values()->mutable_struct_value());
  std::string text;
  const auto written = google::protobuf::util::MessageToJsonString(json, &text);
  CHECK(written.ok());
  return text;
}

std::string Gzip(absl::string_view bytes) {
  std::string packed;
  {
    google::protobuf::io::StringOutputStream out(&packed);
    google::protobuf::io::GzipOutputStream::Options options;
    options.format = google::protobuf::io::GzipOutputStream::GZIP;
    google::protobuf::io::GzipOutputStream gzip(&out, options);
    while (!bytes.empty()) {
      void* room = nullptr;
      int size = 0;
      CHECK(gzip.Next(&room, &size));
      const size_t taken = std::min(bytes.size(), static_cast<size_t>(size));
      std::memcpy(room, bytes.data(), taken);
      gzip.BackUp(size - static_cast<int>(taken));
      bytes.remove_prefix(taken);
    }
    CHECK(gzip.Close());
  }
  return packed;
}

WrittenTlsReport WriteTlsReportMail(const TlsReport& report, const TlsReportMail& mail) {
  WrittenTlsReport written;
  written.envelope.reverse_path = report.contact;
  for (const std::string& to : mail.to) {
    // What does not get there is not told of: the next report comes tomorrow.
    EnvelopeRecipient& recipient = written.envelope.recipients.emplace_back();
    recipient.address = to;
    recipient.notify.given = true;
  }
  std::string& out = written.content;
  const std::string id = absl::StrCat("<", report.id, "@", mail.hostname, ">");
  const std::string boundary = "=_tls-report";
  dsn::AppendField("Date", DateTime(mail.now), out);
  dsn::AppendField("From", absl::StrCat("<", report.contact, ">"), out);
  dsn::AppendField("To", absl::StrCat("<", absl::StrJoin(mail.to, ">, <"), ">"), out);
  // Section 5.3.
  dsn::AppendField(
      "Subject",
      absl::StrCat("Report Domain: ", report.domain, " Submitter: ", mail.hostname, " Report-ID: ", id), out);
  dsn::AppendField("Message-ID", id, out);
  dsn::AppendField("TLS-Report-Domain", report.domain, out);
  dsn::AppendField("TLS-Report-Submitter", mail.hostname, out);
  // Section 5.3: what is broken must not keep the report of it away (RFC 8689 section 5).
  dsn::AppendField("TLS-Required", "No", out);
  dsn::AppendField("Auto-Submitted", "auto-generated", out);
  dsn::AppendField("MIME-Version", "1.0", out);
  dsn::AppendField("Content-Type",
                   absl::StrCat("multipart/report; report-type=\"tlsrpt\"; boundary=\"", boundary, "\""),
                   out);
  absl::StrAppend(&out, "\r\n--", boundary, "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n",
                  People(report), "\r\n--", boundary, "\r\n");
  const std::string file = FileName(report, mail.hostname);
  dsn::AppendField("Content-Type", std::string(kTlsReportMediaType), out);
  dsn::AppendField("Content-Transfer-Encoding", "base64", out);
  dsn::AppendField("Content-Disposition", absl::StrCat("attachment; filename=\"", file, "\""), out);
  absl::StrAppend(&out, "\r\n", EncodeBase64Lines(Gzip(TlsReportJson(report))), "\r\n--", boundary, "--\r\n");
  return written;
}

}  // namespace mailstead::mailauth
