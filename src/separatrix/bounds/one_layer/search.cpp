#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "separatrix/base/error.h"
#include "separatrix/bounds/one_layer/answer_table.h"
#include "separatrix/bounds/one_layer/communication.h"
#include "separatrix/bounds/one_layer/evidence.h"
#include "separatrix/bounds/one_layer/fooling.h"
#include "separatrix/bounds/one_layer/partition_search.h"
#include "separatrix/bounds/one_layer/rank.h"
#include "separatrix/bounds/one_layer/witness.h"
#include "separatrix/tasks/instances.h"

// Any task, by its labels alone: all inputs where they are few, sampled parts of inputs otherwise.

namespace separatrix::one_layer {
namespace {

using Tokens = std::vector<Token>;
constexpr Index kMaxInstances = Index{1} << 24, kMaxLast = 256;
constexpr Index kMaxEntries = Index{1} << 24;  ///< of a matrix that is written out
constexpr Index kMaxPartialSide = 1024;        ///< its rows and columns, if not total
constexpr Index kMaxSide = 4096;               ///< of a matrix whose rank is taken
constexpr double kMaxListed = 0x1p27;          ///< legal tokens listed for a sampled matrix
constexpr double kMaxLabelled = 0x1p30;        ///< tokens, in sampled matrices
constexpr Index kSmallestSample = 64, kLargestSample = 512;
constexpr double kSampledNoise = 0.125;  ///< of the rows of a sample, from one sample to another
constexpr Index kSampledEvaluations = 24, kSearchedSide = 128;

/// At most n of the parts, evenly spread.
template <class T>
std::vector<T> spread(const std::vector<T>& all, Index n) {
  if (Index(all.size()) <= n) return all;
  std::vector<T> out;
  for (Index i = 0; i < n; ++i) out.push_back(all[std::size_t(i * Index(all.size()) / n)]);
  return out;
}

class Search {
 public:
  Search(const BoundRequest& request, Measure measure)
      : request_(request),
        measure_(measure),
        n_tokens_(request.task.info(request.length).n_tokens),
        vocab_(request.task.info(request.length).vocab_size) {}

  std::vector<Evidence> run() {
    const double tokens = double(n_tokens_) * double(kSmallestSample * kSmallestSample);
    if (tokens > kMaxLabelled)
      throw Error(ErrorKind::spec,
                  "the partition search needs " + std::to_string(Index(tokens)) +
                      " tokens; its limit is " + std::to_string(Index(kMaxLabelled)),
                  "one layer", "take a shorter length");
    asked_ = asked_position(request_.task, request_.length);
    if (asked_ < 0) return {};
    say("writing out all inputs", 0);
    std::vector<AnswerTable> tables;
    if (estimated_instances(request_) <= 4 * double(kMaxInstances))
      tables = tabulate(request_, asked_, kMaxInstances, kMaxLast);
    Evidence found = tables.empty() ? sampled() : enumerated(tables);
    if (found.count <= 1) return {};  // says nothing; 0: no sampled input was asked
    return {std::move(found)};
  }

 private:
  void say(const std::string& doing, double share) const {
    if (request_.progress) request_.progress(doing, share);
    throw_if_stopped(request_);
  }

  Evidence enumerated(const std::vector<AnswerTable>& tables) {
    const AnswerTable* best_table = &tables.front();
    BestPartition best;
    double work = 0;
    std::size_t tried = 0;
    for (const AnswerTable& table : tables) {
      work += double(table.entries.size() + 1) *
              double(Index{1} << std::min<std::size_t>(table.free_positions().size(), 12));
      if (tried > 0 && work > 0x1p31) break;
      say("searching partitions", double(tried++) / double(tables.size()));
      BestPartition found = best_partition(request_, table, measure_);
      if (found.score <= best.score) continue;
      best_table = &table;
      best = std::move(found);
    }
    Evidence out = from_table(*best_table, best);
    if (tables.size() > 1)
      out.partition += " (the last token fixed: best of " + std::to_string(tried) + " tried)";
    return out;
  }

  Evidence from_table(const AnswerTable& table, const BestPartition& best) const {
    Division division{asked_, table.last, best.alice};
    const std::uint64_t mask = table.mask(best.alice);
    const std::vector<std::uint64_t> row_codes = row_classes(table, mask, true).representatives,
                                     column_codes = row_classes(table, ~mask, true).representatives;
    const auto [most_rows, most_columns] =
        limits(table.total, Index(row_codes.size()), Index(column_codes.size()));
    std::vector<Tokens> rows, columns;
    const std::vector<Index> bob = bob_positions(division, n_tokens_);
    for (const std::uint64_t code : spread(row_codes, most_rows))
      rows.push_back(table.decode(code, best.alice));
    for (const std::uint64_t code : spread(column_codes, most_columns))
      columns.push_back(table.decode(code, bob));
    const bool whole = rows.size() == row_codes.size() && columns.size() == column_codes.size();
    say("comparing rows", 0.9);
    const AnswerMatrix matrix =
        distinguishable(label_matrix(request_, std::move(division), rows, columns, !table.total));
    return evidence(matrix, whole && table.total && matrix.n_rows() == Index(row_codes.size()),
                    table.free_positions());
  }

  std::pair<Index, Index> limits(bool total, Index rows, Index columns) const {
    if (!total) return {kMaxPartialSide, kMaxPartialSide};
    if (measure_ == Measure::leaves) return {kMaxSide, kMaxSide};
    if (rows * columns <= kMaxEntries) return {rows, columns};
    return columns <= kMaxSide ? std::pair(kMaxEntries / columns, columns)
                               : std::pair(kMaxSide, kMaxSide);
  }

  /// What the matrix shows; `exact` if it has a row for every row there is.
  Evidence evidence(const AnswerMatrix& m, bool exact, const std::vector<Index>& free) const {
    Evidence out;
    out.split = Index(m.division.alice.size());
    out.partition = measure_ == Measure::prefix_rows
                        ? "the first " + std::to_string(out.split) + " tokens | the rest"
                        : describe_partition(m.division.alice, free);
    out.theorem = "docs/theory.md, One layer";
    out.witness = {
        {"asked", m.division.asked}, {"last", m.division.last}, {"alice", m.division.alice}};
    if (measure_ == Measure::leaves) {
      leaves(m, out);
      return out;
    }
    out.count = long(m.n_rows());
    out.exact = exact;
    out.witness["kind"] = kRowsKind;
    out.witness["rows"] = m.rows;
    out.witness["columns"] = Json::array();
    for (const Index c : telling_columns(m))
      out.witness["columns"].push_back(m.columns[std::size_t(c)]);
    return out;
  }

  void leaves(const AnswerMatrix& m, Evidence& out) const {
    std::vector<AnswerRank> ranks;
    std::size_t sum = 0;
    say("taking ranks", 0.95);
    if (m.total) ranks = ranks_by_answer(m, request_.threads);
    for (const AnswerRank& r : ranks) sum += r.rank.rows.size();
    std::set<Token> answers(m.answers.begin(), m.answers.end());
    answers.erase(kIgnore);
    const std::size_t side = std::min(m.rows.size(), m.columns.size());
    FoolingSet fooling;  // cannot be larger than the shorter side
    if (side + answers.size() - 1 > sum) fooling = find_fooling_set(m);
    if (fooling.cells.size() + answers.size() > sum + 1 || sum == 0)
      write_fooling(m, fooling, answers, out);
    else
      write_rank(m, ranks, long(sum), out);
  }
  static void write_fooling(const AnswerMatrix& m, const FoolingSet& fooling,
                            std::set<Token> answers, Evidence& out) {
    answers.erase(fooling.answer);
    out.count = long(fooling.cells.size() + answers.size());
    out.witness["kind"] = kFoolingKind;
    out.witness["answer"] = fooling.answer;
    const auto cell = [&](Index r, Index c) {
      return Json::array({m.rows[std::size_t(r)], m.columns[std::size_t(c)]});
    };
    out.witness["pairs"] = out.witness["others"] = Json::array();
    for (const auto& [r, c] : fooling.cells) out.witness["pairs"].push_back(cell(r, c));
    for (const Token answer : answers) {
      const Index at = std::find(m.answers.begin(), m.answers.end(), answer) - m.answers.begin();
      out.witness["others"].push_back(cell(at / m.n_columns(), at % m.n_columns()));
    }
  }
  static void write_rank(const AnswerMatrix& m, const std::vector<AnswerRank>& ranks, long sum,
                         Evidence& out) {
    out.count = sum;
    out.witness["kind"] = kRankKind;
    for (const auto& [answer, rank] : ranks) {
      Json rows = Json::array(), columns = Json::array();
      for (const Index r : rank.rows) rows.push_back(m.rows[std::size_t(r)]);
      for (const Index c : rank.columns) columns.push_back(m.columns[std::size_t(c)]);
      out.witness["values"].push_back({{"answer", answer}, {"rows", rows}, {"columns", columns}});
    }
  }

  /// Parts of sampled inputs, put together anew.
  AnswerMatrix sampled_matrix(const std::vector<Index>& alice, Index n, bool check_legal) const {
    Division division{asked_, last_, alice};
    const std::vector<Index> bob = bob_positions(division, n_tokens_);
    std::set<Tokens> rows, columns;
    for (const Tokens& tokens : samples_) {
      Tokens row, column;
      for (const Index t : alice) row.push_back(tokens[std::size_t(t)]);
      for (const Index t : bob) column.push_back(tokens[std::size_t(t)]);
      rows.insert(std::move(row));
      columns.insert(std::move(column));
      if (Index(std::max(rows.size(), columns.size())) >= n) break;
    }
    return distinguishable(label_matrix(request_, std::move(division), {rows.begin(), rows.end()},
                                        {columns.begin(), columns.end()}, check_legal));
  }

  /// Inputs with one token at the asked position, the first that is met there.
  void draw_samples(Index n) {
    Tokens tokens(std::size_t(n_tokens_), 0), targets(tokens.size());
    for (Index i = 0; i < 16 * n && Index(samples_.size()) < n; ++i) {
      Rng rng(3, RngUse::search, std::uint64_t(i));
      request_.task.sample(rng, tokens);
      Token& last = tokens[std::size_t(asked_)];
      if (!samples_.empty() && last != last_) {
        last = last_;
        if (!begins_instance(request_.task, request_.length, tokens)) continue;
      }
      request_.task.label(tokens, targets);
      if (targets[std::size_t(asked_)] == kIgnore) continue;
      last_ = last;
      samples_.push_back(tokens);
    }
  }

  Evidence sampled() {
    // Legality is looked up once per token of the final matrix, at the cost of listing what is
    // legal.
    const double per_input = double(n_tokens_) * double(8 + vocab_);
    const Index side =
        std::clamp(Index(std::sqrt(kMaxListed / per_input)), kSmallestSample / 4, kLargestSample);
    draw_samples(side);
    if (samples_.empty()) return Evidence{.count = 0};
    std::vector<Index> free;
    for (Index t = 0; t < n_tokens_; ++t)
      if (t != asked_ && std::any_of(samples_.begin(), samples_.end(), [&](const Tokens& s) {
            return s[std::size_t(t)] != samples_[0][std::size_t(t)];
          }))
        free.push_back(t);
    const std::vector<Index> alice = measure_ == Measure::prefix_rows
                                         ? sampled_prefix(std::min(side, kSearchedSide))
                                         : sampled_partition(free, std::min(side, kSearchedSide));
    say("comparing rows", 0.9);
    Evidence out = evidence(sampled_matrix(alice, side, true), false, free);
    out.partition += " (sampled inputs, the last token fixed to the first drawn)";
    return out;
  }
  std::vector<Index> sampled_prefix(Index side) const {
    constexpr Index kCuts = 32;
    std::vector<Index> best;
    Index most = 0;
    for (Index i = 1; i <= std::min(kCuts, asked_); ++i) {
      std::vector<Index> prefix(std::size_t(i * asked_ / std::min(kCuts, asked_)));
      std::iota(prefix.begin(), prefix.end(), 0);
      say("searching cuts", double(i) / double(kCuts));
      if (const Index rows = sampled_matrix(prefix, side, false).n_rows(); rows > most)
        most = rows, best = prefix;
    }
    return best;
  }
  std::vector<Index> sampled_partition(const std::vector<Index>& free, Index side) const {
    const auto positions = [&](const Choice& choice) {
      std::vector<Index> out;
      for (std::size_t i = 0; i < free.size(); ++i)
        if (choice[i]) out.push_back(free[i]);
      return out;
    };
    const Objective score = [&](const Choice& choice) {
      say("searching partitions", 0.5);
      const AnswerMatrix m = sampled_matrix(positions(choice), side, false);
      return measure_ == Measure::leaves ? std::min(m.n_rows(), m.n_columns()) : m.n_rows();
    };
    return positions(
        hill_climb(score, split_compensations(find_compensations(request_, asked_, last_, free)),
                   kSampledEvaluations, kSampledNoise));
  }

  const BoundRequest& request_;
  Measure measure_;
  Index n_tokens_, vocab_, asked_ = -1;
  Token last_ = 0;
  std::vector<Tokens> samples_;
};

}  // namespace

std::vector<Evidence> search_one_layer(const BoundRequest& request, Measure measure) {
  return Search(request, measure).run();
}

}  // namespace separatrix::one_layer
