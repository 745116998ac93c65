#include "stored/api/convert/dkim.h"

#include "common/base/check.h"
#include "common/base/reason.h"
#include "stored/api/convert/values.h"
#include "stored/rules/dkim.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;
using mailauth::KeyType;

v1::DkimKey::State ToProto(engine::DkimKey::State state) {
  switch (state) {
    case engine::DkimKey::State::kPending:
      return v1::DkimKey::STATE_PENDING;
    case engine::DkimKey::State::kActive:
      return v1::DkimKey::STATE_ACTIVE;
    case engine::DkimKey::State::kRetired:
      return v1::DkimKey::STATE_RETIRED;
  }
  CHECK(false);
}

v1::DkimKey::Sighting ToProto(DkimSighting::Kind kind) {
  switch (kind) {
    case DkimSighting::Kind::kNone:
      return v1::DkimKey::SIGHTING_UNSPECIFIED;
    case DkimSighting::Kind::kMissing:
      return v1::DkimKey::SIGHTING_MISSING;
    case DkimSighting::Kind::kDifferent:
      return v1::DkimKey::SIGHTING_DIFFERENT;
    case DkimSighting::Kind::kSeveral:
      return v1::DkimKey::SIGHTING_SEVERAL;
    case DkimSighting::Kind::kFailed:
      return v1::DkimKey::SIGHTING_FAILED;
  }
  CHECK(false);
}

}  // namespace

void ToProto(const std::string& domain, const engine::DkimKey& key, const DkimSighting& sighting,
             v1::DkimKey& proto) {
  proto.set_domain(domain);
  proto.set_selector(key.selector);
  proto.set_type(key.type == KeyType::kRsa ? v1::DKIM_KEY_TYPE_RSA : v1::DKIM_KEY_TYPE_ED25519);
  proto.set_bits(key.bits);
  proto.set_state(ToProto(key.state));
  proto.set_etag(MakeEtag(rules::VersionOf(key)));
  proto.mutable_record()->set_name(mailauth::KeyRecordName(domain, key.selector));
  proto.mutable_record()->set_value(mailauth::KeyRecordText(key.type, key.public_key));
  ToProto(key.create_time, *proto.mutable_create_time());
  if (key.activate_time != absl::InfinitePast()) ToProto(key.activate_time, *proto.mutable_activate_time());
  if (key.retire_time != absl::InfinitePast()) ToProto(key.retire_time, *proto.mutable_retire_time());
  const absl::Time record_end = rules::RecordEndTime(key);
  if (record_end != absl::InfiniteFuture()) ToProto(record_end, *proto.mutable_record_end_time());
  if (key.state != engine::DkimKey::State::kPending || sighting.kind == DkimSighting::Kind::kNone) return;
  proto.set_sighting(ToProto(sighting.kind));
  ToProto(sighting.time, *proto.mutable_sighting_time());
}

absl::StatusOr<NewDkimKey> FromProto(const v1::CreateDkimKeyRequest& request) {
  NewDkimKey key;
  key.domain = request.domain();
  key.selector = request.selector();
  switch (request.type()) {
    case v1::DKIM_KEY_TYPE_UNSPECIFIED:
    case v1::DKIM_KEY_TYPE_RSA:
      key.type = KeyType::kRsa;
      break;
    case v1::DKIM_KEY_TYPE_ED25519:
      key.type = KeyType::kEd25519;
      break;
    default:
      return FieldError("type", "must be one of DkimKeyType");
  }
  key.bits = request.bits();
  key.activate = request.activate();
  return key;
}

SigningRequest FromProto(const frontend::v1::SignMessageRequest& request) {
  SigningRequest wanted;
  wanted.message = QueueId{request.queue_id()};
  wanted.recipient_number = request.recipient_number();
  wanted.names.assign(request.names().begin(), request.names().end());
  wanted.canonical_header = request.canonical_header();
  wanted.body_sha256 = request.body_sha256();
  return wanted;
}

}  // namespace mailstead::stored
