#include "separatrix/proofs/prefix_scan/counting.h"

#include <algorithm>
#include <cmath>

namespace separatrix::prefix_scan {

Box embedded(const Network& net, const Numbers& numbers, Index t, Token token) {
  Box x;
  for (Index d = 0; d < net.D; ++d)
    x.push_back(
        numbers.stored(FastInterval(net.tokens(token, d)) + FastInterval(net.positions(t, d))));
  return x;
}

std::optional<Counting> Counting::analyse(const DyckForm& form, const Network& net,
                                          const Numbers& numbers, std::string& why) {
  const AttentionPart& a = net.attention.front();
  // Every product that enters a score has the factor 0, in whatever order it is computed.
  for (std::size_t i = 0; i < a.q.size(); ++i)
    if (!a.q[i].empty() && !a.k[i].empty()) {
      why = "the first attention is not uniform";
      return std::nullopt;
    }
  Counting out(form, net, numbers);
  out.read_ = layered::read_by(a.v, net.D);
  why = "the first attention averages what depends on the position of a bracket";
  for (Index t = 1; t <= form.length; ++t)
    for (Index d = 0; d < net.D; ++d)
      if (out.read_[std::size_t(d)] && net.positions(t, d) != 0) return std::nullopt;
  // So a bracket's row has, where it is read, what position 1 says.
  std::vector<Box> rows;
  for (Token token = 0; token <= form.eos(); ++token) {
    const Index t = token == form.bos() ? 0 : token == form.eos() ? form.length + 1 : 1;
    rows.push_back(embedded(net, numbers, t, token));
  }
  for (Index d = 0; d < net.D; ++d) {
    out.inputs_.push_back(out.channel_of(rows, std::size_t(d)));
    if (out.read_[std::size_t(d)]) out.bound_partial_sums(out.inputs_.back());
  }
  for (Box& row : rows) row = products(a.v, row, numbers);
  for (std::size_t i = 0; i < a.v.size(); ++i) {
    out.values_.push_back(out.channel_of(rows, i));
    out.bound_partial_sums(out.values_.back());
  }
  why.clear();
  return out;
}

Counting::Channel Counting::channel_of(const std::vector<Box>& rows, std::size_t at) const {
  const auto of = [&](Token token) { return rows[std::size_t(token)][at]; };
  Channel c{.bos = of(form_.bos()), .open = of(0), .close = of(Token(form_.types)), .eos = {}};
  for (Token type = 1; type < form_.types; ++type) {
    c.open = hull(c.open, of(type));
    c.close = hull(c.close, of(Token(type + form_.types)));
  }
  c.eos = of(form_.eos());
  for (const FastInterval value : {c.bos, c.open, c.close, c.eos})
    c.largest = std::max(c.largest, value.magnitude());
  return c;
}

/// Of all prefixes that never went wrong.
void Counting::bound_partial_sums(Channel& channel) const {
  double largest = 0;
  for (Index t = 0; t <= form_.length + 1; ++t) {
    const Token token = t == 0 ? form_.bos() : t <= form_.length ? Token(0) : form_.eos();
    for (Index d = std::min(t, form_.length) % 2; d <= std::min(t, form_.limit); d += 2)
      largest = std::max(largest, sum(channel, {t, token, d}).magnitude());
    channel.partial.push_back(largest);
  }
}

FastInterval Counting::sum(const Channel& channel, const Prefix& prefix) const {
  const Index brackets = std::min(prefix.t, form_.length);
  const auto with = [&](Index opens) {
    FastInterval s =
        channel.bos + channel.open * double(opens) + channel.close * double(brackets - opens);
    return prefix.token == form_.eos() ? s + channel.eos : s;
  };
  if (prefix.depth) return with((brackets + *prefix.depth) / 2);
  return hull(with(0), with(brackets));
}

/// The weights are one number a each time, 1/(t+1) up to the sum, the quotient and the product; the
/// sum runs in the order of the positions, so that what it loses with each term is u times a
/// partial sum. docs/certificates.md.
FastInterval Counting::mean(const Channel& channel, const Prefix& prefix) const {
  const double n = double(prefix.t + 1);
  const FastInterval exact = sum(channel, prefix) / FastInterval(n);
  if (numbers_.real()) return exact;
  const double weight = numbers_.gamma(n + 2), chain = numbers_.gamma(n + 1);
  const auto t = std::size_t(prefix.t);
  double partial = n * channel.largest;
  if (prefix.depth) partial = std::max(channel.partial[t], sum(channel, prefix).magnitude());
  const double error =
      chain * (1 + chain) * (1 + weight) * (partial + channel.largest) / n + n * 0x1p-140;
  return exact * FastInterval(1 - weight, 1 + weight) + FastInterval(-error, error) * (1 + 0x1p-40);
}

Box Counting::row(const Prefix& prefix) const {
  const AttentionPart& a = net_.attention.front();
  Box context;
  for (const Channel& channel : values_) context.push_back(mean(channel, prefix));
  if (numbers_.arithmetic() == Arithmetic::float32) {  // the other way to compute it
    auto averages = Box(std::size_t(net_.D));
    for (std::size_t d = 0; d < averages.size(); ++d)
      if (read_[d]) averages[d] = mean(inputs_[d], prefix);
    join(context, products(a.v, averages, numbers_));
  }
  for (FastInterval& value : context) value = numbers_.stored(value);
  Box x = embedded(net_, numbers_, prefix.t, prefix.token);
  add_product(a.o, context, numbers_, x);
  for (const MlpPart& mlp : net_.mlps.front()) layered::apply(mlp, numbers_, x);
  return x;
}

}  // namespace separatrix::prefix_scan
