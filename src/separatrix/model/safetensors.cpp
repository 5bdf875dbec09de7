#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <set>
#include <string>

#include "separatrix/base/json.h"
#include "separatrix/model/model_file.h"

namespace separatrix {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

constexpr std::size_t kLengthBytes = 8;            ///< the header's length, before the header
constexpr std::size_t kMaxHeader = 100'000'000;    ///< the format's own limit
constexpr const char* kMetadata = "__metadata__";  ///< the header's key that is no tensor

/// One header entry, checked by itself but not yet against its neighbours.
struct Entry {
  std::string name;
  std::vector<Index> shape;
  std::size_t begin = 0, end = 0;  ///< in bytes from the end of the header
};

[[noreturn]] void damaged(const std::string& what, const std::string& where) {
  throw Error(ErrorKind::io, "damaged safetensors file: " + what, where,
              "write or copy the file again");
}

std::string quoted(const std::string& name) { return "tensor '" + name + "'"; }

/// A JSON whole number that is >= 0 and fits Index.
Index read_size(const Json& json, const std::string& what, const std::string& where) {
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > std::uint64_t(INT64_MAX))
    damaged(what + " is no size: " + json.dump().substr(0, 40), where);
  return json.get<Index>();
}

/// 4 * product of the shape; false when that does not fit.
bool shape_bytes(const std::vector<Index>& shape, Index& bytes) {
  bytes = sizeof(float);
  for (Index extent : shape)
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return false;
  return true;
}

Entry read_entry(const std::string& name, const Json& json, const std::string& where) {
  if (!json.is_object() || json.size() != 3 || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets"))
    damaged(quoted(name) + " needs exactly dtype, shape and data_offsets", where);
  if (json["dtype"] != "F32")
    throw Error(
        ErrorKind::io,
        quoted(name) + " has dtype " + json["dtype"].dump().substr(0, 40) + ", only F32 is read",
        where, "convert the file to float32");
  const Json &shape = json["shape"], &offsets = json["data_offsets"];
  if (!shape.is_array() || !offsets.is_array() || offsets.size() != 2)
    damaged(quoted(name) + " needs a list as shape and two data_offsets", where);
  Entry entry{name, {}};
  for (const Json& extent : shape)
    entry.shape.push_back(read_size(extent, "the shape of " + quoted(name), where));
  entry.begin = std::size_t(read_size(offsets[0], "the offset of " + quoted(name), where));
  entry.end = std::size_t(read_size(offsets[1], "the offset of " + quoted(name), where));
  Index bytes = 0;
  if (!shape_bytes(entry.shape, bytes)) damaged(quoted(name) + " has an impossible shape", where);
  if (entry.end < entry.begin || std::size_t(bytes) != entry.end - entry.begin)
    damaged(quoted(name) + " has offsets that do not fit its shape", where);
  return entry;
}

Json read_metadata(const Json& json, const std::string& where) {
  const bool texts = json.is_object() && std::all_of(json.begin(), json.end(),
                                                     [](const Json& v) { return v.is_string(); });
  if (!texts) damaged("__metadata__ must map text to text", where);
  return json;
}

/// The entries must tile the data: in order, without gap or overlap, to the last byte.
void check_tiling(const std::vector<Entry>& entries, std::size_t data_bytes,
                  const std::string& where) {
  std::size_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end)
      damaged(quoted(entry.name) + (entry.begin < end ? " overlaps another" : " follows a gap"),
              where);
    end = entry.end;
  }
  if (end != data_bytes)
    damaged("the tensors need " + std::to_string(end) + " bytes, the file holds " +
                std::to_string(data_bytes),
            where);
}

}  // namespace

TensorFile parse_safetensors(std::string_view bytes, const std::string& where) {
  std::uint64_t header_bytes = 0;
  if (bytes.size() < kLengthBytes) damaged("shorter than its header's length", where);
  std::memcpy(&header_bytes, bytes.data(), kLengthBytes);
  bytes.remove_prefix(kLengthBytes);
  if (header_bytes > kMaxHeader || header_bytes > bytes.size())
    damaged("the header's length reaches beyond the file", where);
  if (bytes.substr(0, 1) != "{") damaged("the header is no JSON map", where);
  const Json header =
      parse_json(bytes.substr(0, std::size_t(header_bytes)), where + "#header", ErrorKind::io);
  const std::string_view data = bytes.substr(std::size_t(header_bytes));

  TensorFile file;
  std::vector<Entry> entries;
  for (const auto& item : header.items()) {
    if (item.key() == kMetadata)
      file.metadata = read_metadata(item.value(), where);
    else
      entries.push_back(read_entry(item.key(), item.value(), where));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_tiling(entries, data.size(), where);
  for (Entry& entry : entries) {  // the sizes now add up to the file's: safe to allocate
    std::vector<float> values((entry.end - entry.begin) / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), data.data() + entry.begin, values.size() * 4);
    file.tensors.push_back({std::move(entry.name), std::move(entry.shape), std::move(values)});
  }
  return file;
}

std::string write_safetensors(const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  std::size_t end = 0;
  for (const Tensor& tensor : file.tensors) {
    assert(!header.contains(tensor.name));
    const std::size_t begin = end;
    end += tensor.values.size() * sizeof(float);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data starts at a multiple of 8
  const std::uint64_t header_bytes = text.size();
  std::string bytes(reinterpret_cast<const char*>(&header_bytes), kLengthBytes);
  bytes.reserve(kLengthBytes + text.size() + end);
  bytes += text;
  for (const Tensor& tensor : file.tensors)
    bytes.append(reinterpret_cast<const char*>(tensor.values.data()),
                 tensor.values.size() * sizeof(float));
  return bytes;
}

}  // namespace separatrix
