#include "separatrix/proofs/prefix_scan/looking.h"

#include <algorithm>
#include <cmath>

namespace separatrix::prefix_scan {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// log sum_i e^x_i as top + log(scaled), never below the true one.
class LogSum {
 public:
  void add(double x) {
    if (x == -kInfinity) return;
    if (top_ == -kInfinity) {
      scaled_ = 1;
      top_ = x;
    } else if (x > top_) {
      scaled_ = next_above(scaled_ * exp_up(next_above(top_ - x)) + 1);
      top_ = x;
    } else {
      scaled_ = next_above(scaled_ + exp_up(next_above(x - top_)));
    }
  }
  /// e^(log sum - y), rounded up.
  double over(double y) const {
    if (scaled_ == 0) return 0;
    return next_above(scaled_ * exp_up(next_above(top_ - y)));
  }

 private:
  double top_ = -kInfinity, scaled_ = 0;
};

/// Never forgets a NaN.
void raise(double& largest, double x) {
  if (!(x <= largest)) largest = x;
}

}  // namespace

double ratio_error(const Numbers& numbers, double terms, double magnitude) {
  if (numbers.real()) return 1;
  const double score = numbers.gamma(terms + 10) * magnitude;
  // Two scores; the differences to the maximum, rounded; two exponentials within 4 units each.
  return exp_up(2 * score + magnitude * 0x1p-20) * (1 + 0x1p-18);
}

double average_error(const Numbers& numbers, double n, double terms, double size) {
  // The sum of the weights, quotient, product, the sum of the values, projections around it; what
  // underflows.
  return numbers.gamma(2 * n + terms + 40) * size * (1 + 0x1p-40) +
         (numbers.real() ? 0 : n * 0x1p-120);
}

Rows::Rows(const DyckForm& form, const Network& net, const Numbers& numbers,
           const Counting& counting)
    : form_(form), a_(net.attention[1]), numbers_(numbers) {
  const Index N = form.length, n = form.types;
  keys_.resize(std::size_t((N + 2) * 2 * (form.limit + 1)));
  type_values.resize(std::size_t(n));
  query_sizes_.assign(a_.q.size(), 0);
  key_sizes_.assign(a_.k.size(), 0);
  input_sizes_.assign(std::size_t(net.D), 0);
  const auto visit = [&](const Prefix& prefix, std::map<Group, Box>& to) {
    add(prefix, counting.row(prefix), to);
  };
  visit({0, form.bos(), 0}, clean);
  for (Index t = 1; t <= N; ++t) {
    const Index before = form.deepest(t - 1), deepest = form.deepest(t);
    for (Index d = t % 2; d <= deepest; d += 2)
      for (Token type = 0; type < n; ++type) {
        if (d >= 1) visit({t, type, d}, clean);
        if (d + 1 <= before) visit({t, Token(type + n), d}, clean);
      }
    if (!form.recognise) continue;
    for (Token type = 0; type < n; ++type) {
      if (t % 2 == 1) visit({t, Token(type + n), -1}, too_far);
      if (before == form.limit && (t - 1 - before) % 2 == 0)
        visit({t, type, form.limit + 1}, too_far);
      for (const Token token : {type, Token(type + n)}) {
        const Box row = counting.row({t, token, std::nullopt});
        measure(row);
        join(anything, row);
      }
    }
  }
  if (form.recognise) {
    for (Index d = 0; d <= form.limit; d += 2) visit({N + 1, form.eos(), d}, clean);
    const Box row = counting.row({N + 1, form.eos(), std::nullopt});
    measure(row);
    join(anything, row);
  }
  finish();
}

void Rows::add(const Prefix& prefix, const Box& row, std::map<Group, Box>& to) {
  const Group group{prefix.token, *prefix.depth};
  measure(row);
  if (&to == &clean) {
    whole_ = whole_ && is_whole(row);
    add_key(prefix, row);
    join(queries[group], products(a_.q, row, numbers_));
    if (form_.opens(prefix.token))
      join(type_values[std::size_t(prefix.token)], products(a_.v, row, numbers_));
  }
  join(to[group], row);
}

void Rows::add_key(const Prefix& prefix, const Box& row) {
  if (prefix.token == form_.eos()) return;  // no later row sees it
  const int kind = form_.closes(prefix.token) ? 1 : 0;
  join(key(prefix.t, kind, *prefix.depth), products(a_.k, row, numbers_));
}

/// Sums of absolute terms, as bounds of rounding.
void Rows::measure(const Box& row) {
  join(values, products(a_.v, row, numbers_));
  const auto sizes = [&](const std::vector<Column>& columns, std::vector<double>& out) {
    for (std::size_t i = 0; i < columns.size(); ++i)
      out[i] = std::max(out[i], numbers_.dot(columns[i], row).absolute);
  };
  sizes(a_.q, query_sizes_);
  sizes(a_.k, key_sizes_);
  for (std::size_t d = 0; d < row.size(); ++d)
    input_sizes_[d] = std::max(input_sizes_[d], row[d].magnitude());
}

bool Rows::is_whole(const Box& row) const {
  for (const auto* columns : {&a_.q, &a_.k})
    for (const Column& column : *columns)
      for (const Entry& e : column) {
        const FastInterval& x = row[std::size_t(e.at)];
        if (!x.is_point() || x.lo != std::floor(x.lo) || e.weight != std::floor(e.weight))
          return false;
      }
  return true;
}

void Rows::finish() {
  std::size_t terms = 0;
  for (const auto* columns : {&a_.q, &a_.k, &a_.v})
    for (const Column& column : *columns) terms = std::max(terms, column.size());
  const double n = double(form_.length + 2), most = double(terms);
  double magnitude = 0;
  for (std::size_t i = 0; i < a_.q.size(); ++i)
    magnitude += a_.scale * query_sizes_[i] * key_sizes_[i] * (1 + 0x1p-40);
  // Whole numbers up to 2^24 in every product and sum, on both ways to compute a score.
  if (whole_ && a_.scale == 1 && magnitude <= 0x1p24) magnitude = 0;
  weight_error = ratio_error(numbers_, 2 * most + double(a_.dk), magnitude);
  for (const Column& column : a_.v) {
    double size = 0;
    for (const Entry& e : column) size += std::abs(e.weight) * input_sizes_[std::size_t(e.at)];
    const double error = average_error(numbers_, n, most, size);
    value_error.emplace_back(-error, error);
  }
}

std::optional<FastInterval> Rows::score(const Box& query, Index t, int kind, Index depth) const {
  const Box& key = keys_[std::size_t((t * 2 + kind) * (form_.limit + 1) + depth)];
  if (key.empty()) return std::nullopt;
  FastInterval sum;
  for (std::size_t i = 0; i < key.size(); ++i) sum += query[i] * key[i];
  return sum * a_.scale;
}

double leak(const DyckForm& form, const Rows& rows, const Box& query, const Group& asking,
            Index target) {
  LogSum before, between;
  double lost_before = 0, lost_between = 0, weakest = kInfinity;
  for (Index t = 0; t <= form.length; ++t) {
    double any = -kInfinity, other = -kInfinity;  // greatest scores of one row at t
    for (Index d = t % 2; d <= form.limit; d += 2)
      for (const int kind : {0, 1}) {
        const auto s = rows.score(query, t, kind, d);
        if (!s) continue;
        if (kind == 0 && d == target && t > 0) {
          weakest = std::min(weakest, s->lo);
          raise(lost_before, before.over(s->lo));
        }
        any = std::max(any, s->hi);
        if (d > target || (kind == 1 && d >= std::min(target, asking.depth)))
          other = std::max(other, s->hi);
      }
    before.add(any);
    between.add(other);
    if (weakest < kInfinity) raise(lost_between, between.over(weakest));
  }
  return (lost_before + lost_between) * rows.weight_error;
}

Box retrieved(const Box& target, const Box& others, double leak) {
  const double share = leak < kInfinity ? next_above(leak / next_below(1 + leak)) : 1;
  Box out;
  for (std::size_t i = 0; i < target.size(); ++i) {
    const FastInterval away = others[i] - target[i];
    const FastInterval pull = FastInterval(0, std::min(share, 1.0)) * hull(FastInterval(), away);
    out.push_back(target[i] + pull);
  }
  return out;
}

}  // namespace separatrix::prefix_scan
