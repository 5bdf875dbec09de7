#pragma once

#include <string>
#include <vector>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

// What the certifying side (never the rechecking side) of the methods shares: a certificate's
// beginning and end, and running the real model.

namespace separatrix {

/// An undecided certificate of this method with everything known beforehand filled in.
Certificate begin_certificate(const std::string& method, const Claim& claim,
                              const Weights& weights);

/// The same, closed as undecided.
Certificate undecided(Certificate certificate, const std::string& reason);

/// Closed as proved with that margin over all `inputs`, or as undecided when it is less than the
/// claim's.
Certificate conclude(Certificate certificate, double margin, const std::string& inputs);

/// "logit(label) beats every other by > 0 and >= claim.margin."
inline bool keeps(const Claim& claim, double margin) {
  return margin > 0 && margin >= claim.margin;  // false for NaN
}

/// Least margin over the asked positions of each sequence of the batch, as the arithmetic (not
/// real) computes it; the targets are filled in from the task. +infinity where nothing is asked.
std::vector<double> computed_margins(const Subject& subject, Model& model, Batch& batch,
                                     Arithmetic arithmetic);

/// True, with the certificate closed as refuted, if the model breaks the claim on these tokens, in
/// the claim's arithmetic; for one over the reals in the float32 program and by
/// reference<Interval>.
bool refute(Certificate& certificate, const Subject& subject, std::span<const Token> tokens);

/// Tries `count` inputs from the task's distribution, fixed seed.
bool refute_by_sampling(Certificate& certificate, const Subject& subject, Index count);

}  // namespace separatrix
