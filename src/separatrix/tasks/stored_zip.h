#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "separatrix/base/file.h"

namespace separatrix {

/// A zip archive without compression (zip64, so of any size) whose members' sizes are known before
/// their bytes are. So all members can be filled side by side, in one pass and in little memory:
/// the arrays of a data set, of which every instance adds a row to each. No zip library writes two
/// members at once. The archive's bytes depend on nothing but the members.
class StoredZip {
 public:
  struct Member {
    std::string name;
    std::uint64_t size = 0;
  };
  /// Reserves the whole file. Throws Error(io) when there is no room.
  StoredZip(AtomicFile& file, std::vector<Member> members);

  /// The member's next bytes. Throws Error(io).
  void append(std::size_t member, std::string_view bytes);
  /// Writes the headers and the directory; every member must have all its bytes. Does not commit
  /// the file.
  void finish();

 private:
  struct Slot {
    Member member;
    std::uint64_t header = 0;   ///< offset of the local header
    std::uint64_t written = 0;  ///< bytes of the member, on disk or in the buffer
    std::uint32_t crc = 0;
    std::string buffer;
  };
  std::uint64_t data_begin(const Slot& slot) const;
  void flush(Slot& slot);

  AtomicFile& file_;
  std::vector<Slot> slots_;
  std::uint64_t directory_ = 0;  ///< offset of the central directory
};

}  // namespace separatrix
