#pragma once

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "separatrix/cli/command.h"
#include "separatrix/lab/catalogue.h"
#include "separatrix/model/model_file.h"

namespace separatrix {

/// What every command shares: the catalogue, how to print, and when to stop.
struct Session {
  const Catalogue& catalogue;
  const std::atomic<bool>& stop;  ///< set by the first Ctrl-C
  bool json = false, quiet = false;
  int exit_code = 0;

  /// The result: one JSON object per call with --json, the text otherwise. Throws Error(io) when
  /// stdout cannot take it.
  void print(const Json& json_form, const std::string& text_form) const;
};

/// TASK --length N and every task's own flags; what is common to most commands.
class TaskArguments {
 public:
  /// `required`: whether TASK and --length must be given.
  void add(Command& command, const Session& session, bool required = true);
  bool given() const { return !name_.empty(); }
  bool is_all() const { return name_ == "all"; }  ///< every task, where a command allows it

  std::unique_ptr<Task> make(const Session& session) const;  ///< also checks the length
  Json config(const Session& session) const;                 ///< all defaults written out
  std::string name(const Session& session) const;            ///< as registered
  Index length() const { return length_; }

 private:
  std::string name_;
  Index length_ = 0;
  Parameters parameters_;
};

/// --threads of commands whose result does not depend on it: all cores unless given.
struct Threads {
  Index count = Index(std::max(1U, std::thread::hardware_concurrency()));
  int checked() const;  ///< at most 1024; throws Error(usage) below 1
};

/// Loads a model and checks its tensors against the registered blocks.
ModelFile load_model(const Session& session, const std::string& path);

/// The task, its parameters and length that a model file says it was made for; nullopt for foreign
/// files.
struct ModelOrigin {
  std::string task;
  Json task_config = Json::object();
  Index length = 0;
};
std::optional<ModelOrigin> origin_of(const ModelFile& file);

/// The task named on the command line; what is left out there is as in the file's own account.
/// Throws Error(usage) when neither names one.
ModelOrigin wanted_task(const TaskArguments& task, const ModelFile& file, const std::string& path,
                        const Session& session);

/// Throws Error(spec) when the file says that it was made for another task, or its sizes do not
/// fit.
void check_model_fits(const ModelFile& file, const std::string& path, const ModelOrigin& wanted,
                      const Session& session);
void check_model_fits(const ModelFile& file, const std::string& path, const TaskArguments& task,
                      const Session& session);

// One function per file cmd_*.cpp.
void add_list(Command command, Session& session);
void add_sample(Command command, Session& session);
void add_bound(Command command, Session& session);
void add_codes(Command command, Session& session);
void add_construct(Command command, Session& session);
void add_certify(Command command, Session& session);
void add_recheck(Command command, Session& session);
void add_train(Command command, Session& session);
void add_evaluate(Command command, Session& session);
void add_predict(Command command, Session& session);
void add_explain(Command command, Session& session);
void add_refute(Command command, Session& session);
void add_run(Command command, Session& session);
void add_merge(Command command, Session& session);
void add_recipe(Command command, Session& session);
void add_separate(Command command, Session& session);
void add_report(Command command, Session& session);
void add_export(Command command, Session& session);
void add_bench_train_step(Command command, Session& session);
void add_bench_scaling(Command command, Session& session);

}  // namespace separatrix
