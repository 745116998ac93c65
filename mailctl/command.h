// What a command is: one row of the table from which the parser, the help texts and the completions are made.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "mailctl/arguments.h"

namespace mailstead::ctl {

class Client;
class Output;
class Terminal;

// What a command works with.
class Context {
 public:
  virtual ~Context() = default;
  // Connects at the first call. NotFound and InvalidArgument when the store's address or the token cannot be
  // found.
  virtual absl::StatusOr<Client*> Store() = 0;
  virtual Output& output() = 0;
  virtual Terminal& terminal() = 0;
  virtual const Clock& clock() = 0;
};

struct Command {
  // "account"
  absl::string_view noun;
  // "add"; empty for a command of one word.
  absl::string_view verb;
  // One line.
  absl::string_view summary;
  std::vector<Positional> positionals;
  std::vector<Option> options;
  // Paragraphs for help; may be empty.
  absl::string_view details;
  // Lines for the shell, without a prompt.
  absl::string_view example;
  absl::Status (*run)(const Arguments& arguments, Context& context);

  std::string name() const { return verb.empty() ? std::string(noun) : absl::StrCat(noun, " ", verb); }
};

}  // namespace mailstead::ctl
