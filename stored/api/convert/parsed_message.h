// What the MIME parser says of a message, as the API tells it. Bounded, so that an answer stays below 4 MiB whatever the
// message is.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mail/mime/charset.h"
#include "common/mail/mime/message.h"
#include "mailstead/store/v1/parsed_message.pb.h"
#include "stored/core/mail_reader.h"

namespace mailstead::stored {

void ToProto(const mime::Message& message, const mime::Charsets& charsets, store::v1::MessageHeader& proto);
// `texts`: by part. They are moved out.
void ToProto(const mime::Message& message, std::vector<PartText>& texts, const mime::Charsets& charsets,
             store::v1::ParsedMessage& proto);
// Without its text.
void ToProto(const mime::Message& message, const mime::Part& part, const mime::Charsets& charsets,
             store::v1::Part& proto);

// What a sender gave as a time may be none that google.protobuf.Timestamp has.
bool IsTimestamp(absl::Time time);

}  // namespace mailstead::stored
