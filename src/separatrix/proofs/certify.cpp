#include "separatrix/proofs/run.h"

namespace separatrix {

Certificate certify(const Claim& claim, const Task& task, const Weights& weights,
                    const Registry<Block>& blocks, const Registry<CertificateMethod>& methods,
                    const std::string& method) {
  task.check_length(claim.length);
  const TaskInfo info = task.info(claim.length);
  const ModelSpec& spec = weights.spec;
  if (spec.vocab_size < info.vocab_size || spec.n_classes < info.n_classes ||
      (spec.positions == "learned" && spec.max_length < info.n_tokens))
    throw Error(ErrorKind::spec,
                "the model does not take the inputs of " + claim.task + " at length " +
                    std::to_string(claim.length),
                "certify", "give the task, parameters and length that the model was made for");
  if (!method.empty()) return methods.make(method)->certify(claim, task, weights, blocks);
  Certificate last;
  std::string reasons;
  for (const auto& entry : methods.entries()) {
    last = methods.make(entry.name)->certify(claim, task, weights, blocks);
    if (last.verdict != Verdict::undecided) return last;
    reasons += (reasons.empty() ? "" : "; ") + entry.name + ": " + last.reason;
  }
  last.reason = reasons;
  return last;
}

}  // namespace separatrix
