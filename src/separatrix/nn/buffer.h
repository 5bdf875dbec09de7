#pragma once

#include <cstdlib>
#include <memory>
#include <new>

#include "separatrix/base/index.h"

namespace separatrix {

inline constexpr Index kAlign = 16;  ///< floats in 64 bytes

/// n rounded up to whole 64 bytes.
inline Index padded(Index n) { return (n + kAlign - 1) / kAlign * kAlign; }

/// Lays arrays one behind the other: the n floats at base + end, after which `end` moves on. With a
/// null base it only counts.
inline float* slice(float* base, Index& end, Index n) {
  float* at = base == nullptr ? nullptr : base + end;
  end += padded(n);
  return at;
}

/// 64-byte aligned floats, not initialised: pages that nobody touches cost nothing.
class Buffer {
 public:
  /// Allocates, and forgets the contents, only if `capacity` has grown.
  void reserve(Index capacity) {
    if (capacity <= capacity_) return;
    data_.reset(static_cast<float*>(
        std::aligned_alloc(kAlign * sizeof(float), std::size_t(padded(capacity)) * sizeof(float))));
    if (data_ == nullptr) throw std::bad_alloc();
    capacity_ = capacity;
  }
  float* data() { return data_.get(); }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> data_;
  Index capacity_ = 0;
};

}  // namespace separatrix
