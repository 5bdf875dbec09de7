#include "separatrix/base/hash.h"

#include <array>

#include <openssl/sha.h>

namespace separatrix {

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  std::string hex;
  for (unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::uint64_t hash_tokens(std::span<const std::int32_t> tokens) {
  std::uint64_t h = 0x9e3779b97f4a7c15 ^ tokens.size();
  for (std::int32_t token : tokens) {
    h = (h ^ std::uint32_t(token)) * 0xff51afd7ed558ccd;
    h ^= h >> 32;
  }
  h *= 0xc4ceb9fe1a85ec53;
  return h ^ (h >> 29);
}

}  // namespace separatrix
