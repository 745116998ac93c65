// A limit on everything that comes from outside.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace mailstead::stored {

// proto: Password. Longer ones only make hashing expensive.
inline constexpr size_t kMaxPasswordBytes = 1024;
inline constexpr uint32_t kMinScramIterations = 4096;  // RFC 7677 section 4
inline constexpr uint32_t kMaxScramIterations = 10'000'000;
// Of an imported hash of Argon2 (RFC 9106): what one login may take, on each thread that hashes. The memory is freed when
// the login is decided.
inline constexpr uint32_t kMaxArgon2MemoryKib = 128 << 10;
inline constexpr uint32_t kMaxArgon2Passes = 16;
inline constexpr uint32_t kMaxArgon2Lanes = 16;
inline constexpr size_t kMaxArgon2SaltBytes = 64;
inline constexpr size_t kMinArgon2DigestBytes = 16;
inline constexpr size_t kMaxArgon2DigestBytes = 64;

// proto: page_size.
inline constexpr size_t kDefaultPageSize = 100;
inline constexpr size_t kMaxPageSize = 1000;
inline constexpr size_t kMaxPageTokenBytes = 1024;
// Of what a page's items hold, about: it ends there, whatever its size in items, so that its answer stays below the 4 MiB
// that gRPC's clients take by default. One item always fits.
inline constexpr size_t kMaxPageBytes = 1 << 20;
// Items that the engine is asked for at once, as they may be large.
inline constexpr size_t kPageStepItems = 32;

inline constexpr size_t kMaxBatchAccounts = 1000;
// Of one alias.
inline constexpr size_t kMaxAliasTargets = 1000;
// Of all aliases that one address leads through: a list of ten thousand made of lists.
inline constexpr size_t kMaxFollowedTargets = 20'000;
// Targets that a log line names, and steps that ResolveAddress tells.
inline constexpr size_t kMaxNamedTargets = 10;
inline constexpr size_t kMaxToldSteps = 2000;
// Where mail for an address goes, and what accounts are called, kept in memory: at most some 600 bytes each.
// What leads to more mailboxes is remembered by its alias, for a second, and all of that together has so many members of
// some 150 bytes: a thousand recipients that lead to a list of ten thousand read it once.
inline constexpr size_t kMaxRememberedAddresses = 100'000;
inline constexpr size_t kMaxRememberedMailboxes = 16;
inline constexpr size_t kMaxRememberedMembers = 100'000;
inline constexpr absl::Duration kWideMemory = absl::Seconds(1);
// An alias that leads to an alias that leads to ...
inline constexpr int kMaxAliasDepth = 8;

// Of one piece, hashed on the thread that serves the calls; all others wait for it.
inline constexpr size_t kMaxHashedAtOnceBytes = 64 << 10;
// The fields that a front-end puts in front of a message.
inline constexpr size_t kMaxTraceBytes = 64 << 10;

inline constexpr size_t kMaxDsnEnvidBytes = 100;  // RFC 3461 section 4.4
inline constexpr size_t kMaxDsnOrcptBytes = 500;  // RFC 3461 section 4.2

// RFC 4954 section 4: a line of 12,288 bytes of base64.
inline constexpr size_t kMaxAuthResponseBytes = 9216;
// No mechanism that is offered here takes more responses.
inline constexpr int kMaxAuthSteps = 4;
inline constexpr size_t kMaxTlsExporterBytes = 64;

inline constexpr size_t kMinIdentifierBytes = 16;
inline constexpr size_t kMaxIdentifierBytes = 64;
// Session ids, client addresses, lease holders: what goes to the log or to people.
inline constexpr size_t kMaxLogTextBytes = 128;

// Of one route: those of the largest providers name five.
inline constexpr size_t kMaxRouteHosts = 10;
inline constexpr size_t kMaxRouteUserBytes = 255;  // RFC 4616 section 2

// RFC 8301 section 3.2 wants 2,048 bits at least; what is longer not everybody has the time for.
inline constexpr int kDefaultRsaBits = 2048;
inline constexpr int kEd25519Bits = 256;
// proto: SignMessageRequest. What a front-end gathers (common/mailauth/signed_header.h) is below both.
inline constexpr size_t kMaxSignedNames = 400;
inline constexpr size_t kMaxSignedHeaderBytes = 2'000'000;
// proto: ListPendingKeys, ReportKeyRecords.
inline constexpr size_t kMaxLooks = 20;
inline constexpr size_t kMaxKeyRecords = 10;

inline constexpr size_t kMaxDeleteMessages = 10'000;

// proto: BatchGetMessagesRequest.
inline constexpr size_t kMaxBatchMessages = 100;
// proto: MessageFilter. What is kept of a subject or Message-ID is no longer (stored/engine/searched.h).
inline constexpr size_t kMaxFilterTextBytes = 998;
// Of a search: looked at by the engine in one step, which takes a thread of it some milliseconds; and in one call, which ends
// with a page that may have fewer messages than were asked for.
inline constexpr size_t kSearchStepMessages = 1000;
inline constexpr size_t kMaxSearchedMessages = 20'000;
// Of messages whose header is not kept: what one call reads of them, and some more at the end.
inline constexpr int64_t kMaxSearchedBytes = 8 << 20;
// proto: SubmitMessageRequest. As many recipients as port 587 takes of one message, by default.
inline constexpr size_t kMaxSubmissionRecipients = 1000;
// Longer ahead the account may be another's, and the mail out of date.
inline constexpr absl::Duration kMaxSendDelay = absl::Hours(24 * 30);
// Of a message in one request: what clients of gRPC send and take by default.
inline constexpr size_t kMaxUnaryContentBytes = 4 << 20;

}  // namespace mailstead::stored
