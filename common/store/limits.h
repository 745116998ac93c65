// The sizes that the programs have agreed on: one place for both ends.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mailstead::store {

// A message up to here is one call, together with others, in both directions; a greater one is a stream of its own.
inline constexpr size_t kWholeMessageBytes = 64 << 10;
// Pieces of a greater message, in both directions. The store takes up to kMaxPieceBytes.
inline constexpr size_t kPieceBytes = 64 << 10;
inline constexpr size_t kMaxPieceBytes = 1 << 20;

// Requests of more bytes than this have a call of their own.
inline constexpr size_t kMaxBatchedRequestBytes = 128 << 10;
// Calls that wait are sent together up to here; the store takes kMaxReceivedBytes.
inline constexpr size_t kMaxBatchBytes = 512 << 10;
inline constexpr size_t kMaxReceivedBytes = 2 << 20;

// Entries of a maildrop in the page of its listing that comes with a login, and in one of the pages that a front-end asks
// for afterwards, unless it asks for fewer: at most 90 bytes for each.
inline constexpr size_t kMaildropPageEntries = 1000;
inline constexpr size_t kMaxMaildropPageEntries = 4000;
// Of one CommitMaildrop.
inline constexpr size_t kMaxCommitDeletions = 200'000;
// Of one CheckLogins.
inline constexpr size_t kMaxCheckedLogins = 500;
// Of one envelope.
inline constexpr size_t kMaxEnvelopeRecipients = 10'000;
// What an envelope's addresses and parameters come to (EnvelopeBytes): it goes with the first piece of its message, and both
// fit into kMaxReceivedBytes.
inline constexpr size_t kMaxEnvelopeBytes = 1 << 20;
// Of one LeaseAttempts; and recipients of one attempt (RFC 5321 section 4.5.3.1.8: every host takes so many).
inline constexpr int32_t kMaxLeasedAttempts = 20;
inline constexpr size_t kMaxAttemptRecipients = 100;
// What is sent of messages, in one LeaseAttempts: those that fit need no call of their own. And reports of one
// ReportAttempts.
inline constexpr size_t kMaxLeasedContentBytes = 64 << 10;
inline constexpr size_t kMaxReportedAttempts = 100;
// What is kept of a host's reply: two lines of it (RFC 5321 section 4.5.3.1.5); and its status (RFC 3463).
inline constexpr size_t kMaxReplyTextBytes = 1024;
inline constexpr size_t kMaxReplyStatusBytes = 16;
// The name of hosts in a report: as long as a domain may be (RFC 1035 section 2.3.4).
inline constexpr size_t kMaxSiteBytes = 255;
// Mailboxes of one message: one commit writes an entry for each.
inline constexpr int64_t kMaxDeliveryMailboxes = 50'000;
// What the mailboxes of one message keep of its recipients, together: each keeps those that led to it (KeptBytes), so that
// this is recipients times mailboxes. One recipient that leads to 20,000 of them always fits.
inline constexpr int64_t kMaxKeptRecipientBytes = 24 << 20;

}  // namespace mailstead::store
