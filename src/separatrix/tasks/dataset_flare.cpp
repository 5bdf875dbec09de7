// The files of FLaRe (formal language recognition): strings, membership and possible next symbols.
#include <algorithm>
#include <filesystem>

#include "separatrix/base/file.h"
#include "separatrix/tasks/dataset_writers.h"

namespace separatrix {
namespace {

constexpr Token kMember = 1;  ///< the class that FLaRe calls a member, of the two there are

bool is_frame(const std::string& spelling) { return spelling == "BOS" || spelling == "EOS"; }

/// Which symbols may follow which prefix of a word of the language, of whatever length, by the
/// task's automaton.
class NextSymbols {
 public:
  /// `recognition`: the words are those of class kMember; else those the automaton reads.
  NextSymbols(Dfa dfa, std::vector<std::string> spelling, bool recognition)
      : dfa_(std::move(dfa)), spelling_(std::move(spelling)) {
    const auto eos = std::find(spelling_.begin(), spelling_.end(), "EOS");
    if (eos != spelling_.end()) eos_ = eos - spelling_.begin();
    if (recognition) find_live();
  }

  /// [{"s": "0 1", "e": true}, ...]: before each symbol of the word and at its end, the symbols
  /// that may follow and whether it may end there.
  std::string line(std::span<const Token> tokens) const {
    Json positions = Json::array();
    Index state = 0;
    if (!is_frame(spelling_[std::size_t(tokens.front())])) positions.push_back(position(state));
    for (const Token token : tokens) {
      if (token == eos_) break;
      state = dfa_.step(state, token);
      positions.push_back(position(state));
    }
    return positions.dump() + "\n";
  }

 private:
  bool may(Index state, Index symbol) const {
    return dfa_.is_legal(state, symbol) &&
           (live_.empty() || live_[std::size_t(dfa_.step(state, symbol))]);
  }
  Json position(Index state) const {
    std::string symbols;
    for (Index symbol = 0; symbol < dfa_.alphabet; ++symbol)
      if (!is_frame(spelling_[std::size_t(symbol)]) && may(state, symbol))
        symbols += (symbols.empty() ? "" : " ") + spelling_[std::size_t(symbol)];
    const bool end = eos_ >= 0 ? may(state, eos_) : dfa_.output[std::size_t(state)] == kMember;
    return {{"s", symbols}, {"e", end}};
  }
  /// The states from which a member's end can be reached.
  void find_live() {
    live_.resize(std::size_t(dfa_.n_states));
    for (std::size_t s = 0; s < live_.size(); ++s) live_[s] = dfa_.output[s] == kMember;
    for (bool grew = true; grew;) {
      grew = false;
      for (Index s = 0; s < dfa_.n_states; ++s)
        for (Index symbol = 0; symbol < dfa_.alphabet && !live_[std::size_t(s)]; ++symbol)
          if (dfa_.is_legal(s, symbol) && live_[std::size_t(dfa_.step(s, symbol))])
            grew = live_[std::size_t(s)] = true;
    }
  }

  Dfa dfa_;
  std::vector<std::string> spelling_;
  Index eos_ = -1;
  std::vector<bool> live_;  ///< empty: every state is
};

/// The task's symbols as words of main.tok. Throws Error(usage) when one holds a blank.
std::vector<std::string> spellings(const DatasetSpec& spec, const Task& task) {
  std::vector<std::string> all;
  for (Token token = 0; token < task.info(spec.length).vocab_size; ++token) {
    all.push_back(task.spell(token, spec.length));
    if (all.back().empty() || all.back().find_first_of(" \t\r\n") != std::string::npos)
      throw Error(ErrorKind::usage, "the symbol '" + all.back() + "' holds a blank", "--format",
                  "FLaRe's files separate symbols by blanks: spell it without");
  }
  return all;
}

/// Whether the answer at an instance's last token says whether it is a member; or, in a next-token
/// task, nothing is asked there and every instance is one. Throws Error(usage) otherwise.
bool is_recognition(const DatasetSpec& spec, const Task& task) {
  Rng rng(spec.seed, RngUse::sample);
  Batch batch;
  sample_batch(task, spec.length, 1, Portion::any, 0, rng, batch);
  const bool asked_at_end = batch.targets.back() != kIgnore;
  if (asked_at_end && task.info(spec.length).n_classes == 2) return true;
  if (!asked_at_end && task.automaton() && !task.automaton()->legal.empty()) return false;
  throw Error(ErrorKind::usage, "flare takes tasks of recognition, and " + spec.task + " is none",
              "--format",
              "bounded-dyck, string-equality, set-disjointness and regular with two outputs fit");
}

class FlareWriter final : public DatasetWriter {
 public:
  FlareWriter(const DatasetSpec& spec, const Task& task, const std::string& folder)
      : recognition_(is_recognition(spec, task)), spelling_(spellings(spec, task)) {
    make_folder(folder);
    const std::filesystem::path root(folder);
    strings_ = std::make_unique<Lines>((root / "main.tok").string());
    labels_ = std::make_unique<Lines>((root / "labels.txt").string());
    if (auto dfa = task.automaton()) {
      rules_ = std::make_unique<NextSymbols>(std::move(*dfa), spelling_, recognition_);
      next_ = std::make_unique<Lines>((root / "next-symbols.jsonl").string());
    }
  }
  void add(std::span<const Token> tokens, std::span<const Token> targets) override {
    std::string text;
    for (const Token token : tokens)
      if (const std::string& word = spelling_[std::size_t(token)]; !is_frame(word))
        text += (text.empty() ? "" : " ") + word;
    const bool member = !recognition_ || targets.back() == kMember;
    strings_->add(text + "\n");
    labels_->add(member ? "1\n" : "0\n");
    if (rules_ && member) next_->add(rules_->line(tokens));
  }
  void finish() override {
    for (Lines* lines : {strings_.get(), labels_.get(), next_.get()})
      if (lines != nullptr) lines->finish();
  }

 private:
  /// A text file, written in pieces of a reasonable size.
  class Lines {
   public:
    explicit Lines(const std::string& path) : file_(path) {}
    void add(const std::string& line) {
      buffer_ += line;
      if (buffer_.size() >= std::size_t{1} << 20) flush();
    }
    void finish() {
      flush();
      file_.commit();
    }

   private:
    void flush() {
      file_.append(buffer_);
      buffer_.clear();
    }
    AtomicFile file_;
    std::string buffer_;
  };

  bool recognition_;
  std::vector<std::string> spelling_;
  std::unique_ptr<NextSymbols> rules_;
  std::unique_ptr<Lines> strings_, labels_, next_;  ///< next_: iff rules_
};

}  // namespace

std::unique_ptr<DatasetWriter> open_flare(const DatasetSpec& spec, const Task& task,
                                          const std::string& path) {
  return std::make_unique<FlareWriter>(spec, task, path);
}

}  // namespace separatrix
