#include <array>

#include <fmt/format.h>

#include "separatrix/report/html.h"
#include "separatrix/report/table.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

struct Word {
  const char* word;
  const char* meaning;  ///< our own markup, not from the store
};

constexpr std::array<Word, 11> kWords = {{
    {"impossible below",
     "A theorem: every model of that kind with less is wrong on at least one input of this length, "
     "however it was made or trained. <em>Exact</em> means that the count behind it is the true "
     "minimum; otherwise it is a lower bound on the minimum."},
    {"certified at",
     "The size of a model whose weights are written down by a theorem and whose answer was "
     "verified, "
     "for the arithmetic named beside it, on every input of this length. The certificate names "
     "the weights by their SHA-256 and can be rechecked without the program that made it."},
    {"proved",
     "The verdict of a certificate that covers every input without exception. Accuracy on samples, "
     "however high, is never called proved."},
    {"learned at",
     "The smallest size tried at which, for some learning rate, at least two thirds of the seeds "
     "met "
     "the criterion. It is a measurement: another optimiser, schedule or budget may do "
     "better, so &ldquo;not solved&rdquo; never means &ldquo;impossible&rdquo;."},
    {"budget",
     "What the search was allowed to spend: widths, learning rates, seeds and optimiser steps. It "
     "is "
     "counted in trials and steps, not in seconds, so that it is the same on every machine."},
    {"state bits",
     "Everything a recurrent model carries from one time step to the next, in bits: the numbers in "
     "its state times the bits of each (32 for a float32, 1 for a unit of two values). A "
     "transformer keeps every position it has read and has no such number."},
    {"margin",
     "How much larger the right answer&rsquo;s logit is than every other, at least, over all "
     "inputs. "
     "Shown rounded down. Above zero, the answer is right."},
    {"information ceiling",
     "The largest fraction <i>a</i> of <i>N</i> independent uniform symbols over <i>q</i> letters "
     "that <i>b</i> bits let anyone recall on average: "
     "<span class=\"formula\"><i>N</i> (log<sub>2</sub> <i>q</i> &minus; <i>h</i>(1 &minus; "
     "<i>a</i>) &minus; (1 &minus; <i>a</i>) log<sub>2</sub>(<i>q</i> &minus; 1)) &le; "
     "<i>b</i></span>, with <i>h</i> the binary entropy. For values without repetition (MQAR) the "
     "alphabets shrink by one from symbol to symbol; for nearest neighbours <i>N</i> is one over "
     "the probability that two queries have the same nearest point."},
    {"best learning rate",
     "Of the rates tried for one model, width and length, the one with the most solved seeds; "
     "among "
     "those, the one with the highest mean token accuracy, then the smaller. A best-of figure "
     "depends on the rates it could choose from: they are in the figure of learning rates."},
    {"solved, 2/3",
     "Seeds that met the criterion, of all seeds. The interval in the table is Wilson&rsquo;s, at "
     "95 %, for the chance that another seed would; runs that failed or are not finished are left "
     "out of it."},
    {"chance", "The accuracy of the best answer that ignores the input."},
}};

}  // namespace

std::string words_section(const ReportData& data) {
  std::string out = "<dl class=\"words\">\n";
  for (const Word& word : kWords)
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", word.word, word.meaning);
  const ReportExperiment* only = data.only();
  if (only != nullptr && only->criterion) {
    out += fmt::format(
        "<div><dt>criterion</dt><dd>Of this page: token accuracy of {} held over two evaluations "
        "in a row on {} inputs, and confirmed on {} more.",
        format_percent(only->criterion->target_accuracy), only->criterion->eval_examples,
        only->criterion->final_examples);
    if (only->criterion->holdout > 0)
      out += fmt::format(
          " One possible input in {} is set aside and never trained on; all evaluation is on "
          "those.",
          only->criterion->holdout);
    out += "</dd></div>\n";
  }
  return page_section("words", "What each word means", out + "</dl>\n");
}

}  // namespace separatrix
