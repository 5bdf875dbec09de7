#include "separatrix/proofs/layered/reading.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>

namespace separatrix::layered {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// log(e^x + e^y), rounded up.
double log_add(double x, double y) {
  if (x < y) std::swap(x, y);
  if (y == -kInfinity) return x;
  constexpr double kFar = 42;  // e^-42 < 2^-60
  if (x - y > kFar) return x + std::abs(x) * 0x1p-51 + 0x1p-59;
  return x + std::log1p(std::exp(y - x)) * (1 + 0x1p-48) + std::abs(x) * 0x1p-51 + 0x1p-60;
}

bool is_power_of_two(double x) {
  int exponent = 0;
  return std::frexp(x, &exponent) == 0.5;
}

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
  head_ = Matrix(net.C, net.D);
  for (std::size_t c = 0; c < net.head.size(); ++c)
    for (const Entry& e : net.head[c]) head_(Index(c), e.at) = e.weight;
  // Positions at which the asked row is the same but for address coordinates that nobody reads.
  auto reads = read_by(net.last.q, net.D);
  for (const auto* columns : {&net.head}) {
    const auto more = read_by(*columns, net.D);
    for (std::size_t d = 0; d < reads.size(); ++d) reads[d] = reads[d] || more[d];
  }
  for (const MlpPart& mlp : net.top) {
    const auto more = read_by(mlp.in, net.D);
    for (std::size_t d = 0; d < reads.size(); ++d) reads[d] = reads[d] || more[d];
  }
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
      const Box x = rows_.row(Index(c), w, first_[c], net_.D);
      Box k, v;
      for (std::size_t i = 0; i < heads_dk; ++i)
        k.push_back(follow(view_k[i], i, x, key_terms_[i]));
      for (std::size_t i = 0; i < heads_dv; ++i) {
        const auto sum = numbers_.dot(a.v[i], x);
        value_terms_[i] = std::max(value_terms_[i], sum.absolute);
        v.push_back(stores ? numbers_.stored(sum.value) : how.dot(a.v[i], x).value);
      }
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

Reading::Query Reading::query_of(Index position, const std::vector<std::uint8_t>& views) const {
  const auto c = rows_.class_of[std::size_t(position)];
  Query query{.position = position};
  for (std::size_t w = 0; w < views.size(); ++w) {
    if (views[w] == 0) continue;
    const Box row = rows_.row(c, w, position, net_.D);
    if (query.row.empty()) query.row = row;
    for (std::size_t d = 0; d < row.size(); ++d) query.row[d] = hull(query.row[d], row[d]);
  }
  if (query.row.empty()) return query;
  const bool stores = is_emulated(numbers_.arithmetic());
  const Numbers exact(Arithmetic::real);
  for (Index h = 0; h < net_.last.heads; ++h) {
    Box q, terms;
    for (Index i = h * net_.last.dk; i < (h + 1) * net_.last.dk; ++i) {
      const auto sum = (stores ? numbers_ : exact).dot(net_.last.q[std::size_t(i)], query.row);
      q.push_back(stores ? numbers_.stored(sum.value) : sum.value);
      terms.emplace_back(sum.absolute);
    }
    query.heads.push_back(scores_of(q, terms, h));
  }
  return query;
}

Reading::Head Reading::scores_of(const Box& q, const Box& q_terms, Index head) const {
  const AttentionPart& a = net_.last;
  const auto first = std::size_t(head * a.dk);
  Head out;
  // Exact: q and all keys are points whose products are multiples of one power of two that 24 bits
  // reach, so no order of the sums loses anything.
  double magnitude = 0, full = 0, grid = is_power_of_two(a.scale) ? kInfinity : 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    magnitude += q[i].magnitude() * key_terms_[first + i];
    full += q_terms[i].hi * key_terms_[first + i];
    const bool matters = q[i].magnitude() > 0 && key_terms_[first + i] > 0;
    if (matters)
      grid = q[i].is_point() ? std::min(grid, lowest_bit(q[i].lo) * key_grid_[first + i]) : 0;
  }
  const bool exact = 2 * std::max(magnitude, full) <= 0x1p24 * grid;
  const double terms = double(2 * net_.D + a.dk) + 10;
  const double error = exact ? 0 : numbers_.gamma(terms) * full * a.scale * 2;
  out.error = share_error(numbers_, double(net_.T), error, full * a.scale);

  for (const auto& views : keys_) {
    auto& scores = out.view.emplace_back();
    for (const Box& key : views) {
      FastInterval sum;
      for (std::size_t i = 0; i < q.size(); ++i)
        if (q[i].lo != 0 || q[i].hi != 0) sum += q[i] * key[first + i];
      scores.push_back(sum * a.scale);
    }
  }
  bool flat = true;
  for (Index t = 0; t < net_.T; ++t) {
    FastInterval sum;
    for (const std::size_t i : addressed_)
      if (i >= first && i < first + q.size()) sum += q[i - first] * position_keys_(t, Index(i));
    out.position.push_back(sum * a.scale);
    flat =
        flat && out.position.back().is_point() && out.position.back().lo == out.position.front().lo;
  }
  if (flat) out.position.resize(1);
  return out;
}

Reading::Masks Reading::masks_of(const Case& entry) const {
  const bool target = entry.shape == Case::Shape::target;
  return {&cover_.masks[entry.before], &cover_.masks[target ? entry.target : entry.before],
          &cover_.masks[target ? entry.after : entry.before]};
}

double Reading::largest_leak(const Case& entry, const Query& query, const Head& head,
                             const Gains& log_gain) const {
  const Masks masks = masks_of(entry);
  const std::size_t n = rows_.kind.size();
  std::vector<double> before(n, -kInfinity), after(n, -kInfinity), target(n, kInfinity);
  for (std::size_t c = 0; c < n; ++c) {
    const auto kind = std::size_t(rows_.kind[c]);
    for (std::size_t w = 0; w < head.view[c].size(); ++w) {
      const FastInterval& score = head.view[c][w];
      const double most = log_gain.empty() ? score.hi : next_above(score.hi + log_gain[c][w]);
      if ((*masks.before)[kind][w] != 0) before[c] = std::max(before[c], most);
      if ((*masks.after)[kind][w] != 0) after[c] = std::max(after[c], most);
      if ((*masks.target)[kind][w] != 0) target[c] = std::min(target[c], score.lo);
    }
  }
  const Index n_visible = visible(query), last = std::min(n_visible - 1, query.position);
  const auto is_place = [&](Index i) {
    return target[std::size_t(rows_.class_of[std::size_t(i)])] < kInfinity &&
           (!entry.at || *entry.at == i);
  };
  double worst = 0;
  const bool flat = head.position.size() == 1;
  if (flat && masks.before == masks.after && !entry.at) {  // all places of a class are alike
    for (std::size_t c = 0; c < n; ++c) {
      if (target[c] == kInfinity || !present(c, query)) continue;
      double leak = 0;
      for (std::size_t o = 0; o < n; ++o)
        if (const double count = double(size_[o] - (o == c ? 1 : 0)); count > 0)
          leak += count * exp_up(before[o] - target[c]);
      worst = std::max(worst, leak * (1 + double(n + 4) * 0x1p-50));
    }
    return worst;
  }
  const auto score_at = [&](Index t) { return head.position[flat ? 0 : std::size_t(t)]; };
  std::vector<double> behind(std::size_t(n_visible) + 1, -kInfinity);  // log of what comes after i
  for (Index j = n_visible - 1; j > 0; --j) {
    const auto c = std::size_t(rows_.class_of[std::size_t(j)]);
    behind[std::size_t(j - 1)] = log_add(behind[std::size_t(j)], after[c] + score_at(j).hi);
  }
  double ahead = -kInfinity;
  for (Index i = 0; i <= last; ++i) {
    const auto c = std::size_t(rows_.class_of[std::size_t(i)]);
    if (is_place(i)) {
      const double all = log_add(ahead, behind[std::size_t(i)]);
      const double own = score_at(i).lo + target[c];
      worst = std::max(worst, exp_up(all - own + (std::abs(all) + std::abs(own)) * 0x1p-50));
    }
    ahead = log_add(ahead, before[c] + score_at(i).hi);
  }
  return worst;
}

FastInterval Reading::value_hull(const Mask& mask, const Query& query, std::size_t at) const {
  bool any = false;
  FastInterval out;
  for (std::size_t c = 0; c < values_.size(); ++c) {
    if (!present(c, query)) continue;
    const auto& allowed = mask[std::size_t(rows_.kind[c])];
    for (std::size_t w = 0; w < allowed.size(); ++w)
      if (allowed[w] != 0) {
        out = any ? hull(out, values_[c][w][at]) : values_[c][w][at];
        any = true;
      }
  }
  return out;
}

/// a target + (1 - a) rest with 1 / (1 + leak) <= a <= 1: an average between two ends.
FastInterval Reading::context_at(const Case& entry, const Query& query, Index head, std::size_t at,
                                 double leak) const {
  if (entry.shape == Case::Shape::counted)
    return counted_at(entry, query, query.heads[std::size_t(head)], at);
  const Masks masks = masks_of(entry);
  const FastInterval sides =
      hull(value_hull(*masks.before, query, at), value_hull(*masks.after, query, at));
  if (entry.shape == Case::Shape::none) return sides;
  const FastInterval target = value_hull(*masks.target, query, at);
  const double share = next_below(1 / next_above(1 + leak));
  const FastInterval mixed =
      target * FastInterval(share) + sides * (FastInterval(1) - FastInterval(share));
  const FastInterval average = hull(target, mixed);
  constexpr double kLittle = 0.05;
  if (leak < kLittle) return average;
  const Head& of = query.heads[std::size_t(head)];
  const double low = sharpened(entry, query, of, at, +1),
               high = -sharpened(entry, query, of, at, -1);
  return {std::max(average.lo, low), std::min(average.hi, high)};
}

/// Certificate B: with side = +1 a lower bound theta on the average, with -1 one on minus it. The
/// average is at least theta if
///     e_i (v_i - theta)  >=  sum_{j != i} max over views of e_j (theta - v_j),
/// where views of at least that value take nothing away.
double Reading::sharpened(const Case& entry, const Query& query, const Head& head, std::size_t at,
                          int side) const {
  const auto least = [&](const FastInterval& v) { return side > 0 ? v.lo : -v.hi; };
  const Masks masks = masks_of(entry);
  const double top = least(value_hull(*masks.target, query, at));
  double high = top;
  double low = std::min({high, least(value_hull(*masks.before, query, at)),
                         least(value_hull(*masks.after, query, at))});
  const auto holds = [&](double theta) {
    Gains gains;
    for (const auto& views : values_) {
      auto& of_class = gains.emplace_back();
      for (const Box& view : views) {
        const double loss = next_above(theta - least(view[at]));
        of_class.push_back(loss > 0 ? std::log(loss) + 0x1p-40 : -kInfinity);
      }
    }
    return largest_leak(entry, query, head, gains) <= next_below(top - theta);
  };
  constexpr int kSteps = 24;
  for (int step = 0; step < kSteps; ++step) {
    const double middle = low / 2 + high / 2;
    (middle < top && holds(middle) ? low : high) = middle;
  }
  return low;
}

/// The places with the largest score of their position divide the weight among themselves evenly,
/// but for the width w of the other part of the scores: each of n gets between e^-w / n and e^w / n
/// of what is not lost to other places. So the average of values that are affine in the views'
/// counts is affine in the sum of the counts.
FastInterval Reading::counted_at(const Case& entry, const Query& query, const Head& head,
                                 std::size_t at) const {
  const bool flat = head.position.size() == 1;
  const Index n_visible = visible(query);
  assert(cover_.asked[entry.asked].size() == 1);
  double top = -kInfinity, n = 0, lost = 0;
  for (Index t = 0; t < n_visible; ++t) {
    const FastInterval& score = head.position[flat ? 0 : std::size_t(t)];
    if (!score.is_point()) return FastInterval::whole();
    top = std::max(top, score.lo);
  }
  std::vector<bool> hosts(values_.size(), false);
  double low = kInfinity, high = -kInfinity, base = 0, slope = 0, largest = 0, off = 0;
  for (const auto& views : head.view)
    for (const FastInterval& score : views) {
      low = std::min(low, score.lo);
      high = std::max(high, score.hi);
    }
  for (Index t = 0; t < n_visible; ++t) {
    const double score = head.position[flat ? 0 : std::size_t(t)].lo;
    const auto c = std::size_t(rows_.class_of[std::size_t(t)]);
    if (score == top) {
      hosts[c] = true;
      ++n;
    } else {
      lost += exp_up(score - top + high - low);
      for (const Index weight : cover_.weights[std::size_t(rows_.kind[c])])
        if (weight != 0) return FastInterval::whole();  // its count would be lost
    }
  }
  const auto weight_of = [&](std::size_t c, std::size_t w) {
    return double(cover_.weights[std::size_t(rows_.kind[c])][w]);
  };
  const auto for_hosts = [&](const auto& visit) {
    for (std::size_t c = 0; c < values_.size(); ++c)
      for (std::size_t w = 0; w < values_[c].size(); ++w) {
        largest = std::max(largest, values_[c][w][at].magnitude());
        if (hosts[c]) visit(values_[c][w][at], weight_of(c, w));
      }
  };
  for_hosts([&](FastInterval v, double weight) {
    if (weight == 0) base = v.lo / 2 + v.hi / 2;
  });
  for_hosts([&](FastInterval v, double weight) {
    if (weight != 0) slope = ((v.lo + v.hi) / 2 - base) / weight;
  });
  for_hosts([&](FastInterval v, double weight) {
    off = std::max(off, (v - (FastInterval(slope) * weight + FastInterval(base))).magnitude());
  });
  const double uneven = next_above(std::expm1(next_above(high - low)) * (1 + 0x1p-48));
  const double radius = next_above(off + (uneven + 2 * lost) * largest) * (1 + 0x1p-40);
  return FastInterval(slope) * (FastInterval(double(entry.count)) / FastInterval(n)) +
         FastInterval(base) + FastInterval(-radius, radius);
}

double Reading::decide(const Query& query, const Box& context, Token answer) const {
  Box x = query.row;
  for (std::size_t d = 0; d < x.size(); ++d)
    if (!net_.last.o[d].empty())
      x[d] = numbers_.stored(x[d] + numbers_.stored(numbers_.dot(net_.last.o[d], context).value));
  for (const MlpPart& mlp : net_.top) apply(mlp, numbers_, x);
  const auto y = std::size_t(answer);
  const auto logit = [&](std::size_t c) {
    return numbers_.dot(net_.head[c], x, net_.head_bias[c]);
  };
  const auto own = logit(y);
  double margin = kInfinity;
  const auto loss = [&](const Numbers::Sum& sum) {
    return sum.error +
           (is_emulated(numbers_.arithmetic()) ? numbers_.store_error(sum.value.magnitude()) : 0);
  };
  for (std::size_t c = 0; c < net_.head.size(); ++c) {
    if (c == y) continue;
    FastInterval sum = FastInterval(net_.head_bias[y]) - FastInterval(net_.head_bias[c]);
    for (std::size_t d = 0; d < x.size(); ++d)
      if (const double a = head_(Index(y), Index(d)), b = head_(Index(c), Index(d)); a != b)
        sum += x[d] * (FastInterval(a) - FastInterval(b));
    const double least = sum.lo - (loss(own) + loss(logit(c))) * (1 + 0x1p-40);
    if (!(least >= margin)) margin = least;
  }
  return std::isnan(margin) ? -kInfinity : margin;
}

std::vector<Reading::Query> Reading::queries(const Case& entry) const {
  std::vector<Query> out;
  for (const Index position : groups_[entry.asked]) {
    out.push_back(query_of(position, entry.asked_views));
    if (out.back().row.empty()) out.pop_back();  // no input asks like that
  }
  return out;
}

/// Whether the asked row can have one of its views in this case at all.
bool Reading::can_ask(const Case& entry, Index position) const {
  const Masks masks = masks_of(entry);
  const auto kind = std::size_t(cover_.kind[std::size_t(position)]);
  for (std::size_t w = 0; w < entry.asked_views.size(); ++w)
    if (entry.asked_views[w] != 0 &&
        (entry.shape == Case::Shape::counted || (*masks.target)[kind][w] != 0 ||
         (*masks.after)[kind][w] != 0))
      return true;
  return false;
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
      for (Index i = h * a.dv; i < (h + 1) * a.dv; ++i) {
        const auto at = std::size_t(i);
        const double n = double(net_.T);
        const double relative =
            (1 + head.error) * (1 + numbers_.gamma(n + 2 * double(net_.D + a.dv) + 8)) - 1;
        const double error = relative * value_terms_[at] * (1 + 0x1p-40) +
                             (numbers_.real() ? 0 : n * 0x1p-80 * (1 + value_terms_[at]));
        const FastInterval average = context_at(entry, query, h, at, leak);
        context.push_back(numbers_.stored(average + FastInterval(-error, error)));
      }
    }
    margin = std::min(margin, decide(query, context, entry.answer));
  }
  return margin;
}

}  // namespace separatrix::layered
