#include "separatrix/tasks/truth_table.h"

#include <algorithm>
#include <numeric>

#include "separatrix/base/error.h"

namespace separatrix {
namespace {

/// base^n when that is `value`.
bool is_power(Index value, Index base, Index n) {
  Index power = 1;
  for (Index i = 0; i < n; ++i) {
    if (power > value / base) return false;
    power *= base;
  }
  return power == value;
}

}  // namespace

std::optional<Index> TableOfLength::find(std::span<const Token> tokens) const {
  assert(Index(tokens.size()) == n_tokens());
  if (complete_) {
    Index number = 0;
    for (const Token token : tokens) {
      if (token >= base_) return std::nullopt;
      number = number * base_ + token;
    }
    return number;
  }
  const std::vector<std::uint64_t> key = keys_.key(tokens);
  if (key.empty()) return std::nullopt;
  const Index row = keys_.lower_bound(key);
  return row < n_entries_ && keys_.equals(row, key) ? std::optional(row) : std::nullopt;
}

void TableOfLength::tokens(Index entry, std::span<Token> out) const {
  assert(Index(out.size()) == n_tokens());
  if (complete_) {
    for (std::size_t i = out.size(); i-- > 0; entry /= base_) out[i] = Token(entry % base_);
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = Token(keys_.at(entry, Index(i)));
}

void TableOfLength::targets(Index entry, std::span<Token> out) const {
  if (all_) {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = Token(targets_[entry * n_tokens() + Index(i)]) - 1;
    return;
  }
  std::fill(out.begin(), out.end(), kIgnore);
  out.back() = Token(targets_[entry]) - 1;
}

std::vector<Token> TableOfLength::legal_next(std::span<const Token> prefix) const {
  if (Index(prefix.size()) >= n_tokens()) return {};
  std::vector<Token> next;
  if (complete_) {
    next.resize(std::size_t(base_));
    std::iota(next.begin(), next.end(), 0);
    return next;
  }
  // The rows are sorted, so those with the prefix stand together, and within them each next token.
  const auto k = Index(prefix.size());
  const auto begins = [&](Index row) {
    for (Index i = k; i-- > 0;)  // rows nearby differ late
      if (Token(keys_.at(row, i)) != prefix[std::size_t(i)]) return false;
    return true;
  };
  std::vector<Token> beginning(prefix.begin(), prefix.end());
  beginning.push_back(0);
  for (Index row = 0;;) {
    const std::vector<std::uint64_t> key = keys_.key(beginning);
    if (key.empty()) return next;
    row = keys_.lower_bound(key, row);
    if (row == n_entries_ || !begins(row)) return next;
    next.push_back(Token(keys_.at(row, k)));
    beginning.back() = next.back() + 1;
  }
}

const TableOfLength* TruthTable::of_length(Index n_tokens) const {
  const auto it = tables_.find(n_tokens);
  return it == tables_.end() ? nullptr : &it->second;
}

std::vector<Index> TruthTable::lengths() const {
  std::vector<Index> out;
  for (const auto& [length, table] : tables_) out.push_back(length);
  return out;
}

void TableBuilder::add(std::span<const Token> tokens, std::span<const Token> targets,
                       std::uint32_t line) {
  const auto n = Index(tokens.size());
  assert(n >= 1 && (targets.size() == 1 || targets.size() == tokens.size()));
  Part& part = parts_.try_emplace(n, Part{TableOfLength(n), {}}).first->second;
  TableOfLength& table = part.table;
  // Most tables ask at the last token only; room for every token is made when one asks elsewhere.
  const bool only_last =
      std::all_of(targets.begin(), targets.end() - 1, [](Token t) { return t == kIgnore; });
  const auto fill_up = [&](PackedVector& to) {
    for (Index i = 1; i < n; ++i) to.push_back(0);
  };
  if (!only_last && !table.all_) {
    PackedVector wide;
    for (Index i = 0; i < table.targets_.size(); ++i) {
      fill_up(wide);
      wide.push_back(table.targets_[i]);
    }
    table.targets_ = std::move(wide);
    table.all_ = true;
  }
  if (!table.all_) {
    table.targets_.push_back(std::uint32_t(targets.back() + 1));
  } else {
    if (targets.size() == 1) fill_up(table.targets_);
    for (const Token target : targets) table.targets_.push_back(std::uint32_t(target + 1));
  }
  table.keys_.append(tokens);
  part.lines.push_back(line);
  for (const Token token : tokens) largest_token_ = std::max(largest_token_, token);
  for (const Token target : targets) largest_target_ = std::max(largest_target_, target);
}

void TableBuilder::finish(Part& part) const {
  TableOfLength& table = part.table;
  const PackedRows& keys = table.keys_;
  const Index width = table.all_ ? keys.width() : 1;
  std::vector<std::uint32_t> order(std::size_t(keys.rows()));
  std::iota(order.begin(), order.end(), 0U);
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    const auto by_tokens = keys.compare(a, b);
    return std::is_neq(by_tokens) ? std::is_lt(by_tokens) : a < b;
  };
  if (!std::is_sorted(order.begin(), order.end(), before))
    std::sort(order.begin(), order.end(), before);

  // Of equal rows the first is kept; the others must say the same. Reported is the contradiction
  // that a reader of the file meets first.
  std::vector<std::uint32_t> kept;
  kept.reserve(order.size());
  std::uint32_t first_line = 0, second_line = 0;
  const auto same_targets = [&](Index a, Index b) {
    for (Index i = 0; i < width; ++i)
      if (table.targets_[a * width + i] != table.targets_[b * width + i]) return false;
    return true;
  };
  for (const std::uint32_t row : order) {
    if (kept.empty() || !keys.equal(kept.back(), row)) {
      kept.push_back(row);
    } else if (!same_targets(kept.back(), row) &&
               (second_line == 0 || part.lines[row] < second_line)) {
      first_line = part.lines[kept.back()];
      second_line = part.lines[row];
    }
  }
  if (second_line != 0)
    throw Error(ErrorKind::spec,
                "the same tokens have another answer on line " + std::to_string(first_line),
                where_ + ":" + std::to_string(second_line), "keep one of the two lines");

  PackedVector targets;
  std::vector<Index> count(std::size_t(largest_target_) + 2);
  Index largest = 0;
  for (const std::uint32_t row : kept) {
    for (Index i = 0; i < width; ++i) {
      targets.push_back(table.targets_[Index(row) * width + i]);
      ++count[table.targets_[Index(row) * width + i]];
    }
    for (Index i = 0; i < keys.width(); ++i)
      largest = std::max(largest, Index(keys.at(Index(row), i)));
  }
  const Index asked = std::accumulate(count.begin() + 1, count.end(), Index{0});
  table.chance_ = double(*std::max_element(count.begin() + 1, count.end())) / double(asked);
  table.targets_ = std::move(targets);
  table.n_entries_ = Index(kept.size());
  table.base_ = largest + 1;
  table.complete_ = is_power(table.n_entries_, table.base_, keys.width());
  table.keys_ = table.complete_ ? PackedRows(keys.width()) : keys.select(kept);
}

TruthTable TableBuilder::finish() {
  if (parts_.empty())
    throw Error(ErrorKind::spec, "the table has no entries", where_,
                R"(write lines such as {"tokens":[0,1],"answer":1})");
  TruthTable out;
  out.vocab_size_ = Index(largest_token_) + 1;
  out.n_classes_ = Index(largest_target_) + 1;
  for (auto& [length, part] : parts_) {
    finish(part);
    out.tables_.emplace(length, std::move(part.table));
  }
  parts_.clear();
  return out;
}

}  // namespace separatrix
