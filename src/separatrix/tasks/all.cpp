#include "separatrix/tasks/task.h"

namespace separatrix {

// Each is defined at the end of the file of its name.
void register_index_lookup(Registry<Task>& tasks);

void register_tasks(Registry<Task>& tasks) { register_index_lookup(tasks); }

}  // namespace separatrix
