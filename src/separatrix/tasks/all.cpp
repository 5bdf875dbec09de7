#include "separatrix/tasks/task.h"

namespace separatrix {

// Each is defined at the end of the file of its name.
void register_index_lookup(Registry<Task>& tasks);
void register_bounded_dyck(Registry<Task>& tasks);
void register_string_equality(Registry<Task>& tasks);
void register_set_disjointness(Registry<Task>& tasks);
void register_nearest_neighbor(Registry<Task>& tasks);
void register_mqar(Registry<Task>& tasks);
void register_induction(Registry<Task>& tasks);
void register_sparse_features(Registry<Task>& tasks);
void register_regular(Registry<Task>& tasks);
void register_table(Registry<Task>& tasks);
void register_program(Registry<Task>& tasks);

void register_tasks(Registry<Task>& tasks) {
  register_index_lookup(tasks);
  register_bounded_dyck(tasks);
  register_string_equality(tasks);
  register_set_disjointness(tasks);
  register_nearest_neighbor(tasks);
  register_mqar(tasks);
  register_induction(tasks);
  register_sparse_features(tasks);
  register_regular(tasks);
  register_table(tasks);
  register_program(tasks);
}

}  // namespace separatrix
