#pragma once

#include "separatrix/base/index.h"

// The gated delta rule, position by position. The rules of kernels.h hold; C = columns of a vector.

namespace separatrix {

/// One head over `steps` positions, its state S [dk, dv]:
///   S <- g_t S;  e_t = beta_t (v_t - S^T k_t);  S <- S + k_t e_t^T.
struct DeltaRule {
  Index steps = 0, dk = 0, dv = 0;
  const float* k = nullptr;      ///< [steps, dk] ldk
  const float* beta = nullptr;   ///< beta_t = beta[t * gate_step]
  const float* decay = nullptr;  ///< g_t = decay[t * gate_step]; null = all 1
  Index ldk = 0, ldv = 0, gate_step = 1;
};
/// S in place; e [steps, dv] = as above, v likewise, both ldv. Errors as of the plain loop in
/// float.
void delta_rule(const DeltaRule& r, const float* v, float* S, float* e);

/// What reads the state after some of the steps, o_t = S_t^T q_t, and d loss / d o_t.
struct StateReads {
  Index n = 0;                  ///< how many
  const Index* step = nullptr;  ///< which, ascending; null = all, n = steps
  Index offset = 0;             ///< is subtracted from those numbers
  const float* q = nullptr;     ///< [n, dk] ldk
  const float* dout = nullptr;  ///< [n, dv] ldv
};
struct DeltaRuleGradients {
  float* dS = nullptr;    ///< in place: gradient of the last state -> of the first
  float* dv = nullptr;    ///< [steps, dv] ldv, =
  float* de_e = nullptr;  ///< de_t . e_t at t * gate_step, +=: beta_t times the gradient of beta_t
};
/// The other way; e as delta_rule left it. What remains, the gradients of k, q and g, are products
/// of matrices: docs/derivations/delta_net.md.
void delta_rule_backward(const DeltaRule& r, const StateReads& reads, const float* e,
                         const DeltaRuleGradients& out);

}  // namespace separatrix
