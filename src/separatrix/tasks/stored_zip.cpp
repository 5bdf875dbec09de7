#include "separatrix/tasks/stored_zip.h"

#include <cassert>

#include <zlib.h>

namespace separatrix {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;

/// Little-endian fields, as the format's specification (APPNOTE 6.3, section 4.3) lists them.
class Fields {
 public:
  Fields& u16(std::uint64_t value) { return put(value, 2); }
  Fields& u32(std::uint64_t value) { return put(value, 4); }
  Fields& u64(std::uint64_t value) { return put(value, 8); }
  Fields& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Fields& put(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_ += char(value >> (8 * i) & 0xff);
    return *this;
  }
  std::string bytes_;
};

constexpr std::uint64_t kVersion = 45;            // the first with zip64
constexpr std::uint64_t kDate = 0x21;             // 1 January 1980: the same data, the same bytes
constexpr std::uint64_t kElsewhere = 0xffffffff;  // "see the zip64 field"
constexpr std::uint64_t kLocalHeader = 30, kLocalExtra = 20, kDirectoryExtra = 28;
constexpr std::uint64_t kDirectoryHeader = 46, kEnd = 56 + 20 + 22;

/// Version, flags, method (stored), time, date, CRC, both sizes, name length: in both headers.
void put_common(Fields& fields, std::uint32_t crc, const std::string& name) {
  fields.u16(kVersion).u16(0).u16(0).u16(0).u16(kDate).u32(crc);
  fields.u32(kElsewhere).u32(kElsewhere).u16(name.size());
}

}  // namespace

StoredZip::StoredZip(AtomicFile& file, std::vector<Member> members) : file_(file) {
  std::uint64_t directory_size = 0;
  for (Member& member : members) {
    directory_size += kDirectoryHeader + member.name.size() + kDirectoryExtra;
    slots_.push_back({.member = std::move(member), .header = directory_, .buffer = {}});
    directory_ = data_begin(slots_.back()) + slots_.back().member.size;
  }
  file_.reserve(directory_ + directory_size + kEnd);
}

std::uint64_t StoredZip::data_begin(const Slot& slot) const {
  return slot.header + kLocalHeader + slot.member.name.size() + kLocalExtra;
}

void StoredZip::append(std::size_t member, std::string_view bytes) {
  Slot& slot = slots_[member];
  assert(slot.written + bytes.size() <= slot.member.size);
  slot.buffer += bytes;
  slot.written += bytes.size();
  if (slot.buffer.size() >= kBuffer) flush(slot);
}

void StoredZip::flush(Slot& slot) {
  slot.crc = std::uint32_t(::crc32_z(
      slot.crc, reinterpret_cast<const unsigned char*>(slot.buffer.data()), slot.buffer.size()));
  file_.write_at(data_begin(slot) + slot.written - slot.buffer.size(), slot.buffer);
  slot.buffer.clear();
}

void StoredZip::finish() {
  Fields directory;
  for (Slot& slot : slots_) {
    assert(slot.written == slot.member.size);
    flush(slot);
    const auto& [name, size] = slot.member;
    Fields local;
    local.u32(0x04034b50);
    put_common(local, slot.crc, name);
    local.u16(kLocalExtra).text(name).u16(1).u16(16).u64(size).u64(size);
    file_.write_at(slot.header, local.bytes());
    directory.u32(0x02014b50).u16(kVersion);
    put_common(directory, slot.crc, name);
    directory.u16(kDirectoryExtra).u16(0).u16(0).u16(0).u32(0).u32(kElsewhere).text(name);
    directory.u16(1).u16(24).u64(size).u64(size).u64(slot.header);
  }
  const std::uint64_t size = directory.bytes().size(), end = directory_ + size;
  const std::uint64_t members = slots_.size();
  directory.u32(0x06064b50).u64(44).u16(kVersion).u16(kVersion).u32(0).u32(0);
  directory.u64(members).u64(members).u64(size).u64(directory_);
  directory.u32(0x07064b50).u32(0).u64(end).u32(1);
  directory.u32(0x06054b50).u16(0).u16(0).u16(members).u16(members);
  directory.u32(size).u32(kElsewhere).u16(0);
  file_.write_at(directory_, directory.bytes());
}

}  // namespace separatrix
