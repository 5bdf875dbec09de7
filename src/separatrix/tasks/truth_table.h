#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "separatrix/tasks/packed.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// The entries of one length: different token sequences in lexicographic order, with their targets.
class TableOfLength {
 public:
  Index n_tokens() const { return keys_.width(); }
  Index n_entries() const { return n_entries_; }
  /// Whether every sequence over the tokens 0 .. largest of this length has an entry. Then an
  /// entry's number is the sequence read as a number, and no sequence is stored.
  bool complete() const { return complete_; }
  /// Number of the entry with these tokens; nullopt: there is none.
  std::optional<Index> find(std::span<const Token> tokens) const;
  void tokens(Index entry, std::span<Token> out) const;
  void targets(Index entry, std::span<Token> out) const;
  /// Tokens that follow the prefix in some entry, ascending.
  std::vector<Token> legal_next(std::span<const Token> prefix) const;
  /// Share of the most frequent class among all that is asked.
  double chance() const { return chance_; }

 private:
  friend class TableBuilder;
  explicit TableOfLength(Index n_tokens) : keys_(n_tokens) {}

  PackedRows keys_;       ///< [n_entries, n_tokens]; no rows when complete
  PackedVector targets_;  ///< target + 1 of the last token, or of every one
  bool all_ = false;      ///< targets_ holds one of every token
  bool complete_ = false;
  Index n_entries_ = 0, base_ = 0;  ///< base: 1 + largest token
  double chance_ = 0;
};

/// Answers written down: for each length that occurs, the entries.
class TruthTable {
 public:
  /// nullptr when no entry has that length.
  const TableOfLength* of_length(Index n_tokens) const;
  std::vector<Index> lengths() const;
  Index vocab_size() const { return vocab_size_; }  ///< 1 + largest token of all lengths
  Index n_classes() const { return n_classes_; }    ///< 1 + largest target

 private:
  friend class TableBuilder;
  std::map<Index, TableOfLength> tables_;
  Index vocab_size_ = 0, n_classes_ = 0;
};

/// Takes entries in the order of a file and keeps them packed while they come.
class TableBuilder {
 public:
  explicit TableBuilder(std::string where) : where_(std::move(where)) {}
  /// Tokens are 0 or more, targets (one: of the last token; or as many as tokens) -1 or more.
  void add(std::span<const Token> tokens, std::span<const Token> targets, std::uint32_t line);
  /// Throws Error(spec) at where:line when there are no entries, or two contradict each other.
  TruthTable finish();

 private:
  struct Part {
    TableOfLength table;
    std::vector<std::uint32_t> lines;
  };
  void finish(Part& part) const;
  std::string where_;
  std::map<Index, Part> parts_;
  Token largest_token_ = 0, largest_target_ = 0;
};

/// Reads JSON Lines, one entry each: {"tokens":[0,1,1],"answer":1}, the answer standing at the last
/// token, or {"tokens":[0,1,1],"targets":[-1,0,1]} with -1 where nothing is asked. Lengths may mix;
/// empty lines and repeated entries are allowed. Throws Error(spec) with "where:line".
TruthTable parse_table(std::string_view text, const std::string& where);

}  // namespace separatrix
