#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/proofs/construction.h"

namespace separatrix {

enum class Verdict { proved, refuted, undecided };

/// What `certify` found. Self-contained: `recheck` needs this and the weights file, nothing else.
struct Certificate {
  Claim claim;  ///< claim.arithmetic: what the verdict is about
  Verdict verdict = Verdict::undecided;
  std::string method;          ///< name in Registry<CertificateMethod>
  std::string weights_sha256;  ///< of the model it speaks of
  double margin = 0;           ///< proved lower bound on the margin over all inputs
  std::string inputs;          ///< decimal: how many inputs the verdict covers, e.g. alphabet^N * N
  std::vector<Token> counterexample;  ///< set iff refuted
  std::string reason;                 ///< why undecided
  std::string trusted_base;           ///< in words: what must be right for the verdict to hold
  Json evidence = Json::object();     ///< what recheck needs (method specific)
};
Json to_json(const Certificate& certificate);
Certificate read_certificate(const Json& json, const std::string& where);  ///< throws Error(spec)

/// The model that a claim is about, and the task that the claim names.
struct Subject {
  const Task& task;
  const Weights& weights;
  const Registry<Block>& blocks;
  int threads = 1;
};

/// One kind of certificate (docs/certificates.md).
class CertificateMethod {
 public:
  virtual ~CertificateMethod() = default;
  /// Never says proved unless every input of the claim's length is covered. An inapplicable method
  /// answers undecided with the reason. A counterexample was run through the real model and
  /// Task::label before it is reported.
  virtual Certificate certify(const Claim& claim, const Subject& subject) const = 0;
  /// Independent verification of a `proved` or `refuted` certificate of this method: shares no code
  /// with certify() beyond reading weights and Task::label. Empty text = valid; otherwise what is
  /// wrong.
  virtual std::string recheck(const Certificate& certificate, const Subject& subject) const = 0;
};

void register_certificates(Registry<CertificateMethod>& methods);  // proofs/all.cpp

/// Tries the methods in the order of the registry until one proves or refutes; the last reason
/// otherwise. `method` empty = automatic.
Certificate certify(const Claim& claim, const Subject& subject,
                    const Registry<CertificateMethod>& methods, const std::string& method = {});

/// Independent verification: the certificate says proved or refuted, speaks of these weights, and
/// its method's recheck agrees. Empty text = valid; otherwise what is wrong.
std::string recheck(const Certificate& certificate, const Subject& subject,
                    const Registry<CertificateMethod>& methods);

}  // namespace separatrix
