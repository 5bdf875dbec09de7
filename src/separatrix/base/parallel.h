#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "separatrix/base/index.h"

namespace separatrix {

/// Calls body(worker, i) once for every i in 0 .. n-1, on up to `threads` threads; worker is in
/// 0 .. threads-1 and no two calls with the same worker overlap, so it may index working memory.
/// Which worker gets which i is up to chance: results must go to places that i alone decides.
/// Once a body has thrown no further i is begun, and what it threw is rethrown here.
inline void parallel_for(int threads, Index n,
                         const std::function<void(std::size_t worker, Index i)>& body) {
  const auto workers = std::size_t(std::clamp<Index>(n, 1, std::max(threads, 1)));
  std::atomic<Index> next{0};
  std::vector<std::exception_ptr> failures(workers);
  const auto work = [&](std::size_t worker) noexcept {
    try {
      for (Index i = next++; i < n; i = next++) body(worker, i);
    } catch (...) {
      failures[worker] = std::current_exception();
      next = n;
    }
  };
  std::vector<std::thread> others;
  for (std::size_t worker = 1; worker < workers; ++worker) others.emplace_back(work, worker);
  work(0);
  for (std::thread& other : others) other.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace separatrix
