#pragma once

#include <array>
#include <cassert>
#include <type_traits>

#include "separatrix/base/index.h"

namespace separatrix {

/// Non-owning row-major array of rank R; the last extent is contiguous.
template <class T, int R>
struct View {
  T* data = nullptr;
  std::array<Index, R> extent{};

  Index size() const {
    Index n = 1;
    for (Index e : extent) n *= e;
    return n;
  }
  template <class... I>
  T& operator()(I... i) const {
    static_assert(sizeof...(I) == R);
    const std::array<Index, R> at{Index(i)...};
    Index offset = 0;
    for (int r = 0; r < R; ++r) {
      assert(0 <= at[r] && at[r] < extent[r]);
      offset = offset * extent[r] + at[r];
    }
    return data[offset];
  }
  // NOLINTNEXTLINE(google-explicit-constructor): mutable to const is always safe
  operator View<const T, R>() const requires(!std::is_const_v<T>) { return {data, extent}; }
};

}  // namespace separatrix
