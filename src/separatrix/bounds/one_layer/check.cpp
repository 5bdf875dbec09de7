#include "separatrix/bounds/one_layer/matrix_check.h"
#include "separatrix/bounds/one_layer/rule_check.h"
#include "separatrix/bounds/one_layer/witness.h"

namespace separatrix::one_layer {
namespace {

/// Positions 0, 1, .., as a list or as a progression.
bool is_prefix(const Json& alice) {
  if (alice.is_object())
    return alice.value("first", Json()) == 0 && alice.value("step", Json()) == 1;
  if (!alice.is_array()) return false;
  for (std::size_t i = 0; i < alice.size(); ++i)
    if (alice[i] != i) return false;
  return true;
}

}  // namespace

WitnessCheck check_witness(const BoundRequest& request, const Bound& bound) {
  const Json& witness = bound.witness;
  if (!witness.is_object()) return {false, "not a witness of this method"};
  const TaskInfo info = request.task.info(request.length);
  Index asked = -1;
  Token last = -1;
  std::string kind;
  try {
    witness.at("kind").get_to(kind);
    witness.at("asked").get_to(asked);
    witness.at("last").get_to(last);
  } catch (const Json::exception&) {
    return {false, "the witness is not readable"};
  }
  if (bound.length != request.length) return {false, "the bound is for another length"};
  if (asked < 0 || asked >= info.n_tokens || last < 0 || last >= info.vocab_size)
    return {false, "the asked position or the last token is out of range"};
  if (kind == kRuleKind) return check_one_layer_rule(request, bound, asked, last);
  if (kind == kRowsKind) return check_rows(request, bound, asked, last);
  if (kind == kFoolingKind) return check_fooling_set(request, bound, asked, last);
  if (kind == kRankKind) return check_rank(request, bound, asked, last);
  return {false, "not a witness of this method"};
}

WitnessCheck check_prefix(const BoundRequest& request, const Bound& bound) {
  if (!bound.witness.is_object() || !is_prefix(bound.witness.value("alice", Json())))
    return {false, "Alice does not hold a prefix"};
  return check_witness(request, bound);
}

}  // namespace separatrix::one_layer
