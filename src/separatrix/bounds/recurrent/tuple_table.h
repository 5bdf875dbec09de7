#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "separatrix/base/index.h"

namespace separatrix {

/// Different tuples of 32-bit integers, numbered in the order in which they came, stored one after
/// the other: [size, width] while all have one length, else with an offset each.
class TupleTable {
 public:
  using Tuple = std::span<const std::int32_t>;

  Index size() const { return size_; }
  Tuple operator[](Index i) const {
    if (offsets_.empty()) return {words_.data() + i * width_, std::size_t(width_)};
    return {words_.data() + offsets_[std::size_t(i)],
            std::size_t(offsets_[std::size_t(i + 1)] - offsets_[std::size_t(i)])};
  }
  /// Adds without looking; not to be mixed with intern.
  void append(Tuple tuple);
  /// The number of an equal tuple, which is added when there is none.
  std::int32_t intern(Tuple tuple);
  /// Frees what only intern needs.
  void drop_index() { std::vector<std::int32_t>().swap(slots_); }
  /// Memory held.
  Index bytes() const {
    return Index((words_.capacity() + slots_.capacity()) * sizeof(std::int32_t) +
                 offsets_.capacity() * sizeof(Index));
  }

 private:
  void rehash(std::size_t n_slots);

  Index size_ = 0, width_ = 0;
  std::vector<std::int32_t> words_;
  std::vector<Index> offsets_;       ///< [size + 1], or empty
  std::vector<std::int32_t> slots_;  ///< open addressing, a power of two, at most half full
};

}  // namespace separatrix
