#include "separatrix/codes/address_code.h"

namespace separatrix {

// Each is defined at the end of the file of its name.
void register_binary(Registry<AddressCode>& codes);
void register_parabola(Registry<AddressCode>& codes);
void register_circle(Registry<AddressCode>& codes);
void register_random_signs(Registry<AddressCode>& codes);
void register_dual_bch(Registry<AddressCode>& codes);
void register_gold(Registry<AddressCode>& codes);
void register_kerdock(Registry<AddressCode>& codes);
void register_reed_solomon(Registry<AddressCode>& codes);
void register_hadamard(Registry<AddressCode>& codes);
void register_one_hot(Registry<AddressCode>& codes);

void register_codes(Registry<AddressCode>& codes) {
  register_binary(codes);
  register_parabola(codes);
  register_circle(codes);
  register_random_signs(codes);
  register_dual_bch(codes);
  register_gold(codes);
  register_kerdock(codes);
  register_reed_solomon(codes);
  register_hadamard(codes);
  register_one_hot(codes);
}

}  // namespace separatrix
