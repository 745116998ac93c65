#include "mailctl/commands/account_import.h"

#include <algorithm>
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/rpc/errors.h"
#include "mailctl/client.h"
#include "mailctl/exit_code.h"
#include "mailctl/field_words.h"
#include "mailctl/import_file.h"
#include "mailctl/input.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

constexpr size_t kBatchAccounts = 500;
// Keeps every core of the store busy with hashing while the next batches are on their way.
constexpr size_t kBatchesInFlight = 4;

enum class Existing { kFail, kSkip, kUpdate };

struct Failure {
  uint64_t line;
  std::string address;
  std::string error;
};

// What a batch, or the whole import, came to.
struct Tally {
  uint64_t added = 0;
  uint64_t updated = 0;
  uint64_t skipped = 0;
  std::vector<Failure> failures;
  // The store could not be asked: the import ends.
  absl::Status broken;

  void Take(Tally other) {
    added += other.added;
    updated += other.updated;
    skipped += other.skipped;
    std::move(other.failures.begin(), other.failures.end(), std::back_inserter(failures));
    if (broken.ok()) broken = std::move(other.broken);
  }
};

struct Batch {
  v1::BatchCreateAccountsRequest request;
  // Of each request.
  std::vector<uint64_t> lines;
};

absl::Status UpdatePassword(Client& store, const v1::CreateAccountRequest& request) {
  v1::SetPasswordRequest change;
  change.set_account(request.account().address());
  *change.mutable_password() = request.password();
  return store.Call(store::kSetPassword, change).status();
}

// What the store says against one account. The line of the report begins with its address.
std::string Complaint(const absl::Status& status, const v1::CreateAccountRequest& request) {
  const absl::Status in_words = InTypedWords(status, request);
  return std::string(absl::StripPrefix(in_words.message(), absl::StrCat(request.account().address(), ": ")));
}

void TakeExisting(Client& store, Existing existing, const v1::CreateAccountRequest& request, uint64_t line,
                  const std::string& error, Tally& tally) {
  absl::Status status = absl::AlreadyExistsError(error);
  if (existing == Existing::kSkip) {
    ++tally.skipped;
    return;
  }
  if (existing == Existing::kUpdate) status = UpdatePassword(store, request);
  if (status.ok()) {
    ++tally.updated;
    return;
  }
  tally.failures.push_back({line, request.account().address(), std::string(status.message())});
}

Tally SendBatch(Client& store, Existing existing, const Batch& batch) {
  Tally tally;
  const absl::StatusOr<v1::BatchCreateAccountsResponse> response =
      store.Call(store::kBatchCreateAccounts, batch.request, kBatchTimeout);
  if (response.ok() && static_cast<size_t>(response->results_size()) != batch.lines.size()) {
    tally.broken =
        absl::InternalError("the store answered for another number of accounts than it was asked for");
    return tally;
  }
  for (size_t i = 0; i < batch.lines.size(); ++i) {
    const v1::CreateAccountRequest& request = batch.request.requests(static_cast<int>(i));
    if (!response.ok()) {
      tally.failures.push_back(
          {batch.lines[i], request.account().address(), std::string(response.status().message())});
      continue;
    }
    const auto& result = response->results(static_cast<int>(i));
    const auto code = static_cast<absl::StatusCode>(result.code());
    if (code == absl::StatusCode::kOk) {
      ++tally.added;
    } else if (code == absl::StatusCode::kAlreadyExists) {
      TakeExisting(store, existing, request, batch.lines[i], result.message(), tally);
    } else {
      tally.failures.push_back(
          {batch.lines[i], request.account().address(), Complaint(rpc::FromProto(result), request)});
    }
  }
  if (!response.ok()) tally.broken = response.status();
  return tally;
}

class Import {
 public:
  Import(Client& store, Input& input, Existing existing)
      : store_(store), input_(input), existing_(existing) {}

  Tally Run() {
    while (tally_.broken.ok()) {
      const absl::StatusOr<std::optional<std::string>> line = input_.ReadLine();
      if (!line.ok()) {
        tally_.broken = line.status();
        break;
      }
      if (!line->has_value()) break;
      TakeLine(**line);
    }
    if (tally_.broken.ok()) Send();
    while (!in_flight_.empty()) Await();
    std::sort(tally_.failures.begin(), tally_.failures.end(),
              [](const Failure& a, const Failure& b) { return a.line < b.line; });
    return std::move(tally_);
  }

 private:
  void TakeLine(const std::string& text) {
    ++line_;
    const absl::StatusOr<std::optional<ImportLine>> parsed = ParseImportLine(text);
    if (!parsed.ok()) {
      tally_.failures.push_back({line_, "", std::string(parsed.status().message())});
      return;
    }
    if (!parsed->has_value()) return;
    v1::CreateAccountRequest* request = batch_.request.add_requests();
    request->mutable_account()->set_address((*parsed)->address);
    const PasswordField& password = (*parsed)->password;
    // Of an account without a login the message is there and empty, so that an update takes its login away.
    if (password.kind == PasswordField::Kind::kHash)
      request->mutable_password()->set_crypt_hash(password.text);
    if (password.kind == PasswordField::Kind::kPlain) request->mutable_password()->set_plain(password.text);
    batch_.lines.push_back(line_);
    if (batch_.lines.size() == kBatchAccounts) Send();
  }

  void Send() {
    if (batch_.lines.empty()) return;
    if (in_flight_.size() == kBatchesInFlight) Await();
    in_flight_.push_back(std::async(
        std::launch::async, [&store = store_, existing = existing_, batch = std::exchange(batch_, Batch())] {
          return SendBatch(store, existing, batch);
        }));
  }

  void Await() {
    tally_.Take(in_flight_.front().get());
    in_flight_.pop_front();
  }

  Client& store_;
  Input& input_;
  const Existing existing_;
  uint64_t line_ = 0;
  Batch batch_;
  std::deque<std::future<Tally>> in_flight_;
  Tally tally_;
};

std::string JsonOfTally(const Tally& tally) {
  std::vector<std::string> failures;
  for (const Failure& failure : tally.failures) {
    failures.push_back(absl::StrCat("  {\"line\": ", JsonNumber(failure.line),
                                    ", \"address\": ", JsonQuote(failure.address),
                                    ", \"error\": ", JsonQuote(failure.error), "}"));
  }
  return absl::StrCat("{\"added\": ", JsonNumber(tally.added), ", \"updated\": ", JsonNumber(tally.updated),
                      ", \"skipped\": ", JsonNumber(tally.skipped),
                      ", \"failed\": ", JsonNumber(tally.failures.size()), ", \"failures\": [",
                      failures.empty() ? "" : "\n", absl::StrJoin(failures, ",\n"),
                      failures.empty() ? "" : "\n", "]}");
}

void Print(const Tally& tally, Output& output) {
  if (output.json()) {
    output.JsonText(JsonOfTally(tally));
    return;
  }
  for (const Failure& failure : tally.failures) {
    output.Warning(absl::StrCat("line ", failure.line, ": ", failure.address,
                                failure.address.empty() ? "" : ": ", failure.error));
  }
  std::string line = absl::StrCat(Plural(tally.added, "account"), " added");
  if (tally.updated > 0) absl::StrAppend(&line, ", ", tally.updated, " updated");
  if (tally.skipped > 0) absl::StrAppend(&line, ", ", tally.skipped, " skipped");
  if (!tally.failures.empty()) absl::StrAppend(&line, ", ", tally.failures.size(), " failed");
  output.Line(line);
}

}  // namespace

absl::Status ImportAccounts(const Arguments& arguments, Context& context) {
  const std::string choice = arguments.Get("existing", "fail");
  const Existing existing = choice == "skip"     ? Existing::kSkip
                            : choice == "update" ? Existing::kUpdate
                                                 : Existing::kFail;
  ASSIGN_OR_RETURN(const std::unique_ptr<Input> input,
                   Input::Open(arguments.positional(0), context.terminal().input_fd()));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  const Tally tally = Import(*store, *input, existing).Run();
  Print(tally, context.output());
  RETURN_IF_ERROR(tally.broken);
  if (tally.failures.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(Plural(tally.failures.size(), "line"), " of the import failed"));
}

}  // namespace mailstead::ctl
