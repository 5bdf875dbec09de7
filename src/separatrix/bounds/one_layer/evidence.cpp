#include "separatrix/bounds/one_layer/evidence.h"

#include <algorithm>
#include <bit>

#include "separatrix/base/error.h"

namespace separatrix::one_layer {

Index one_layer_tokens(const BoundRequest& request) {
  return request.task.info(request.length).n_tokens - 1;
}

Index one_layer_answer_bits(const BoundRequest& request) {
  const Index classes = request.task.info(request.length).n_classes;
  return classes <= 2 ? 1 : Index(std::bit_width(std::uint64_t(classes - 1)));
}

double estimated_instances(const BoundRequest& request) {
  std::vector<Token> tokens(std::size_t(one_layer_tokens(request) + 1));
  Rng rng(0, RngUse::search);
  request.task.sample(rng, tokens);
  double out = 1;
  for (std::size_t t = 0; t < tokens.size() && out < 1e30; ++t)
    out *= double(request.task.legal_next(std::span(tokens).first(t), request.length).size());
  return out;
}

namespace {

/// Alice's positions, however the witness writes them.
std::vector<Index> alice_of(const Evidence& evidence) {
  const Json& alice = evidence.witness.at("alice");
  if (alice.is_array()) return alice.get<std::vector<Index>>();
  std::vector<Index> out;
  const Index first = alice.at("first"), step = alice.at("step"), count = alice.at("count");
  for (Index i = 0; i < count; ++i) out.push_back(first + i * step);
  return out;
}

}  // namespace

std::vector<Evidence> one_layer_evidence(const BoundRequest& request, Measure measure) {
  constexpr double kFewInstances = 0x1p16;
  std::vector<Evidence> out = closed_one_layer(request, measure);
  if (!out.empty() && estimated_instances(request) > kFewInstances) return out;
  for (Evidence& found : search_one_layer(request, measure)) {
    const std::vector<Index> alice = alice_of(found);
    const auto same = [&](const Evidence& e) { return alice_of(e) == alice; };
    if (std::any_of(out.begin(), out.end(),
                    [&](const Evidence& e) { return same(e) && e.count >= found.count; }))
      continue;
    std::erase_if(out, same);
    out.push_back(std::move(found));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Evidence& a, const Evidence& b) { return a.count > b.count; });
  return out;
}

}  // namespace separatrix::one_layer
