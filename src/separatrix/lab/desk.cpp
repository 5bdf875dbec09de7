#include "separatrix/lab/desk.h"

namespace separatrix {

Desk::Desk(const std::string& store_path, const std::string& experiment, const RunOptions& options,
           const std::function<void(Store&)>& refill)
    : store_(store_path, options.store),
      experiment_(experiment),
      options_(options),
      refill_(refill) {
  refill_(store_);
  totals_ = store_.totals(experiment_, options_.shard);
}

void Desk::progress(RunProgress event) {
  if (!options_.on_progress) return;
  const std::lock_guard lock(mutex_);
  if (event.finished) totals_ = store_.totals(experiment_, options_.shard);
  event.queue = totals_;
  options_.on_progress(event);
}

void Desk::ended() {
  const std::lock_guard lock(mutex_);
  refill_(store_);
}

void Desk::refresh() {
  const std::lock_guard lock(mutex_);
  totals_ = store_.totals(experiment_, options_.shard);
}

void Desk::note(const std::string& line) {
  if (!options_.on_note) return;
  const std::lock_guard lock(mutex_);
  options_.on_note(line);
}

}  // namespace separatrix
