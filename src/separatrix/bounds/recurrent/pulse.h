#pragma once

#include <chrono>
#include <string>

#include "separatrix/base/error.h"
#include "separatrix/bounds/bound.h"

namespace separatrix {

/// Tells a request how far its computation is, ten times a second at most, and ends it when asked.
class Pulse {
 public:
  explicit Pulse(const BoundRequest& request) : request_(request) {}

  void check_stop() const {
    if (request_.stop && request_.stop->load(std::memory_order_relaxed))
      throw Error(ErrorKind::io, "stopped", request_.task_name);
  }
  /// To be called often, from one thread.
  void operator()(const char* doing, double share) {
    check_stop();
    if (!request_.progress) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    request_.progress(doing, share < 0 ? 0 : share > 1 ? 1 : share);
  }

 private:
  const BoundRequest& request_;
  std::chrono::steady_clock::time_point next_ = {};
};

}  // namespace separatrix
