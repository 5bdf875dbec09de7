#pragma once

#include <string>

#include "separatrix/cli/command.h"
#include "separatrix/nn/model.h"

namespace separatrix {

struct Session;

/// --model NAME with the family's sizes, or --model FILE.yaml with a whole ModelSpec.
class ModelArguments {
 public:
  void add(Command& command, const Session& session);
  /// The resolved spec for instances of a task. Sizes that depend on the task (vocab_size,
  /// n_classes, max_length) are filled in where a file leaves them out.
  ModelSpec make(const Session& session, const TaskInfo& info) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_ = "transformer";
  Parameters parameters_;
};

}  // namespace separatrix
