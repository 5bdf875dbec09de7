#include "separatrix/proofs/certificate.h"

namespace separatrix {

void register_index_lookup_transformer(Registry<Construction>& constructions);
void register_index_lookup_query_first_transformer(Registry<Construction>& constructions);
void register_shift_register_rnn(Registry<Construction>& constructions);
void register_string_equality_transformer(Registry<Construction>& constructions);
void register_set_disjointness_transformer(Registry<Construction>& constructions);
void register_sparse_features_transformer(Registry<Construction>& constructions);
void register_nearest_neighbor_transformer(Registry<Construction>& constructions);
void register_mqar_transformer(Registry<Construction>& constructions);
void register_induction_transformer(Registry<Construction>& constructions);
void register_dyck_transformer(Registry<Construction>& constructions);
void register_dyck_recogniser(Registry<Construction>& constructions);
void register_dyck_rnn(Registry<Construction>& constructions);
void register_dfa_rnn(Registry<Construction>& constructions);
void register_string_equality_rnn(Registry<Construction>& constructions);
void register_set_disjointness_rnn(Registry<Construction>& constructions);

void register_constructions(Registry<Construction>& constructions) {
  register_index_lookup_transformer(constructions);
  register_index_lookup_query_first_transformer(constructions);
  register_shift_register_rnn(constructions);
  register_string_equality_transformer(constructions);
  register_set_disjointness_transformer(constructions);
  register_sparse_features_transformer(constructions);
  register_nearest_neighbor_transformer(constructions);
  register_mqar_transformer(constructions);
  register_induction_transformer(constructions);
  register_dyck_transformer(constructions);
  register_dyck_recogniser(constructions);
  register_dyck_rnn(constructions);
  register_dfa_rnn(constructions);
  register_string_equality_rnn(constructions);
  register_set_disjointness_rnn(constructions);
}

void register_position_only(Registry<CertificateMethod>& methods);
void register_executed(Registry<CertificateMethod>& methods);
void register_separable(Registry<CertificateMethod>& methods);
void register_dataflow(Registry<CertificateMethod>& methods);
void register_pair_dataflow(Registry<CertificateMethod>& methods);
void register_state_graph(Registry<CertificateMethod>& methods);
void register_layered(Registry<CertificateMethod>& methods);
void register_prefix_scan(Registry<CertificateMethod>& methods);
void register_exhaustive(Registry<CertificateMethod>& methods);
void register_intervals(Registry<CertificateMethod>& methods);

// In the order in which certify() tries them: the widest statement first, the costliest last.
void register_certificates(Registry<CertificateMethod>& methods) {
  register_position_only(methods);
  register_executed(methods);
  register_separable(methods);
  register_dataflow(methods);
  register_pair_dataflow(methods);
  register_state_graph(methods);
  register_layered(methods);
  register_prefix_scan(methods);
  register_exhaustive(methods);
  register_intervals(methods);
}

}  // namespace separatrix
