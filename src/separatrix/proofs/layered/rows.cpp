#include "separatrix/proofs/layered/rows.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "separatrix/proofs/layered/leak.h"

namespace separatrix::layered {
namespace {

/// Coordinates by what they may depend on.
struct Roles {
  std::vector<bool> has_tokens, written, mixed, read_later;

  explicit Roles(const Network& net) {
    const Index D = net.D;
    const auto none = std::vector<bool>(std::size_t(D), false);
    has_tokens = written = none;
    mixed = read_by(net.last.v, D);  // with what is not the same in all inputs
    for (Index v = 0; v < net.V; ++v)
      for (Index d = 0; d < D; ++d)
        if (net.tokens(v, d) != 0) has_tokens[std::size_t(d)] = true;
    const auto add = [](std::vector<bool>& to, const std::vector<bool>& from) {
      for (std::size_t d = 0; d < to.size(); ++d) to[d] = to[d] || from[d];
    };
    const auto write = [&](const std::vector<Column>& columns, const std::vector<double>* bias) {
      for (std::size_t d = 0; d < columns.size(); ++d)
        if (!columns[d].empty() || (bias != nullptr && (*bias)[d] != 0)) written[d] = true;
    };
    if (net.first) write(net.first->o, nullptr);
    for (const MlpPart& mlp : net.middle) {
      write(mlp.out, &mlp.out_bias);
      add(mixed, read_by(mlp.in, D));
    }
    read_later = mixed;
    for (const auto* columns : {&net.last.q, &net.last.k, &net.last.v, &net.head})
      add(read_later, read_by(*columns, D));
    for (const MlpPart& mlp : net.top) add(read_later, read_by(mlp.in, D));
  }
  bool is_address(std::size_t d) const { return !has_tokens[d] && !written[d] && !mixed[d]; }
};

/// Positions of one class: the same kind and the same entries of the position table where it
/// counts.
class Classes {
 public:
  Classes(const Network& net, const Cover& cover, const Roles& roles) {
    std::map<std::vector<double>, Index> known;
    for (Index t = 0; t < net.T; ++t) {
      std::vector<double> key{double(cover.kind[std::size_t(t)])};
      for (Index d = 0; d < net.D; ++d)
        if (roles.read_later[std::size_t(d)] && !roles.is_address(std::size_t(d)))
          key.push_back(net.positions(t, d));
      const auto [at, fresh] = known.try_emplace(std::move(key), Index(first.size()));
      if (fresh) first.push_back(t);
      of.push_back(at->second);
    }
  }
  std::vector<Index> of;     ///< [T]
  std::vector<Index> first;  ///< a position of each
};

/// Values of the first attention for every token, [V][heads dv], and their hull over the tokens.
struct Values {
  std::vector<Box> of_token;
  Box hull;
  std::vector<double> absolute;  ///< sum of absolute terms, the largest over the tokens

  Values(const Network& net, const Numbers& numbers) {
    const auto& columns = net.first->v;
    absolute.assign(columns.size(), 0);
    for (Index v = 0; v < net.V; ++v) {
      Box x;
      for (Index d = 0; d < net.D; ++d) x.push_back(numbers.stored(FastInterval(net.tokens(v, d))));
      Box out;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto sum = numbers.dot(columns[i], x);
        out.push_back(numbers.stored(sum.value));
        absolute[i] = std::max(absolute[i], sum.absolute);
      }
      if (v == 0) hull = out;
      for (std::size_t i = 0; i < out.size(); ++i) hull[i] = separatrix::hull(hull[i], out[i]);
      of_token.push_back(std::move(out));
    }
  }
};

/// All of the first attention and the middle MLPs, for one class and view.
class RowMaker {
 public:
  RowMaker(const Network& net, const Numbers& numbers) : net_(net), numbers_(numbers) {
    if (net.first) values_.emplace(net, numbers);
  }

  Box row(Index position, const std::vector<Token>& view, const Shares* shares) const {
    Box x;
    for (Index d = 0; d < net_.D; ++d)
      x.push_back(numbers_.stored(FastInterval(net_.tokens(view.front(), d)) +
                                  FastInterval(net_.positions(position, d))));
    if (shares != nullptr) attend(view, *shares, x);
    for (const MlpPart& mlp : net_.middle) apply(mlp, numbers_, x);
    return x;
  }

 private:
  void attend(const std::vector<Token>& view, const Shares& shares, Box& x) const {
    const AttentionPart& a = *net_.first;
    Box context;
    for (Index h = 0; h < a.heads; ++h) {
      const HeadShares& head = shares.heads[std::size_t(h)];
      for (Index i = h * a.dv; i < (h + 1) * a.dv; ++i) {
        const auto at = std::size_t(i);
        FastInterval sum = FastInterval(0, head.rest) * values_->hull[at];
        for (std::size_t m = 0; m < view.size(); ++m)
          sum += head.window[m] * values_->of_token[std::size_t(view[m])][at];
        const double n = double(net_.T);
        const double relative =
            (1 + head.error) * (1 + numbers_.gamma(n + 2 * double(net_.D + a.dv) + 8)) - 1;
        const double error =
            relative * values_->absolute[at] * (1 + 0x1p-40) + (numbers_.real() ? 0 : n * 0x1p-80);
        context.push_back(numbers_.stored(sum + FastInterval(-error, error)));
      }
    }
    for (std::size_t d = 0; d < x.size(); ++d)
      if (!a.o[d].empty())
        x[d] = numbers_.stored(x[d] + numbers_.stored(numbers_.dot(a.o[d], context).value));
  }

  const Network& net_;
  const Numbers& numbers_;
  std::optional<Values> values_;
};

/// Why the first attention's weights would depend on the input.
std::string tokens_in_scores(const Network& net, const Roles& roles) {
  const AttentionPart& a = *net.first;
  const auto q = read_by(a.q, net.D), k = read_by(a.k, net.D), v = read_by(a.v, net.D);
  for (std::size_t d = 0; d < q.size(); ++d) {
    if (roles.has_tokens[d] && (q[d] || k[d]))
      return "the first attention's scores depend on tokens";
    for (Index t = 0; t < net.T && v[d]; ++t)
      if (net.positions(t, Index(d)) != 0) return "positions have values of their own";
  }
  return {};
}

}  // namespace

std::optional<Rows> rows_of(const Network& net, const Cover& cover, const Numbers& numbers,
                            std::string& why) {
  const Roles roles(net);
  std::vector<Shares> shares;  // per class
  const Classes classes(net, cover, roles);
  constexpr double kMaxEntries = 2e8;
  Rows rows;
  rows.class_of = classes.of;
  for (Index d = 0; d < net.D; ++d) {
    rows.is_address.push_back(roles.is_address(std::size_t(d)));
    if (!rows.is_address.back() && roles.read_later[std::size_t(d)]) rows.kept.push_back(d);
  }
  rows.address = Matrix(net.T, net.D);
  for (Index t = 0; t < net.T; ++t)
    for (Index d = 0; d < net.D; ++d)
      if (rows.is_address[std::size_t(d)])
        rows.address(t, d) = round_to(numbers.arithmetic(), net.positions(t, d));
  if (net.first) {
    why = tokens_in_scores(net, roles);
    if (!why.empty()) return std::nullopt;
    auto found = shares_of(net, cover, numbers, classes.of, Index(classes.first.size()), why);
    if (!found) return std::nullopt;
    shares = std::move(*found);
    for (const Shares& share : shares)
      for (const HeadShares& head : share.heads)
        rows.worst_leak = std::max(rows.worst_leak, head.rest);
  }
  double entries = 0;
  for (const Index t : classes.first)
    entries += double(cover.kinds[std::size_t(cover.kind[std::size_t(t)])].views.size()) *
               double(rows.kept.size());
  if (entries > kMaxEntries) {
    why = "its rows would take more than " + std::to_string(Index(kMaxEntries)) + " intervals";
    return std::nullopt;
  }
  const RowMaker maker(net, numbers);
  for (std::size_t c = 0; c < classes.first.size(); ++c) {
    const Index position = classes.first[c];
    rows.kind.push_back(cover.kind[std::size_t(position)]);
    std::vector<Box> boxes;
    for (const auto& view : cover.kinds[std::size_t(rows.kind.back())].views) {
      const Box row = maker.row(position, view, net.first ? &shares[c] : nullptr);
      Box kept;
      for (const Index d : rows.kept) kept.push_back(row[std::size_t(d)]);
      boxes.push_back(std::move(kept));
    }
    rows.view.push_back(std::move(boxes));
  }
  return rows;
}

}  // namespace separatrix::layered
