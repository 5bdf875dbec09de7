#pragma once

#include "separatrix/tasks/task.h"

namespace separatrix::test {

/// sparse-features with a file of features, or its text, or the default.
inline std::unique_ptr<Task> features_task(const std::string& features) {
  Registry<Task> registry("task");
  register_tasks(registry);
  return registry.make("sparse-features", {{"features", features}});
}

}  // namespace separatrix::test
