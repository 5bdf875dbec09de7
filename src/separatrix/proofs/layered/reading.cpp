#include "separatrix/proofs/layered/reading.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "separatrix/base/parallel.h"

namespace separatrix::layered {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

Reading::Reading(const Network& net, const Cover& cover, const Rows& rows, const Numbers& numbers)
    : net_(net), cover_(cover), rows_(rows), numbers_(numbers) {
  first_.assign(rows.kind.size(), net.T);
  size_.assign(rows.kind.size(), 0);
  for (Index t = net.T; t-- > 0;) {
    const auto c = std::size_t(rows.class_of[std::size_t(t)]);
    first_[c] = t;
    ++size_[c];
  }
  project_rows();
  project_read_outs();
  head_ = Matrix(net.C, net.D);
  for (std::size_t c = 0; c < net.head.size(); ++c)
    for (const Entry& e : net.head[c]) head_(Index(c), e.at) = e.weight;
  // Positions at which the asked row is the same but for address coordinates that nobody reads.
  auto reads = read_by(net.head, net.D);
  for (std::size_t d = 0; d < reads.size(); ++d)
    if (reads[d]) head_reads_.push_back(d);
  const auto also = [&](const std::vector<Column>& columns) {
    const auto more = read_by(columns, net.D);
    for (std::size_t d = 0; d < reads.size(); ++d) reads[d] = reads[d] || more[d];
  };
  also(net.last.q);
  for (const MlpPart& mlp : net.top) also(mlp.in);
  for (const std::vector<Index>& list : cover.asked) {
    std::map<std::vector<double>, Index> last;
    for (const Index t : list) {
      std::vector<double> key{double(rows.class_of[std::size_t(t)])};
      for (Index d = 0; d < net.D; ++d)
        if (reads[std::size_t(d)] && rows.is_address[std::size_t(d)])
          key.push_back(rows.address(t, d));
      last[key] = t;
    }
    auto& group = groups_.emplace_back();
    for (const auto& [key, t] : last) group.push_back(t);
  }
}

/// Keys and values of every view, keys of every position.
void Reading::project_rows() {
  const AttentionPart& a = net_.last;
  const auto heads_dk = a.k.size(), heads_dv = a.v.size();
  std::vector<std::uint8_t> of_address(heads_dk, 0), of_view(heads_dk, 0);
  std::vector<Column> view_k(heads_dk), position_k(heads_dk);
  for (std::size_t i = 0; i < heads_dk; ++i)
    for (const Entry& e : a.k[i]) {
      const bool address = rows_.is_address[std::size_t(e.at)];
      (address ? position_k : view_k)[i].push_back(e);
      (address ? of_address : of_view)[i] = 1;
    }
  for (const Column& column : a.v)
    for (const Entry& e : column)
      if (rows_.is_address[std::size_t(e.at)]) obstacle_ = "positions have values of their own";
  for (const std::vector<Index>& list : cover_.asked)
    if (!a.causal && list.front() + 1 < net_.T)  // cases say nothing about what comes later
      obstacle_ = "an asked position sees later ones";
  for (std::size_t i = 0; i < heads_dk; ++i)
    if (of_address[i] != 0 && of_view[i] != 0 && is_emulated(numbers_.arithmetic()))
      obstacle_ = "a key reads positions and symbols in one coordinate";

  // float32: the kernels may never form keys, so nothing is stored here; score errors count later.
  const bool stores = is_emulated(numbers_.arithmetic());
  const Numbers exact(Arithmetic::real);
  const Numbers& how = stores ? numbers_ : exact;
  key_terms_.assign(heads_dk, 0);
  key_grid_.assign(heads_dk, kInfinity);
  value_terms_.assign(heads_dv, 0);
  std::vector<double> position_terms(heads_dk, 0);
  const auto follow = [&](const Column& column, std::size_t i, const Box& x, double& terms) {
    const auto sum = how.dot(column, x);
    terms = std::max(terms, sum.absolute);
    for (const Entry& e : column) {
      const FastInterval& in = x[std::size_t(e.at)];
      key_grid_[i] = in.is_point() ? std::min(key_grid_[i], lowest_bit(in.lo * e.weight)) : 0;
    }
    return stores ? numbers_.stored(sum.value) : sum.value;
  };
  for (std::size_t c = 0; c < rows_.kind.size(); ++c) {
    auto &keys = keys_.emplace_back(), &values = values_.emplace_back();
    for (std::size_t w = 0; w < rows_.view[c].size(); ++w) {
      const Box x = rows_.whole(rows_.view[c][w], first_[c], net_.D);
      Box k;
      for (std::size_t i = 0; i < heads_dk; ++i)
        k.push_back(follow(view_k[i], i, x, key_terms_[i]));
      Box v = values_of(x);
      if (any_value_.empty()) any_value_ = v;
      for (std::size_t i = 0; i < heads_dv; ++i) any_value_[i] = hull(any_value_[i], v[i]);
      keys.push_back(std::move(k));
      values.push_back(std::move(v));
    }
  }
  position_keys_ = Matrix(net_.T, Index(heads_dk));
  auto address = Box(static_cast<std::size_t>(net_.D));
  for (Index t = 0; t < net_.T; ++t) {
    for (Index d = 0; d < net_.D; ++d) address[std::size_t(d)] = FastInterval(rows_.address(t, d));
    for (std::size_t i = 0; i < heads_dk; ++i) {
      if (position_k[i].empty()) continue;
      if (t == 0) addressed_.push_back(i);
      const FastInterval k = follow(position_k[i], i, address, position_terms[i]);
      if (!k.is_point()) obstacle_ = "the address of a position is not exact";
      position_keys_(t, Index(i)) = k.lo;
    }
  }
  for (std::size_t i = 0; i < heads_dk; ++i) key_terms_[i] += position_terms[i];
}

Box Reading::values_of(const Box& x) {
  const Numbers exact(Arithmetic::real);
  Box out;
  for (std::size_t i = 0; i < net_.last.v.size(); ++i) {
    const auto sum = numbers_.dot(net_.last.v[i], x);
    value_terms_[i] = std::max(value_terms_[i], sum.absolute);
    out.push_back(is_emulated(numbers_.arithmetic()) ? numbers_.stored(sum.value)
                                                     : exact.dot(net_.last.v[i], x).value);
  }
  return out;
}

/// Values of every read-out.
void Reading::project_read_outs() {
  for (std::size_t c = 0; c < rows_.read_out.size(); ++c)
    for (std::size_t r = 0; r < rows_.read_out[c].size(); ++r) {
      if (rows_.read_out[c][r].empty()) continue;
      const Box v = values_of(rows_.whole(rows_.read_out[c][r], first_[c], net_.D));
      Box& known = answer_values_.try_emplace(cover_.read_outs[r].answer, v).first->second;
      for (std::size_t i = 0; i < v.size(); ++i) known[i] = hull(known[i], v[i]);
    }
}

Reading::Query Reading::query_of(Index position, std::size_t asker) const {
  const auto c = std::size_t(rows_.class_of[std::size_t(position)]);
  Query query{.position = position};
  query.row = rows_.whole(rows_.asker[c][asker], position, net_.D);
  const bool stores = is_emulated(numbers_.arithmetic());
  const Numbers exact(Arithmetic::real);
  for (Index h = 0; h < net_.last.heads; ++h) {
    std::vector<Projection> q;
    for (Index i = h * net_.last.dk; i < (h + 1) * net_.last.dk; ++i) {
      const auto sum = (stores ? numbers_ : exact).dot(net_.last.q[std::size_t(i)], query.row);
      Projection& to = q.emplace_back();
      to = {stores ? numbers_.stored(sum.value) : sum.value, sum.absolute, kInfinity};
      if (stores) to.grid = lowest_bit(to.value.lo);
      for (const Entry& e : net_.last.q[std::size_t(i)])
        if (const FastInterval& in = query.row[std::size_t(e.at)]; !stores)
          to.grid = in.is_point() ? std::min(to.grid, lowest_bit(in.lo * e.weight)) : 0;
      if (!to.value.is_point()) to.grid = 0;
    }
    query.heads.push_back(scores_of(q, h));
  }
  return query;
}

Reading::Head Reading::scores_of(const std::vector<Projection>& q, Index head) const {
  const AttentionPart& a = net_.last;
  const auto first = std::size_t(head * a.dk);
  Head out;
  // Exact: all terms of q and of all keys are known, and multiples of one power of two that 24 bits
  // reach, so no order of the sums loses anything.
  double magnitude = 0, full = 0, grid = is_power_of_two(a.scale) ? kInfinity : 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    magnitude += q[i].value.magnitude() * key_terms_[first + i];
    full += q[i].terms * key_terms_[first + i];
    const bool matters = q[i].terms > 0 && key_terms_[first + i] > 0;
    if (matters) grid = std::min(grid, q[i].grid * key_grid_[first + i]);
  }
  const bool exact = 2 * std::max(magnitude, full) <= 0x1p24 * grid;
  out.exact = exact && !numbers_.real();
  const double terms = double(2 * net_.D + a.dk) + 10;
  const double error = exact ? 0 : numbers_.gamma(terms) * full * a.scale * 2;
  out.error = numbers_.softmax_error(double(net_.T), error, full * a.scale);

  for (const auto& views : keys_) {
    auto& scores = out.view.emplace_back();
    for (const Box& key : views) {
      FastInterval sum;
      for (std::size_t i = 0; i < q.size(); ++i)
        if (q[i].value.magnitude() > 0) sum += q[i].value * key[first + i];
      scores.push_back(sum * a.scale);
    }
  }
  bool flat = true;
  for (Index t = 0; t < net_.T; ++t) {
    FastInterval sum;
    for (const std::size_t i : addressed_)
      if (i >= first && i < first + q.size())
        sum += q[i - first].value * position_keys_(t, Index(i));
    out.position.push_back(sum * a.scale);
    flat =
        flat && out.position.back().is_point() && out.position.back().lo == out.position.front().lo;
  }
  if (flat) out.position.resize(1);
  return out;
}

/// The row that the head reads.
Box Reading::answered(const Box& row, const Box& context) const {
  Box x = row;
  for (std::size_t d = 0; d < x.size(); ++d)
    if (!net_.last.o[d].empty())
      x[d] = numbers_.stored(x[d] + numbers_.stored(numbers_.dot(net_.last.o[d], context).value));
  for (const MlpPart& mlp : net_.top) apply(mlp, numbers_, x);
  return x;
}

/// |computed - exact logit| of every class.
std::vector<double> Reading::losses(const Box& x) const {
  std::vector<double> out;
  for (std::size_t c = 0; c < net_.head.size(); ++c) {
    const auto sum = numbers_.dot(net_.head[c], x, net_.head_bias[c]);
    out.push_back(sum.error);
    if (is_emulated(numbers_.arithmetic()))
      out.back() += numbers_.store_error(sum.value.magnitude());
  }
  return out;
}

/// Of the answer's logit over all others, on a row that the head reads.
double Reading::lead(const Box& x, const std::vector<double>& losses, Token answer) const {
  const auto y = std::size_t(answer);
  double margin = kInfinity;
  for (std::size_t c = 0; c < net_.head.size(); ++c) {
    if (c == y) continue;
    FastInterval sum = FastInterval(net_.head_bias[y]) - FastInterval(net_.head_bias[c]);
    for (const std::size_t d : head_reads_)
      if (const double a = head_(Index(y), Index(d)), b = head_(Index(c), Index(d)); a != b)
        sum += x[d] * (FastInterval(a) - FastInterval(b));
    const double least = sum.lo - (losses[y] + losses[c]) * (1 + 0x1p-40);
    if (std::isnan(least)) return -kInfinity;
    margin = std::min(margin, least);
  }
  return margin;
}

std::vector<Reading::Query> Reading::queries(const Case& entry) const {
  std::vector<Query> out;
  for (const Index position : groups_[entry.asked]) {
    Query& query = out.emplace_back(query_of(position, entry.asker));
    if (entry.shape != Case::Shape::counted) continue;
    for (std::size_t at = 0; at < net_.last.v.size(); ++at)
      query.exact.push_back(exact_average(query, query.heads[at / std::size_t(net_.last.dv)], at));
  }
  return out;
}

/// Whether the asked row can look like that in this case at all.
bool Reading::can_ask(const Case& entry, Index position) const {
  if (entry.shape == Case::Shape::counted) return true;
  const Masks masks = masks_of(entry);
  const auto kind = std::size_t(cover_.kind[std::size_t(position)]);
  const View& asker = cover_.askers[entry.asker];
  const std::vector<View>& views = cover_.kinds[kind].views;
  for (std::size_t w = 0; w < views.size(); ++w) {
    if ((*masks.target)[kind][w] == 0 && (*masks.after)[kind][w] == 0) continue;
    bool meet = true;
    for (std::size_t i = 0; i < asker.size(); ++i) meet = meet && asker[i].meets(views[w][i]);
    if (meet) return true;
  }
  return false;
}

/// |computed - exact average|.
double Reading::context_error(const Query& query, Index head, std::size_t at) const {
  return numbers_.average_error(double(net_.T), double(net_.D + net_.last.dv),
                                query.heads[std::size_t(head)].error, value_terms_[at]);
}

/// As it is stored.
FastInterval Reading::context_of(const Case& entry, const Query& query, std::size_t at,
                                 double leak) const {
  if (!query.exact.empty() && query.exact[at])
    if (const auto known = query.exact[at]->of(entry.count))
      return numbers_.stored(FastInterval(*known));
  const Index head = Index(at) / net_.last.dv;
  const double error = context_error(query, head, at);
  return numbers_.stored(context_at(entry, query, head, at, leak) + FastInterval(-error, error));
}

double Reading::margin(const Case& entry, const std::vector<Query>& queries) const {
  const AttentionPart& a = net_.last;
  double margin = kInfinity;
  for (const Query& query : queries) {
    if (!can_ask(entry, query.position)) continue;
    Box context;
    for (Index h = 0; h < a.heads; ++h) {
      const Head& head = query.heads[std::size_t(h)];
      const double leak = entry.shape == Case::Shape::target ? largest_leak(entry, query, head) : 0;
      for (Index i = h * a.dv; i < (h + 1) * a.dv; ++i)
        context.push_back(context_of(entry, query, std::size_t(i), leak));
    }
    const Box x = answered(query.row, context);
    margin = std::min(margin, lead(x, losses(x), entry.answer));
  }
  return margin;
}

void Reading::Pool::join(const Pool& other) {
  if (other.row.empty()) return;
  if (row.empty()) *this = other;
  for (std::size_t d = 0; d < row.size(); ++d) row[d] = hull(row[d], other.row[d]);
  const auto larger = [](std::vector<double>& mine, const std::vector<double>& theirs) {
    for (std::size_t i = 0; i < mine.size(); ++i) mine[i] = std::max(mine[i], theirs[i]);
  };
  larger(leak, other.leak);
  larger(context_error, other.context_error);
}

Reading::Pool Reading::pool(const Case& entry, const std::vector<Query>& queries) const {
  const AttentionPart& a = net_.last;
  Pool out;
  for (const Query& query : queries) {
    if (!can_ask(entry, query.position)) continue;
    Pool one{.row = query.row};
    for (Index h = 0; h < a.heads; ++h) {
      one.leak.push_back(largest_leak(entry, query, query.heads[std::size_t(h)]));
      for (Index i = h * a.dv; i < (h + 1) * a.dv; ++i)
        one.context_error.push_back(context_error(query, h, std::size_t(i)));
    }
    out.join(one);
  }
  return out;
}

double Reading::margin(const Pool& pool, int threads) const {
  std::vector<Token> answers;
  std::vector<Box> rows;
  Box any;
  for (const auto& [answer, values] : answer_values_) {
    Box context;
    for (std::size_t at = 0; at < values.size(); ++at) {
      const double leak = pool.leak[at / std::size_t(net_.last.dv)];
      const double error = pool.context_error[at];
      const FastInterval average = mix(values[at], any_value_[at], leak);
      context.push_back(numbers_.stored(average + FastInterval(-error, error)));
    }
    answers.push_back(answer);
    rows.push_back(answered(pool.row, context));
    if (any.empty()) any = rows.back();
    for (std::size_t d = 0; d < any.size(); ++d) any[d] = hull(any[d], rows.back()[d]);
  }
  const std::vector<double> lost = losses(any);
  std::vector<double> margins(answers.size());
  parallel_for(threads, Index(answers.size()), [&](std::size_t /*worker*/, Index i) {
    margins[std::size_t(i)] = lead(rows[std::size_t(i)], lost, answers[std::size_t(i)]);
  });
  return *std::min_element(margins.begin(), margins.end());
}

}  // namespace separatrix::layered
