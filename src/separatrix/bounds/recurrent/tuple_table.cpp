#include "separatrix/bounds/recurrent/tuple_table.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace separatrix {
namespace {

constexpr std::int32_t kFree = -1;
constexpr std::size_t kFirstSlots = 8;

std::size_t hash(TupleTable::Tuple tuple) {
  std::uint64_t h = 0x9e3779b97f4a7c15;
  for (const std::int32_t word : tuple) {
    h = (h ^ std::uint32_t(word)) * 0xff51afd7ed558ccd;
    h ^= h >> 32;
  }
  return std::size_t(h);
}

}  // namespace

void TupleTable::append(Tuple tuple) {
  assert(size_ < std::numeric_limits<std::int32_t>::max());
  if (size_ == 0) width_ = Index(tuple.size());
  if (offsets_.empty() && Index(tuple.size()) != width_)
    for (Index i = 0; i <= size_; ++i) offsets_.push_back(i * width_);
  words_.insert(words_.end(), tuple.begin(), tuple.end());
  if (!offsets_.empty()) offsets_.push_back(Index(words_.size()));
  ++size_;
}

std::int32_t TupleTable::intern(Tuple tuple) {
  if (slots_.size() < 2 * std::size_t(size_ + 1)) rehash(std::max(kFirstSlots, 2 * slots_.size()));
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash(tuple) & mask;
  for (; slots_[at] != kFree; at = (at + 1) & mask) {
    const Tuple other = (*this)[slots_[at]];
    if (std::equal(other.begin(), other.end(), tuple.begin(), tuple.end())) return slots_[at];
  }
  slots_[at] = std::int32_t(size_);
  append(tuple);
  return std::int32_t(size_ - 1);
}

void TupleTable::rehash(std::size_t n_slots) {
  slots_.assign(n_slots, kFree);
  for (Index i = 0; i < size_; ++i) {
    std::size_t at = hash((*this)[i]) & (n_slots - 1);
    while (slots_[at] != kFree) at = (at + 1) & (n_slots - 1);
    slots_[at] = std::int32_t(i);
  }
}

}  // namespace separatrix
