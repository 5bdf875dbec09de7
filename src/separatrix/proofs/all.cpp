#include "separatrix/proofs/certificate.h"

namespace separatrix {

void register_index_lookup_transformer(Registry<Construction>& constructions);
void register_shift_register_rnn(Registry<Construction>& constructions);

void register_constructions(Registry<Construction>& constructions) {
  register_index_lookup_transformer(constructions);
  register_shift_register_rnn(constructions);
}

void register_position_only(Registry<CertificateMethod>& methods);
void register_executed(Registry<CertificateMethod>& methods);
void register_dataflow(Registry<CertificateMethod>& methods);
void register_exhaustive(Registry<CertificateMethod>& methods);

// In the order in which certify() tries them: the widest statement first, the costliest last.
void register_certificates(Registry<CertificateMethod>& methods) {
  register_position_only(methods);
  register_executed(methods);
  register_dataflow(methods);
  register_exhaustive(methods);
}

}  // namespace separatrix
