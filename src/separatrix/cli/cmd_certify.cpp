#include <fmt/format.h>

#include "separatrix/base/file.h"
#include "separatrix/cli/session.h"
#include "separatrix/lab/certificate_words.h"

namespace separatrix {
namespace {

struct CertifyOptions {
  std::string file, method, arithmetic, output;
  Threads threads;
};

Claim claim_of(const ModelFile& file, const CertifyOptions& o) {
  const auto origin = origin_of(file);
  if (!origin)
    throw Error(ErrorKind::spec, "the file does not say which task its model is for", o.file,
                "write it with `separatrix construct` or `separatrix train`");
  Claim claim;
  if (file.provenance.contains("claim")) claim = read_claim(file.provenance.at("claim"), o.file);
  claim.task = origin->task;
  claim.task_config = origin->task_config;
  claim.length = origin->length;
  if (!file.provenance.contains("claim")) claim.arithmetic = Arithmetic::float32;
  if (!o.arithmetic.empty()) claim.arithmetic = read_arithmetic(o.arithmetic, "--arithmetic");
  return claim;
}

/// All tokens, or the ends of many.
std::string spell_input(const Certificate& c, const Task& task) {
  constexpr std::size_t kMostSpelled = 200, kEnd = 20;
  const std::vector<Token>& tokens = c.counterexample;
  std::string out;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    if (tokens.size() > kMostSpelled && t == kEnd) {
      out += fmt::format(" .. ({} tokens) ..", tokens.size() - 2 * kEnd);
      t = tokens.size() - kEnd;
    }
    out += " " + task.spell(tokens[t], c.claim.length);
  }
  return out + (tokens.size() > kMostSpelled ? "\n  all tokens: --json, or -o FILE" : "");
}

std::string show(const Certificate& c, const Task& task) {
  const std::string arithmetic = to_string(c.claim.arithmetic);
  if (c.verdict == Verdict::undecided)
    return fmt::format("undecided: {}\n", c.reason.empty() ? "no method applies" : c.reason);
  if (c.verdict == Verdict::refuted) {
    return fmt::format("refuted ({}, {}): wrong on{}\n", c.method, arithmetic,
                       spell_input(c, task));
  }
  const std::string inputs = c.evidence.value("every_length", false)
                                 ? fmt::format("inputs of {}, of every length", c.claim.task)
                                 : fmt::format("{} inputs of {} at length {}",
                                               count_words(c.inputs), c.claim.task, c.claim.length);
  return fmt::format("proved ({}, {}): right on all {}, margin {}\n  rests on: {}\n", c.method,
                     arithmetic, inputs, margin_words(c.margin), c.trusted_base);
}

}  // namespace

/// `separatrix certify FILE`
void add_certify(Command command, Session& session) {
  auto o = std::make_shared<CertifyOptions>();
  command.argument("FILE", o->file, "a model file");
  command.option("method", o->method, "one of `separatrix list certificates`; default: automatic");
  command.option(
      "arithmetic", o->arithmetic,
      "what the verdict is about: real, float32, bfloat16 or float16; default: what the file's "
      "claim is about, float32 if it has none");
  command.option("threads", o->threads.count, "changes no result");
  command.output(o->output, "where the certificate goes");
  command.run([o, &session] {
    const Catalogue& catalogue = session.catalogue;
    const ModelFile file = load_model(session, o->file);
    const Claim claim = claim_of(file, *o);
    const auto task = catalogue.tasks.make(claim.task, claim.task_config, o->file);
    task->check_length(claim.length);
    const Certificate certificate =
        certify(claim, {*task, file.weights, catalogue.blocks, o->threads.checked()},
                catalogue.certificates, o->method);
    const Json json = to_json(certificate);
    if (!o->output.empty()) write_file_atomic(o->output, json.dump(1) + "\n");
    session.exit_code = certificate.verdict == Verdict::proved ? 0 : 1;
    session.print(json, show(certificate, *task));
  });
}

}  // namespace separatrix
