// The array formats: npz, and the .pt file of torch.save that Zoology loads.
#include <bit>
#include <optional>

#include "separatrix/tasks/dataset_writers.h"
#include "separatrix/tasks/stored_zip.h"

namespace separatrix {
namespace {

constexpr std::int64_t kIgnoreIndex = -100;  ///< PyTorch's, where nothing is asked

// Both formats hold little-endian numbers, written here as they lie in memory.
static_assert(std::endian::native == std::endian::little);

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A member whose bytes are known: a header, a small array.
struct FixedMember {
  std::string name, bytes;
};

/// The members that grow by a row of int64 for each instance: their names, and what stands before
/// the numbers.
struct RowMembers {
  FixedMember inputs, targets;
  std::optional<FixedMember> lengths;  ///< the number of tokens of each instance
};

/// The sizes of both arrays. Throws Error(usage) when no file could be so long.
struct ArraySizes {
  Index rows, columns;
  std::uint64_t bytes;  ///< of inputs, and of targets

  ArraySizes(const DatasetSpec& spec, const Task& task)
      : rows(spec.count),
        columns(task.info(spec.length).n_tokens),
        bytes(std::uint64_t(rows) * std::uint64_t(columns) * sizeof(std::int64_t)) {
    constexpr Index kMostNumbers = Index{1} << 58;
    if (rows > kMostNumbers / columns)
      throw Error(ErrorKind::usage, "a file cannot hold so many instances", "--count",
                  "choose at most " + std::to_string(kMostNumbers / columns));
  }
};

/// [rows, columns] arrays of int64 in a zip, beside members that are known already.
class ArrayWriter final : public DatasetWriter {
 public:
  ArrayWriter(const std::string& path, const ArraySizes& sizes, const RowMembers& rows,
              const std::vector<FixedMember>& fixed)
      : file_(path), zip_(file_, members(sizes, rows, fixed)), lengths_(rows.lengths.has_value()) {
    std::size_t member = 0;
    zip_.append(member++, rows.inputs.bytes);
    zip_.append(member++, rows.targets.bytes);
    if (lengths_) zip_.append(member++, rows.lengths->bytes);
    for (const FixedMember& other : fixed) zip_.append(member++, other.bytes);
  }
  void add(std::span<const Token> tokens, std::span<const Token> targets) override {
    row_.assign(tokens.begin(), tokens.end());
    zip_.append(0, bytes_of(row_));
    row_.assign(targets.begin(), targets.end());
    for (std::int64_t& target : row_)
      if (target == kIgnore) target = kIgnoreIndex;
    zip_.append(1, bytes_of(row_));
    row_ = {std::int64_t(tokens.size())};
    if (lengths_) zip_.append(2, bytes_of(row_));
  }
  void finish() override {
    zip_.finish();
    file_.commit();
  }

 private:
  static std::vector<StoredZip::Member> members(const ArraySizes& sizes, const RowMembers& rows,
                                                const std::vector<FixedMember>& fixed) {
    std::vector<StoredZip::Member> all = {
        {rows.inputs.name, rows.inputs.bytes.size() + sizes.bytes},
        {rows.targets.name, rows.targets.bytes.size() + sizes.bytes}};
    if (rows.lengths)
      all.push_back({rows.lengths->name,
                     rows.lengths->bytes.size() + sizes.bytes / std::uint64_t(sizes.columns)});
    for (const auto& [name, bytes] : fixed) all.push_back({name, bytes.size()});
    return all;
  }

  AtomicFile file_;
  StoredZip zip_;
  bool lengths_;
  std::vector<std::int64_t> row_;
};

/// The header of a .npy file, version 1.0, padded so that the numbers begin at a multiple of 64.
std::string npy_header(const std::string& type, const std::string& shape) {
  std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  constexpr std::size_t kPrefix = 10;
  text.append(63 - (kPrefix + text.size()) % 64, ' ');
  text += '\n';
  const auto size = text.size();
  return std::string("\x93NUMPY\x01\x00", 8) + char(size & 0xff) + char(size >> 8) + text;
}

/// A text without dimensions: numpy keeps four bytes per character.
std::string npy_text(const std::string& ascii) {
  std::string bytes = npy_header("<U" + std::to_string(ascii.size()), "()");
  for (const char c : ascii) bytes += {c, '\0', '\0', '\0'};
  return bytes;
}

/// What Python's pickle of protocol 2 says for a dict of tensors; only the words it takes.
class Pickle {
 public:
  Pickle& op(std::string_view code) {
    bytes_ += code;
    return *this;
  }
  Pickle& global(const std::string& module, const std::string& name) {
    return op("c").op(module + "\n" + name + "\n");
  }
  Pickle& text(const std::string& value) { return op("X").little(value.size(), 4).op(value); }
  Pickle& number(std::uint64_t value) { return op("\x8a\x09").little(value, 8).little(0, 1); }
  /// A [rows, columns] tensor of int64 on the CPU that lies in the archive's data/`key`.
  Pickle& tensor(const std::string& key, const ArraySizes& sizes) {
    global("torch._utils", "_rebuild_tensor_v2").op("((").text("storage");
    global("torch", "LongStorage").text(key).text("cpu");
    number(sizes.bytes / sizeof(std::int64_t)).op("tQ").number(0).op("(");
    number(std::uint64_t(sizes.rows)).number(std::uint64_t(sizes.columns)).op("t(");
    number(std::uint64_t(sizes.columns)).number(1).op("t\x89");
    return global("collections", "OrderedDict").op(")RtR");
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Pickle& little(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_ += char(value >> (8 * i) & 0xff);
    return *this;
  }
  std::string bytes_ = "\x80\x02";
};

/// What Zoology groups its metrics by: the instance's size and the task's whole-number parameters,
/// with Zoology's name for the number of pairs.
Json slices(const DatasetSpec& spec, Index columns) {
  Json json = {{"input_seq_len", columns}};
  for (const auto& item : spec.task_config.items())
    if (item.value().is_number_integer() && item.value() >= 0)
      json[item.key() == "pairs" ? "num_kv_pairs" : item.key()] = item.value();
  return json;
}

}  // namespace

std::unique_ptr<DatasetWriter> open_npz(const DatasetSpec& spec, const Task& task,
                                        const std::string& path) {
  const ArraySizes sizes(spec, task);
  const std::string rows = std::to_string(sizes.rows);
  const std::string header =
      npy_header("<i8", "(" + rows + ", " + std::to_string(sizes.columns) + ")");
  const RowMembers growing{
      .inputs = {"inputs.npy", header},
      .targets = {"targets.npy", header},
      .lengths = FixedMember{"lengths.npy", npy_header("<i8", "(" + rows + ",)")}};
  const std::string about = to_json(spec).dump(-1, ' ', true);
  return std::make_unique<ArrayWriter>(path, sizes, growing,
                                       std::vector<FixedMember>{{"spec.npy", npy_text(about)}});
}

std::unique_ptr<DatasetWriter> open_zoology(const DatasetSpec& spec, const Task& task,
                                            const std::string& path) {
  const ArraySizes sizes(spec, task);
  Pickle pickle;
  pickle.op("}(").text("inputs").tensor("0", sizes).text("labels").tensor("1", sizes);
  pickle.text("slices").op("}(");
  const Json named = slices(spec, sizes.columns);
  for (const auto& item : named.items())
    pickle.text(item.key()).number(item.value().get<std::uint64_t>());
  pickle.op("uu.");
  const RowMembers growing{
      .inputs = {"data/data/0", {}}, .targets = {"data/data/1", {}}, .lengths = std::nullopt};
  return std::make_unique<ArrayWriter>(
      path, sizes, growing,
      std::vector<FixedMember>{{"data/data.pkl", pickle.bytes()}, {"data/version", "3\n"}});
}

}  // namespace separatrix
