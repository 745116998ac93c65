#include "pop3d/session/verbs.h"

#include "pop3d/session/commands/commands.h"

namespace mailstead::pop3 {
namespace {

// APOP (RFC 1939 section 7) is not here: it needs passwords kept in clear, and the greeting does
// not offer it.
constexpr Verb kVerbs[] = {
    {"USER", commands::User, kInAuthorization, true, "USER name"},
    {"PASS", commands::Pass, kInAuthorization, true, "PASS password"},
    {"AUTH", commands::Auth, kInAuthorization, true, "AUTH mechanism [initial-response]"},
    {"STLS", commands::Stls, kInAuthorization, false, "STLS"},
    {"UTF8", commands::Utf8, kInAuthorization, false, "UTF8"},
    {"CAPA", commands::Capa, kInBoth, false, "CAPA"},
    {"LANG", commands::Lang, kInBoth, true, "LANG [language]"},
    {"QUIT", commands::Quit, kInBoth, false, "QUIT"},
    {"STAT", commands::Stat, kInTransaction, false, "STAT"},
    {"LIST", commands::List, kInTransaction, true, "LIST [message]"},
    {"UIDL", commands::Uidl, kInTransaction, true, "UIDL [message]"},
    {"RETR", commands::Retr, kInTransaction, true, "RETR message"},
    {"TOP", commands::Top, kInTransaction, true, "TOP message lines"},
    {"DELE", commands::Dele, kInTransaction, true, "DELE message"},
    {"NOOP", commands::Noop, kInTransaction, false, "NOOP"},
    {"RSET", commands::Rset, kInTransaction, false, "RSET"},
};

}  // namespace

const Verb* FindVerb(absl::string_view name) {
  for (const Verb& verb : kVerbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

}  // namespace mailstead::pop3
