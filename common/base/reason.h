// A machine-readable reason and field on an absl::Status; over gRPC google.rpc.ErrorInfo and BadRequest.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailstead {

// The reasons of the store API. Stable: clients compare them.
inline constexpr absl::string_view kReasonMaildropInUse = "MAILDROP_IN_USE";
inline constexpr absl::string_view kReasonLoginDelay = "LOGIN_DELAY";
inline constexpr absl::string_view kReasonFenced = "FENCED";
inline constexpr absl::string_view kReasonNoLease = "NO_LEASE";
inline constexpr absl::string_view kReasonOverQuota = "OVER_QUOTA";
inline constexpr absl::string_view kReasonQuotaTooSmall = "QUOTA_TOO_SMALL";
inline constexpr absl::string_view kReasonDiskFull = "DISK_FULL";
inline constexpr absl::string_view kReasonTooLarge = "TOO_LARGE";
inline constexpr absl::string_view kReasonEtagMismatch = "ETAG_MISMATCH";
inline constexpr absl::string_view kReasonDomainNotEmpty = "DOMAIN_NOT_EMPTY";
inline constexpr absl::string_view kReasonDeliveryIdReused = "DELIVERY_ID_REUSED";
inline constexpr absl::string_view kReasonDeliveryVoided = "DELIVERY_VOIDED";
inline constexpr absl::string_view kReasonRecipientUnknown = "RECIPIENT_UNKNOWN";
inline constexpr absl::string_view kReasonRecipientDisabled = "RECIPIENT_DISABLED";
inline constexpr absl::string_view kReasonRecipientRemote = "RECIPIENT_REMOTE";
inline constexpr absl::string_view kReasonTooManyMailboxes = "TOO_MANY_MAILBOXES";
inline constexpr absl::string_view kReasonIncompleteStream = "INCOMPLETE_STREAM";
inline constexpr absl::string_view kReasonBareLineEnd = "BARE_LINE_END";
inline constexpr absl::string_view kReasonNul = "NUL";
inline constexpr absl::string_view kReasonLineTooLong = "LINE_TOO_LONG";
inline constexpr absl::string_view kReasonEmptyMessage = "EMPTY_MESSAGE";
inline constexpr absl::string_view kReasonAccountNotFound = "ACCOUNT_NOT_FOUND";
inline constexpr absl::string_view kReasonNoCredential = "NO_CREDENTIAL";
inline constexpr absl::string_view kReasonKeyMalformed = "KEY_MALFORMED";
inline constexpr absl::string_view kReasonKeyExpired = "KEY_EXPIRED";
inline constexpr absl::string_view kReasonKeyRevoked = "KEY_REVOKED";
inline constexpr absl::string_view kReasonKeyChanged = "KEY_CHANGED";
inline constexpr absl::string_view kReasonKeyNotFound = "KEY_NOT_FOUND";
inline constexpr absl::string_view kReasonKeyExists = "KEY_EXISTS";
inline constexpr absl::string_view kReasonKeyExceeded = "KEY_EXCEEDED";
inline constexpr absl::string_view kReasonKeyRestricted = "KEY_RESTRICTED";
inline constexpr absl::string_view kReasonTooManyKeys = "TOO_MANY_KEYS";
inline constexpr absl::string_view kReasonCertificateTaken = "CERTIFICATE_TAKEN";
inline constexpr absl::string_view kReasonRequestIdReused = "REQUEST_ID_REUSED";
inline constexpr absl::string_view kReasonScopeMissing = "SCOPE_MISSING";
inline constexpr absl::string_view kReasonAddressNotAllowed = "ADDRESS_NOT_ALLOWED";
inline constexpr absl::string_view kReasonRateLimit = "RATE_LIMIT";
inline constexpr absl::string_view kReasonConcurrencyLimit = "CONCURRENCY_LIMIT";
inline constexpr absl::string_view kReasonWrongRole = "WRONG_ROLE";
inline constexpr absl::string_view kReasonGrantExpired = "GRANT_EXPIRED";
inline constexpr absl::string_view kReasonExchangeAbandoned = "EXCHANGE_ABANDONED";
inline constexpr absl::string_view kReasonGrantInvalid = "GRANT_INVALID";
inline constexpr absl::string_view kReasonDomainNotFound = "DOMAIN_NOT_FOUND";
inline constexpr absl::string_view kReasonAliasNotFound = "ALIAS_NOT_FOUND";
inline constexpr absl::string_view kReasonMessageNotFound = "MESSAGE_NOT_FOUND";
inline constexpr absl::string_view kReasonPartNotFound = "PART_NOT_FOUND";
inline constexpr absl::string_view kReasonSessionNotFound = "SESSION_NOT_FOUND";
inline constexpr absl::string_view kReasonLockoutNotFound = "LOCKOUT_NOT_FOUND";
inline constexpr absl::string_view kReasonSessionEnded = "SESSION_ENDED";
inline constexpr absl::string_view kReasonAddressTaken = "ADDRESS_TAKEN";
inline constexpr absl::string_view kReasonBusy = "BUSY";
inline constexpr absl::string_view kReasonCallTooLong = "CALL_TOO_LONG";
inline constexpr absl::string_view kReasonStreamAge = "STREAM_AGE";
inline constexpr absl::string_view kReasonAliasTooDeep = "ALIAS_TOO_DEEP";
inline constexpr absl::string_view kReasonInvalidField = "INVALID_FIELD";
inline constexpr absl::string_view kReasonNoBackupDir = "NO_BACKUP_DIR";
inline constexpr absl::string_view kReasonBackupNotFound = "BACKUP_NOT_FOUND";
inline constexpr absl::string_view kReasonBackupExists = "BACKUP_EXISTS";
inline constexpr absl::string_view kReasonRouteNotFound = "ROUTE_NOT_FOUND";
inline constexpr absl::string_view kReasonTooManyRoutes = "TOO_MANY_ROUTES";
inline constexpr absl::string_view kReasonNoSecretsKey = "NO_SECRETS_KEY";
inline constexpr absl::string_view kReasonDkimKeyNotFound = "DKIM_KEY_NOT_FOUND";
inline constexpr absl::string_view kReasonDkimKeyExists = "DKIM_KEY_EXISTS";
inline constexpr absl::string_view kReasonDkimKeyActive = "DKIM_KEY_ACTIVE";
inline constexpr absl::string_view kReasonDkimKeyRetired = "DKIM_KEY_RETIRED";
inline constexpr absl::string_view kReasonTooManyDkimKeys = "TOO_MANY_DKIM_KEYS";
inline constexpr absl::string_view kReasonNotInFlight = "NOT_IN_FLIGHT";
inline constexpr absl::string_view kReasonNoDkimKey = "NO_DKIM_KEY";
inline constexpr absl::string_view kReasonSendingLimit = "SENDING_LIMIT";
inline constexpr absl::string_view kReasonSendingPaused = "SENDING_PAUSED";
inline constexpr absl::string_view kReasonTooManyRecipients = "TOO_MANY_RECIPIENTS";
inline constexpr absl::string_view kReasonSenderNotAllowed = "SENDER_NOT_ALLOWED";
inline constexpr absl::string_view kReasonFromUnreadable = "FROM_UNREADABLE";
inline constexpr absl::string_view kReasonTooManyHops = "TOO_MANY_HOPS";
inline constexpr absl::string_view kReasonAccountDisabled = "ACCOUNT_DISABLED";
inline constexpr absl::string_view kReasonTooManySubmissions = "TOO_MANY_SUBMISSIONS";
inline constexpr absl::string_view kReasonSubmissionNotFound = "SUBMISSION_NOT_FOUND";
inline constexpr absl::string_view kReasonSrsOff = "SRS_OFF";
inline constexpr absl::string_view kReasonCursorExpired = "CURSOR_EXPIRED";
inline constexpr absl::string_view kReasonSlowReader = "SLOW_READER";
inline constexpr absl::string_view kReasonTooManyWatches = "TOO_MANY_WATCHES";
inline constexpr absl::string_view kReasonWatchEnded = "WATCH_ENDED";
inline constexpr absl::string_view kReasonConsumerNotFound = "CONSUMER_NOT_FOUND";
inline constexpr absl::string_view kReasonConsumerExists = "CONSUMER_EXISTS";
inline constexpr absl::string_view kReasonTooManyConsumers = "TOO_MANY_CONSUMERS";
inline constexpr absl::string_view kReasonConsumerFenced = "CONSUMER_FENCED";
inline constexpr absl::string_view kReasonWebhookNotFound = "WEBHOOK_NOT_FOUND";
inline constexpr absl::string_view kReasonTooManyWebhooks = "TOO_MANY_WEBHOOKS";
inline constexpr absl::string_view kReasonWebhookFenced = "WEBHOOK_FENCED";
inline constexpr absl::string_view kReasonRevisionTooOld = "REVISION_TOO_OLD";
inline constexpr absl::string_view kReasonRevisionTooNew = "REVISION_TOO_NEW";

absl::Status WithReason(absl::Status status, absl::string_view reason);
// The same status; an error without a reason gets the general one of its code, so that every error of the API has one:
// the code's name ("NOT_FOUND"), and INVALID_FIELD where a field is named.
absl::Status WithAnyReason(absl::Status status);
// Empty when there is none.
std::string ReasonOf(const absl::Status& status);

// InvalidArgument that names the request field: "envelope.delivery_id: must have 16 to 64 characters".
absl::Status FieldError(absl::string_view field, absl::string_view description);
absl::Status WithField(absl::Status status, absl::string_view field);
// Empty when there is none.
std::string FieldOf(const absl::Status& status);

}  // namespace mailstead
