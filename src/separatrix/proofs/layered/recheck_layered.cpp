#include "separatrix/proofs/layered/recheck_layered.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "separatrix/base/parallel.h"
#include "separatrix/proofs/layered/recheck_reading.h"

// Verifies a certificate of the method "layered" at its margin: the inputs are described anew from
// the definition of the task (recheck_picture.h), numbers are long doubles with error bounds and
// first-order forms, the first attention's sums are formed exactly, and the last attention's
// averages are bounded by the best price at which no look helps.

namespace separatrix {
namespace {

using relayer::Asker;
using relayer::Look;
using relayer::Machine;
using relayer::Memory;
using relayer::Mlp;
using relayer::Picture;
using relayer::Pool;
using relayer::Question;
using relayer::Real;
using relayer::Rounding;
using relayer::Stream;
using relayer::Term;
using relayer::Terms;

/// One position for each kind of asked row; the last, which sees what the others see and more.
std::vector<Index> asked_positions(const Machine& m, const Picture& p, const Stream& s) {
  std::set<Index> read;
  const auto mark = [&](const std::vector<Terms>& columns) {
    for (const Terms& terms : columns)
      for (const Term& term : terms)
        if (s.still[std::size_t(term.at)]) read.insert(term.at);
  };
  mark(m.last.q);
  mark(m.head);
  for (const Mlp& mlp : m.top) mark(mlp.in);
  std::map<std::vector<double>, Index> last;
  for (const Index t : p.asked) {
    std::vector<double> key{double(s.group_of[std::size_t(t)])};
    for (const Index d : read) key.push_back(m.position(t, d));
    last[key] = t;
  }
  std::vector<Index> out;
  out.reserve(last.size());
  for (const auto& [key, t] : last) out.push_back(t);
  return out;
}

Asker::Flags flags_of(const Picture& p, const Question& q) {
  Asker::Flags flags;
  for (std::size_t role = 0; role < p.options.size(); ++role) {
    auto& bits = flags.emplace_back();
    bits.reserve(p.options[role].size());
    for (const Look& look : p.options[role]) {
      unsigned bit = 0;
      if (q.before && q.before(int(role), look)) bit |= 1U;
      if (q.there && q.there(int(role), look)) bit |= 2U;
      if (q.after && q.after(int(role), look)) bit |= 4U;
      bits.push_back(static_cast<unsigned char>(bit));
    }
  }
  return flags;
}

/// How closely answers that are kept where they are found are looked at.
enum class Effort {
  together,  ///< the worst of all questions for every answer
  placed,    ///< and that place by place
  single,    ///< every question with every answer
};

/// All questions of one asker, from each kind of asked position.
class Interview {
 public:
  Interview(const Memory& memory, Real margin, Effort effort)
      : memory_(memory),
        margin_(margin),
        effort_(effort),
        positions_(asked_positions(memory.m, memory.p, memory.s)) {}

  /// Questions begin .. end - 1; empty, or the first that is not answered with the margin.
  std::string run(std::size_t begin, std::size_t end, Pool& pool) const {
    const Picture& p = memory_.p;
    for (const Index t : positions_) {
      const Asker asker(memory_, t, p.questions[begin].asker);
      if (!asker.wrong().empty()) return asker.wrong();
      for (std::size_t i = begin; i < end; ++i) {
        const Question& q = p.questions[i];
        if (!q.kept && effort_ != Effort::together) continue;  // answered before
        const Asker::Flags flags = flags_of(p, q);
        if (q.kept && effort_ != Effort::single)
          pool.join(asker.pool(q, flags, effort_ == Effort::placed));
        else if (!keeps(asker, q, flags))
          return "the margin is not kept at position " + std::to_string(t);
      }
    }
    return {};
  }

 private:
  bool keeps(const Asker& asker, const Question& q, const Asker::Flags& flags) const {
    if (!q.kept) return asker.keeps(q, flags, margin_);
    Question one = q;
    return std::all_of(memory_.kept.begin(), memory_.kept.end(), [&](const auto& kept) {
      one.answer = kept.first;
      return asker.keeps(one, flags, margin_);
    });
  }

  const Memory& memory_;
  Real margin_;
  Effort effort_;
  std::vector<Index> positions_;
};

/// Empty, or what is not answered with the margin.
std::string ask_everything(const Memory& memory, Real margin, int threads, Effort effort) {
  const Picture& p = memory.p;
  if (!memory.m.last.causal && p.asked.front() + 1 < p.n_tokens())
    return "an asked position sees later ones, of which nothing is known";
  const Interview interview(memory, margin, effort);
  std::vector<std::pair<std::size_t, std::size_t>> runs;  // questions of each asker
  for (std::size_t i = 0; i < p.questions.size(); ++i) {
    if (i == 0 || p.questions[i].asker != p.questions[i - 1].asker) runs.emplace_back(i, i);
    ++runs.back().second;
  }
  std::mutex mutex;
  std::string wrong;
  Pool pool;
  std::atomic<bool> stop = false;
  parallel_for(threads, Index(runs.size()), [&](std::size_t /*worker*/, Index r) {
    if (stop) return;
    const auto [begin, end] = runs[std::size_t(r)];
    Pool found;
    const std::string why = interview.run(begin, end, found);
    const std::lock_guard lock(mutex);
    pool.join(found);
    if (wrong.empty()) wrong = why;
    stop = !wrong.empty();
  });
  if (!wrong.empty() || pool.row.empty() || pool.keeps(memory, margin, threads)) return wrong;
  if (effort == Effort::together) return ask_everything(memory, margin, threads, Effort::placed);
  constexpr double kMaxGaps = 2e8;
  const auto count = [](const auto& list) { return double(list.size()); };
  if (count(p.questions) * count(memory.kept) * count(memory.m.head) > kMaxGaps)
    return "an answer is not read with the margin where it is found";
  return ask_everything(memory, margin, threads, Effort::single);
}

/// What the certificate says about itself beside the margin.
std::string compare_evidence(const Certificate& c, const Picture& p, const Stream& s) {
  if (c.inputs != p.inputs.get_str()) return "the number of inputs is another";
  try {
    if (c.evidence.at("cases").get<std::size_t>() != p.questions.size())
      return "the number of cases is another";
    if (c.evidence.at("classes").get<std::size_t>() != s.member.size())
      return "the number of classes is another";
    const double leak = c.evidence.at("leak").get<double>();
    if (!(Real(leak) >= s.leak - 1e-6L && leak <= 1)) return "the first attention leaks more";
  } catch (const Json::exception&) {
    return "the evidence is incomplete";
  }
  return {};
}

std::string verify(const Certificate& c, const Subject& subject, const Machine& machine,
                   const Picture& picture) {
  const Rounding rounding(c.claim.arithmetic);
  if (auto wrong = compare_with_labels(picture, subject.task, c.claim.length); !wrong.empty())
    return wrong;
  Stream stream;
  if (auto wrong = make_stream(machine, picture, rounding, stream); !wrong.empty()) return wrong;
  if (auto wrong = compare_evidence(c, picture, stream); !wrong.empty()) return wrong;
  std::string wrong;
  const Memory memory(machine, picture, stream, rounding, wrong);
  if (!wrong.empty()) return wrong;
  // Two bounds of one number need not agree in the last digits.
  const Real margin = Real(c.margin) - 1e-9L - 1e-6L * std::fabs(Real(c.margin));
  return ask_everything(memory, margin, subject.threads, Effort::together);
}

}  // namespace

std::string recheck_layered(const Certificate& c, const Subject& subject) {
  if (!(c.margin > 0) || !std::isfinite(c.margin) || !(c.margin >= c.claim.margin))
    return "the margin is less than claimed";
  Machine machine;
  const Index n_tokens = subject.task.info(c.claim.length).n_tokens;
  if (auto wrong = read_machine(subject.weights, n_tokens, c.claim.arithmetic, machine);
      !wrong.empty())
    return wrong;
  std::string wrong = "the evidence names no description of the inputs";
  const auto pictures = relayer::pictures_of(c.claim, wrong);
  const Json& cover = c.evidence.is_object() ? c.evidence.value("cover", Json()) : Json();
  if (!cover.is_number_integer() || cover < 0) return wrong;
  // The number counts the ways that the certifier could use, which may be fewer than these.
  for (std::size_t i = std::size_t(cover.get<Index>()); i < pictures.size(); ++i) {
    wrong = verify(c, subject, machine, pictures[i]);
    if (wrong.empty()) return wrong;
  }
  return wrong;
}

}  // namespace separatrix
