#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/text/utf8.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

using Decoded = v1::DecodeSrsAddressResponse;

absl::Status Rotate(const Arguments& arguments, Context& context) {
  v1::RotateSrsSecretRequest request;
  request.set_drop_old(arguments.Has("drop_old"));
  if (arguments.Has("secret_stdin")) {
    // SECURITY: there is no option that takes the secret itself: other users of the machine see the arguments.
    ASSIGN_OR_RETURN(const std::string secret, context.terminal().SecretLine());
    if (secret.empty()) return UsageError("--secret_stdin: the first line of standard input is empty");
    if (!IsValidUtf8(secret)) return absl::InvalidArgumentError("the secret is not valid UTF-8");
    request.set_secret(secret);
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::SrsSecret secret, store->Call(store::kRotateSrsSecret, request));
  context.output().Result(secret, absl::StrCat("srs secret ", secret.number(), " signs from now on",
                                               request.drop_old() ? ", and no other counts" : ""));
  return absl::OkStatus();
}

absl::Status List(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::ListSrsSecretsResponse response,
                   store->Call(store::kListSrsSecrets, v1::ListSrsSecretsRequest()));
  context.output().Json(response);
  if (context.output().json()) return absl::OkStatus();
  context.output().Line(absl::StrCat("addresses are of ", Printable(response.domain()),
                                     ", and mail to them is taken for ", response.lifetime_days(), " days"));
  Table table({{"SECRET"}, {"MADE"}, {"COUNTS UNTIL"}});
  for (const v1::SrsSecret& secret : response.secrets()) {
    table.Row({absl::StrCat(secret.number()), FormatTime(secret.create_time()),
               secret.signs() ? "it signs" : FormatTime(secret.expire_time())});
  }
  context.output().Raw(table.Text());
  return absl::OkStatus();
}

absl::Status Decode(const Arguments& arguments, Context& context) {
  v1::DecodeSrsAddressRequest request;
  request.set_address(arguments.positional(0));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const Decoded decoded, store->Call(store::kDecodeSrsAddress, request));
  std::string line = Printable(decoded.sender());
  if (decoded.outcome() == Decoded::OUTCOME_FORGED) {
    line = "forged: no secret that counts has signed it";
  } else if (decoded.outcome() == Decoded::OUTCOME_EXPIRED) {
    line = "expired: it was made too long ago";
  }
  context.output().Result(decoded, line);
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> SrsCommands() {
  return {
      {"srs",
       "rotate",
       "Sign addresses with a new secret from now on.",
       {},
       {{"drop_old", "", "No other secret counts any more: for one that somebody has got hold of."},
        {"secret_stdin", "",
         "Read the secret from the first line of standard input, instead of a random one."}},
       "What was signed before still comes back, as long as its address counts; with --drop_old it is "
       "refused.\n"
       "--secret_stdin takes over from another server that signs in the same way, such as postsrsd: what "
       "comes back for\n"
       "mail that it has sent on is taken here then. Rotate once more behind it, for a secret of our own.",
       "mailctl srs rotate\n"
       "mailctl srs rotate --secret_stdin < /etc/postsrsd.secret",
       Rotate},
      {"srs",
       "list",
       "List the secrets that count, without what they are.",
       {},
       {},
       "",
       "mailctl srs list",
       List},
      {"srs",
       "decode",
       "Say whom an address stands for.",
       {{"ADDRESS"}},
       {},
       "",
       "mailctl srs decode SRS0=yQdV=GE=elsewhere.test=ann@example.test",
       Decode},
  };
}

}  // namespace mailstead::ctl
