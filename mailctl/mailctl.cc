#include "mailctl/mailctl.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/status.h"
#include "mailctl/client.h"
#include "mailctl/command_line.h"
#include "mailctl/command_table.h"
#include "mailctl/help.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

class RunContext : public Context {
 public:
  RunContext(const Arguments& arguments, const Surroundings& surroundings, const Streams& streams)
      : arguments_(arguments),
        surroundings_(surroundings),
        output_(streams.out, streams.err, arguments.Has("json")),
        terminal_(streams.input_fd, streams.prompt_fd) {}

  absl::StatusOr<Client*> Store() override {
    if (client_ == nullptr) {
      ASSIGN_OR_RETURN(const Settings settings, FindStore(arguments_, surroundings_));
      ASSIGN_OR_RETURN(std::unique_ptr<rpc::Transport> transport, surroundings_.connect(settings));
      client_ = std::make_unique<Client>(std::move(transport), settings);
    }
    return client_.get();
  }
  Output& output() override { return output_; }
  Terminal& terminal() override { return terminal_; }
  const Clock& clock() override { return surroundings_.clock; }

 private:
  const Arguments& arguments_;
  const Surroundings& surroundings_;
  Output output_;
  Terminal terminal_;
  std::unique_ptr<Client> client_;
};

absl::Status RunCommandLine(const CommandLine& line, Context& context) {
  if (line.version) {
    const Command* version = FindCommand("version", "");
    return version->run(line.arguments, context);
  }
  if (line.help) {
    context.output().Raw(line.command != nullptr ? CommandHelp(*line.command)
                         : line.noun.empty()     ? GeneralHelp()
                                                 : NounHelp(line.noun));
    return absl::OkStatus();
  }
  return line.command->run(line.arguments, context);
}

}  // namespace

ExitCode Run(const std::vector<std::string>& words, const Surroundings& surroundings,
             const Streams& streams) {
  const absl::StatusOr<CommandLine> line = ParseCommandLine(words);
  if (!line.ok()) {
    const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
    return ExitCodeOf(Output(streams.out, streams.err, json).Finish(line.status()));
  }
  RunContext context(line->arguments, surroundings, streams);
  return ExitCodeOf(context.output().Finish(RunCommandLine(*line, context)));
}

}  // namespace mailstead::ctl
