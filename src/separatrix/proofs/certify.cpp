#include "separatrix/nn/model.h"
#include "separatrix/proofs/run.h"

namespace separatrix {

Certificate certify(const Claim& claim, const Subject& subject,
                    const Registry<CertificateMethod>& methods, const std::string& method) {
  subject.task.check_length(claim.length);
  if (find_misfit(subject.weights.spec, subject.task.info(claim.length)))
    throw Error(ErrorKind::spec,
                "the model does not take the inputs of " + claim.task + " at length " +
                    std::to_string(claim.length),
                "certify", "give the task, parameters and length that the model was made for");
  if (!method.empty()) return methods.make(method)->certify(claim, subject);
  Certificate last;
  std::string reasons;
  for (const auto& entry : methods.entries()) {
    last = methods.make(entry.name)->certify(claim, subject);
    if (last.verdict != Verdict::undecided) return last;
    reasons += (reasons.empty() ? "" : "; ") + entry.name + ": " + last.reason;
  }
  last.reason = reasons;
  return last;
}

std::string recheck(const Certificate& certificate, const Subject& subject,
                    const Registry<CertificateMethod>& methods) {
  if (certificate.verdict == Verdict::undecided)
    return "the certificate is undecided: there is nothing to verify";
  if (certificate.weights_sha256 != weights_sha256(subject.weights))
    return "the certificate speaks of other weights";
  if (certificate.verdict == Verdict::proved &&
      !(certificate.margin > 0 && certificate.margin >= certificate.claim.margin))
    return "the margin proved is less than the margin claimed";
  const Index length = certificate.claim.length;
  subject.task.check_length(length);
  if (find_misfit(subject.weights.spec, subject.task.info(length)))
    return "the model does not take the inputs that the certificate speaks of";
  return methods.make(certificate.method)->recheck(certificate, subject);
}

}  // namespace separatrix
