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

/// What tokens bring: their embeddings, and their values in the first attention.
class TokenBoxes {
 public:
  struct Boxes {
    Box embedding, values;  ///< [D], [heads dv]
  };
  TokenBoxes(const Network& net, const Numbers& numbers) : net_(net), numbers_(numbers) {
    if (net.first) absolute_.assign(net.first->v.size(), 0);
    everything_ = of({0, Token(net.V - 1)});
  }

  /// Hulls over a range.
  const Boxes& of(const Tokens& tokens) {
    const auto [at, fresh] = known_.try_emplace(tokens);
    if (!fresh) return at->second;
    for (Token v = tokens.first; v <= tokens.last; ++v) {
      const Boxes one = of_token(v);
      if (v == tokens.first) at->second = one;
      widen(at->second.embedding, one.embedding);
      widen(at->second.values, one.values);
    }
    return at->second;
  }
  const Box& any_values() const { return everything_.values; }
  /// Sums of absolute terms of the values, the largest over the tokens.
  double absolute(std::size_t at) const { return absolute_[at]; }

 private:
  Boxes of_token(Token v) {
    Boxes out;
    Box x;
    for (Index d = 0; d < net_.D; ++d) {
      out.embedding.emplace_back(net_.tokens(v, d));
      x.push_back(numbers_.stored(out.embedding.back()));
    }
    for (std::size_t i = 0; i < absolute_.size(); ++i) {
      const auto sum = numbers_.dot(net_.first->v[i], x);
      out.values.push_back(numbers_.stored(sum.value));
      absolute_[i] = std::max(absolute_[i], sum.absolute);
    }
    return out;
  }
  static void widen(Box& box, const Box& more) {
    for (std::size_t i = 0; i < box.size(); ++i) box[i] = hull(box[i], more[i]);
  }

  const Network& net_;
  const Numbers& numbers_;
  std::vector<double> absolute_;
  std::map<Tokens, Boxes> known_;
  Boxes everything_;
};

/// All of the first attention and the middle MLPs, for one class and view: the coordinates that are
/// read later.
class RowMaker {
 public:
  RowMaker(const Network& net, const std::vector<Index>& kept, const Numbers& numbers)
      : net_(net), kept_(kept), numbers_(numbers), tokens_(net, numbers) {}

  Box row(Index position, const View& view, const Shares* shares) {
    Box x;
    const Box& own = tokens_.of(view.front()).embedding;
    for (Index d = 0; d < net_.D; ++d)
      x.push_back(numbers_.stored(own[std::size_t(d)] + FastInterval(net_.positions(position, d))));
    if (shares != nullptr) attend(view, *shares, x);
    for (const MlpPart& mlp : net_.middle) apply(mlp, numbers_, x);
    Box kept;
    for (const Index d : kept_) kept.push_back(x[std::size_t(d)]);
    return kept;
  }

 private:
  void attend(const View& view, const Shares& shares, Box& x) {
    const AttentionPart& a = *net_.first;
    Box context;
    for (Index h = 0; h < a.heads; ++h) {
      const HeadShares& head = shares.heads[std::size_t(h)];
      for (Index i = h * a.dv; i < (h + 1) * a.dv; ++i) {
        const auto at = std::size_t(i);
        FastInterval sum = FastInterval(0, head.rest) * tokens_.any_values()[at];
        for (std::size_t m = 0; m < view.size(); ++m)
          sum += head.window[m] * tokens_.of(view[m]).values[at];
        const double error = numbers_.average_error(double(net_.T), double(net_.D + a.dv),
                                                    head.error, tokens_.absolute(at));
        context.push_back(numbers_.stored(sum + FastInterval(-error, error)));
      }
    }
    for (std::size_t d = 0; d < x.size(); ++d)
      if (!a.o[d].empty())
        x[d] = numbers_.stored(x[d] + numbers_.stored(numbers_.dot(a.o[d], context).value));
  }

  const Network& net_;
  const std::vector<Index>& kept_;
  const Numbers& numbers_;
  TokenBoxes tokens_;
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
  rows.kind.reserve(classes.first.size());
  for (const Index t : classes.first) rows.kind.push_back(cover.kind[std::size_t(t)]);
  double boxes = 0;
  for (const int kind : rows.kind)
    boxes += double(cover.kinds[std::size_t(kind)].views.size() + cover.askers.size() +
                    cover.read_outs.size());
  if (boxes * double(rows.kept.size()) > kMaxEntries) {
    why = "its rows would take more than " + std::to_string(Index(kMaxEntries)) + " intervals";
    return std::nullopt;
  }
  std::vector<bool> is_asked(classes.first.size(), false);
  for (const auto& positions : cover.asked)
    for (const Index t : positions) is_asked[std::size_t(classes.of[std::size_t(t)])] = true;
  RowMaker maker(net, rows.kept, numbers);
  for (std::size_t c = 0; c < classes.first.size(); ++c) {
    const auto make = [&](const View& view) {
      return maker.row(classes.first[c], view, net.first ? &shares[c] : nullptr);
    };
    auto &views = rows.view.emplace_back(), &askers = rows.asker.emplace_back(),
         &read_outs = rows.read_out.emplace_back();
    for (const View& view : cover.kinds[std::size_t(rows.kind[c])].views)
      views.push_back(make(view));
    if (is_asked[c])
      for (const View& view : cover.askers) askers.push_back(make(view));
    for (const ReadOut& r : cover.read_outs)
      read_outs.push_back(r.kind == rows.kind[c] ? make(r.view) : Box());
  }
  return rows;
}

}  // namespace separatrix::layered
