#include "separatrix/report/tensorboard.h"

#include <array>
#include <bit>
#include <cctype>
#include <cstdint>

#include <fmt/format.h>

#include "separatrix/base/json.h"
#include "separatrix/lab/model_name.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

/// CRC-32C (Castagnoli): zlib has only the other polynomial.
constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78U : 0U);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = crc_table();

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ std::uint8_t(c)) & 0xff];
  return ~crc;
}

/// Little-endian, as everything in these files.
std::string fixed(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += char(value >> (8 * i) & 0xff);
  return text;
}

/// A record as TensorFlow frames it: length, its CRC, the bytes, their CRC. The CRCs are masked, as
/// a CRC of bytes that hold CRCs would be weak.
std::string record(const std::string& bytes) {
  const auto masked = [](std::string_view text) {
    return fixed(std::rotr(crc32c(text), 15) + 0xa282ead8U, 4);
  };
  const std::string length = fixed(bytes.size(), 8);
  return length + masked(length) + bytes + masked(bytes);
}

// Protocol buffers' wire format, as far as an Event of scalars goes: the schema compiler would be a
// build dependency for three field types.
enum class Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

std::string varint(std::uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += char((value & 0x7f) | 0x80);
  return text + char(value);
}
std::string key(int field, Wire wire) {
  return varint((std::uint64_t(field) << 3) | unsigned(wire));
}
std::string bytes_field(int field, const std::string& bytes) {
  return key(field, Wire::bytes) + varint(bytes.size()) + bytes;
}

/// Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
std::string event(double wall_time, const std::string& rest) {
  return key(1, Wire::fixed64) + fixed(std::bit_cast<std::uint64_t>(wall_time), 8) + rest;
}

/// Summary { repeated Value { string tag = 1; float simple_value = 2; } value = 1; }
std::string value(const std::string& tag, double number) {
  return bytes_field(1, bytes_field(1, tag) + key(2, Wire::fixed32) +
                            fixed(std::bit_cast<std::uint32_t>(float(number)), 4));
}

}  // namespace

std::string tensorboard_events(const StoredTrial& trial) {
  const double seconds = number_at(trial.result, "seconds", 0);
  const Index last = trial.curve.empty() ? 1 : std::max<Index>(1, trial.curve.back().step);
  std::string out = record(event(0, bytes_field(3, "brain.Event:2")));
  for (const CurvePoint& point : trial.curve) {
    const std::string summary =
        value("train_loss", point.train_loss) + value("token_accuracy", point.token_accuracy) +
        value("sequence_accuracy", point.sequence_accuracy) + value("lr", point.lr);
    const std::string step = key(2, Wire::varint) + varint(std::uint64_t(point.step));
    out +=
        record(event(seconds * double(point.step) / double(last), step + bytes_field(5, summary)));
  }
  return out;
}

std::string tensorboard_run_name(const StoredTrial& trial) {
  const TrialSpec& spec = trial.spec;
  const ModelShape shape = model_shape(spec.model);
  std::string name =
      fmt::format("{}-{}-{}-{}x{}-lr{}-seed{}-{}", spec.task, spec.length, shape.name, shape.layers,
                  spec.model.d_model, format_lr(spec.train.lr), spec.seed, trial.id.substr(0, 12));
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 &&
        std::string("-_.+").find(c) == std::string::npos)
      c = '-';
  return name;
}

}  // namespace separatrix
