// Measures the MIME parser: a message of 4 KiB, and one of 1 MB with attachments, the way the store reads them
// (structure, header fields decoded), and decoding an attachment. GMime beside it builds its tree from the same
// bytes in memory, and is asked for the same fields.
#include <benchmark/benchmark.h>
#ifdef MAILSTEAD_GMIME
#include <gmime/gmime.h>
#endif

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/mail/mime/addresses.h"
#include "common/mail/mime/date.h"
#include "common/mail/mime/message_ids.h"
#include "common/mail/mime/parser.h"
#include "common/mail/mime/part_decoder.h"
#include "common/mail/mime/words.h"

namespace mailstead {
namespace {

// As uploads come in.
constexpr size_t kPieceBytes = 65'536;

std::string Header() {
  return "Received: from client.example.test (client.example.test [192.0.2.1])\r\n"
         "\tby mx.example.test with ESMTPS id 0123456789abcdef\r\n"
         "\tfor <bob@example.test>; Tue, 14 Nov 2023 22:13:20 +0000\r\n"
         "Received: from localhost (localhost [127.0.0.1])\r\n"
         "\tby client.example.test with ESMTP; Tue, 14 Nov 2023 22:13:19 +0000\r\n"
         "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=k1;\r\n"
         "\th=From:To:Subject:Date:Message-ID; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
         "\tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzRdzdVyOfAKCdLXdJO\r\n"
         "Date: Tue, 14 Nov 2023 23:13:19 +0100\r\n"
         "From: =?utf-8?q?J=C3=BCrgen?= Schmidt <juergen.schmidt@example.test>\r\n"
         "To: \"Doe, Jane\" <jane@example.test>, bob@example.test\r\n"
         "Cc: Team: carol@example.test, Dave <dave@example.test>;\r\n"
         "Subject: =?utf-8?b?R3LDvMOfZSBhdXMg?= =?utf-8?b?TcO8bmNoZW4=?= and some more words\r\n"
         "Message-ID: <0123456789@client.example.test>\r\n"
         "References: <one@client.example.test>\r\n"
         " <two@client.example.test>\r\n"
         "MIME-Version: 1.0\r\n";
}

std::string Text(size_t bytes) {
  std::string text;
  while (text.size() < bytes)
    text += "A line of text as people write them, with some words in it, and an end.\r\n";
  return text;
}

std::string Base64Lines(size_t bytes) {
  std::string content;
  for (size_t i = 0; i < bytes; ++i) content.push_back(static_cast<char>(i * 2654435761u >> 13));
  const std::string encoded = absl::Base64Escape(content);
  std::string lines;
  for (size_t at = 0; at < encoded.size(); at += 76) absl::StrAppend(&lines, encoded.substr(at, 76), "\r\n");
  return lines;
}

std::string SmallMessage() {
  return absl::StrCat(Header(), "Content-Type: multipart/alternative; boundary=\"=_alternative\"\r\n\r\n",
                      "--=_alternative\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", Text(1'000),
                      "\r\n--=_alternative\r\nContent-Type: text/html; charset=utf-8\r\n"
                      "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
                      Text(1'200), "Gr=C3=BC=C3=9Fe=20=\r\n", "\r\n--=_alternative--\r\n");
}

std::string LargeMessage() {
  std::string message = absl::StrCat(Header(), "Content-Type: multipart/mixed; boundary=\"=_mixed\"\r\n\r\n");
  absl::StrAppend(&message, "--=_mixed\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", Text(20'000));
  for (int i = 0; i < 4; ++i) {
    absl::StrAppend(&message, "\r\n--=_mixed\r\nContent-Type: application/pdf; name=\"file", i,
                    ".pdf\"\r\nContent-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf\r\n"
                    "Content-Transfer-Encoding: base64\r\n\r\n",
                    Base64Lines(176'000));
  }
  return absl::StrCat(message, "\r\n--=_mixed--\r\n");
}

void ParseOurs(benchmark::State& state, const std::string& bytes) {
  const mime::Charsets charsets;
  for (auto _ : state) {
    mime::Parser parser(charsets);
    for (absl::string_view left = bytes; !left.empty();
         left.remove_prefix(std::min(left.size(), kPieceBytes))) {
      parser.Feed(left.substr(0, kPieceBytes));
    }
    const mime::Message message = parser.Finish();
    for (const mime::Field& field : message.fields) {
      if (field.Is("From") || field.Is("To") || field.Is("Cc")) {
        benchmark::DoNotOptimize(mime::ParseAddressList(field.value, charsets));
      } else if (field.Is("Date")) {
        benchmark::DoNotOptimize(mime::ParseDate(field.value));
      } else if (field.Is("Message-ID") || field.Is("References")) {
        benchmark::DoNotOptimize(mime::ParseMessageIds(field.value));
      } else {
        benchmark::DoNotOptimize(mime::DecodeText(field.value, charsets));
      }
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}

void DecodeOurs(benchmark::State& state, const std::string& bytes) {
  const mime::Charsets charsets;
  mime::Parser parser(charsets);
  parser.Feed(bytes);
  const mime::Message message = parser.Finish();
  const mime::Part& part = *message.FindPart("1.2");
  for (auto _ : state) {
    mime::PartDecoder decoder(part, charsets);
    std::string out;
    decoder.Feed(absl::string_view(bytes).substr(part.body_begin, part.encoded_bytes()), out);
    decoder.Finish(out);
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * part.encoded_bytes()));
}

#ifdef MAILSTEAD_GMIME

GMimeMessage* ReadByGMime(const std::string& bytes) {
  GMimeStream* stream = g_mime_stream_mem_new_with_buffer(bytes.data(), bytes.size());
  GMimeParser* parser = g_mime_parser_new_with_stream(stream);
  GMimeMessage* message = g_mime_parser_construct_message(parser, nullptr);
  g_object_unref(parser);
  g_object_unref(stream);
  return message;
}

void ParseGMime(benchmark::State& state, const std::string& bytes) {
  for (auto _ : state) {
    GMimeMessage* message = ReadByGMime(bytes);
    GMimeHeaderList* headers = g_mime_object_get_header_list(GMIME_OBJECT(message));
    for (int i = 0; i < g_mime_header_list_get_count(headers); ++i) {
      benchmark::DoNotOptimize(g_mime_header_get_value(g_mime_header_list_get_header_at(headers, i)));
    }
    benchmark::DoNotOptimize(g_mime_message_get_date(message));
    g_object_unref(message);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
}

void DecodeGMime(benchmark::State& state, const std::string& bytes) {
  GMimeMessage* message = ReadByGMime(bytes);
  GMimeObject* part = g_mime_multipart_get_part(GMIME_MULTIPART(g_mime_message_get_mime_part(message)), 1);
  GMimeDataWrapper* content = g_mime_part_get_content(GMIME_PART(part));
  for (auto _ : state) {
    GMimeStream* stream = g_mime_stream_mem_new();
    benchmark::DoNotOptimize(g_mime_data_wrapper_write_to_stream(content, stream));
    g_object_unref(stream);
  }
  state.SetBytesProcessed(static_cast<int64_t>(
      state.iterations() *
      static_cast<size_t>(g_mime_stream_length(g_mime_data_wrapper_get_stream(content)))));
  g_object_unref(message);
}

#endif

}  // namespace
}  // namespace mailstead

int main(int argc, char** argv) {
  using namespace mailstead;
  const std::string small = SmallMessage();
  const std::string large = LargeMessage();
  benchmark::RegisterBenchmark("parse/4KiB", ParseOurs, small);
  benchmark::RegisterBenchmark("parse/1MB", ParseOurs, large);
  benchmark::RegisterBenchmark("decode/base64", DecodeOurs, large);
#ifdef MAILSTEAD_GMIME
  g_mime_init();
  benchmark::RegisterBenchmark("parse/4KiB/gmime", ParseGMime, small);
  benchmark::RegisterBenchmark("parse/1MB/gmime", ParseGMime, large);
  benchmark::RegisterBenchmark("decode/base64/gmime", DecodeGMime, large);
#endif
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
