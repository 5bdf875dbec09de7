#pragma once

#include <bit>
#include <cassert>
#include <compare>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "separatrix/base/index.h"

namespace separatrix {

/// How many values of 2^log_bits bits share a 64-bit word, and where each stands: the first in the
/// highest bits, so that words compare as their values do.
struct PackedWord {
  int log_bits = 0;  ///< 0 .. 5: values take 1, 2, 4, .. 32 bits

  static int log_bits_for(std::uint32_t value) {
    return value < 2 ? 0 : std::bit_width(unsigned(std::bit_width(value)) - 1);
  }
  Index per_word() const { return Index{64} >> log_bits; }
  std::uint64_t mask() const { return (std::uint64_t{1} << (1 << log_bits)) - 1; }
  int shift(Index slot) const { return 64 - (int(slot + 1) << log_bits); }
  std::uint32_t get(const std::uint64_t* words, Index i) const {
    const Index slot = i & (per_word() - 1);
    return std::uint32_t((words[i >> (6 - log_bits)] >> shift(slot)) & mask());
  }
  /// Into a place that is still zero.
  void put(std::uint64_t* words, Index i, std::uint32_t value) const {
    const Index slot = i & (per_word() - 1);
    words[i >> (6 - log_bits)] |= std::uint64_t(value) << shift(slot);
  }
  Index words_for(Index values) const { return (values + per_word() - 1) / per_word(); }
};

/// A growing list of whole numbers in as few bits each (1, 2, 4, .. 32) as the largest needs.
class PackedVector {
 public:
  Index size() const { return size_; }
  std::uint32_t operator[](Index i) const { return word_.get(words_.data(), i); }
  void push_back(std::uint32_t value) {
    if (const int needed = PackedWord::log_bits_for(value); needed > word_.log_bits) widen(needed);
    if (word_.words_for(size_ + 1) > Index(words_.size())) words_.push_back(0);
    word_.put(words_.data(), size_++, value);
  }

 private:
  void widen(int log_bits) {
    const PackedWord to{log_bits};
    std::vector<std::uint64_t> words(std::size_t(to.words_for(size_)));
    for (Index i = 0; i < size_; ++i) to.put(words.data(), i, (*this)[i]);
    words_ = std::move(words);
    word_ = to;
  }

  PackedWord word_;
  Index size_ = 0;
  std::vector<std::uint64_t> words_;
};

/// A growing matrix of whole numbers, likewise, whose rows compare word by word in lexicographic
/// order.
class PackedRows {
 public:
  explicit PackedRows(Index width) : width_(width), stride_(word_.words_for(width)) {}

  Index width() const { return width_; }
  Index rows() const { return rows_; }
  std::uint32_t at(Index row, Index i) const { return word_.get(words(row), i); }

  /// `values`: width of them, 0 .. 2^31 - 1.
  void append(std::span<const std::int32_t> values) {
    assert(Index(values.size()) == width_);
    std::uint32_t largest = 0;
    for (const std::int32_t v : values) largest |= std::uint32_t(v);
    if (const int needed = PackedWord::log_bits_for(largest); needed > word_.log_bits)
      widen(needed);
    words_.resize(words_.size() + std::size_t(stride_));
    std::uint64_t* const row = words_.data() + rows_++ * stride_;
    for (Index i = 0; i < width_; ++i) word_.put(row, i, std::uint32_t(values[std::size_t(i)]));
  }

  std::strong_ordering compare(Index a, Index b) const {
    return order(words(a), words(b), stride_);
  }
  bool equal(Index a, Index b) const { return std::is_eq(compare(a, b)); }

  /// A row, or the beginning of one filled up with zeros, as words. Empty when a value takes more
  /// bits than any of the matrix: no row has it.
  std::vector<std::uint64_t> key(std::span<const std::int32_t> values) const {
    std::vector<std::uint64_t> key(std::size_t(stride_), 0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::uint64_t(std::uint32_t(values[i])) > word_.mask()) return {};
      word_.put(key.data(), Index(i), std::uint32_t(values[i]));
    }
    return key;
  }
  bool equals(Index row, const std::vector<std::uint64_t>& key) const {
    return std::is_eq(order(words(row), key.data(), stride_));
  }
  /// First of the sorted rows from `first` on that is not below `key`.
  Index lower_bound(const std::vector<std::uint64_t>& key, Index first = 0) const {
    Index last = rows_;
    while (first < last) {
      const Index middle = first + (last - first) / 2;
      if (std::is_lt(order(words(middle), key.data(), stride_)))
        first = middle + 1;
      else
        last = middle;
    }
    return first;
  }

  /// The rows in another order, some left out.
  PackedRows select(const std::vector<std::uint32_t>& rows) const {
    PackedRows out(width_);
    out.word_ = word_;
    out.stride_ = stride_;
    out.rows_ = Index(rows.size());
    out.words_.reserve(rows.size() * std::size_t(stride_));
    for (const std::uint32_t row : rows)
      out.words_.insert(out.words_.end(), words(Index(row)), words(Index(row)) + stride_);
    return out;
  }

 private:
  const std::uint64_t* words(Index row) const { return words_.data() + row * stride_; }
  static std::strong_ordering order(const std::uint64_t* a, const std::uint64_t* b, Index n) {
    for (Index i = 0; i < n; ++i)
      if (a[i] != b[i]) return a[i] <=> b[i];
    return std::strong_ordering::equal;
  }
  void widen(int log_bits) {
    const PackedWord to{log_bits};
    const Index stride = to.words_for(width_);
    std::vector<std::uint64_t> words(std::size_t(rows_ * stride));
    for (Index r = 0; r < rows_; ++r)
      for (Index i = 0; i < width_; ++i) to.put(words.data() + r * stride, i, at(r, i));
    words_ = std::move(words);
    word_ = to;
    stride_ = stride;
  }

  PackedWord word_;
  Index width_, stride_, rows_ = 0;
  std::vector<std::uint64_t> words_;
};

}  // namespace separatrix
