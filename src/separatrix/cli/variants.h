#pragma once

#include <functional>
#include <string>

#include "separatrix/base/registry.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// Calls visit(entry, config, name) for every task with its defaults and, one at a time, the other
/// layouts, orders, modes and choices of what is asked; config holds only what is not the default.
void for_each_variant(
    const Registry<Task>& tasks,
    const std::function<void(const Registry<Task>::Entry& entry, const Json& config,
                             const std::string& name)>& visit);

}  // namespace separatrix
