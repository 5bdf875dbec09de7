#include "separatrix/report/inside.h"

#include <algorithm>

#include <fmt/format.h>

#include "separatrix/report/text.h"

namespace separatrix {
namespace {

// What a page column and a phone can show.
constexpr Index kMostTokens = 24;         ///< of a model as certified
constexpr Index kFewTokens = 13;          ///< of one made smaller for the picture
constexpr std::size_t kMostColumns = 10;  ///< of a table

/// How far back the positions look at which something is asked, averaged over their heads.
double look_back(const Explanation& e) {
  double sum = 0, count = 0;
  for (const Trace::Layer& layer : e.trace.layers)
    for (std::size_t row = 0; row < e.answers.size(); ++row)
      for (Index h = 0; h < layer.heads && e.answers[row].target != kIgnore; ++h, ++count) {
        const auto weights = e.attention(layer, row, h);
        for (std::size_t j = 0; j < weights.size(); ++j)
          sum += weights[j] * std::abs(double(e.trace.rows[row]) - double(j));
      }
  return count == 0 ? 0 : sum / count;
}

/// Of a few inputs the one that looks furthest back: looking at the neighbour shows little.
Explanation explain_drawn(const ExplainSubject& subject) {
  constexpr int kDraws = 6;
  std::vector<Token> tokens(std::size_t(subject.task.info(subject.length).n_tokens));
  Rng rng(0, RngUse::sample);
  std::optional<Explanation> best;
  for (int i = 0; i < kDraws; ++i) {
    subject.task.sample(rng, tokens);
    Explanation drawn = explain(subject, tokens);
    if (!best || look_back(drawn) > look_back(*best)) best = std::move(drawn);
  }
  return std::move(*best);
}

/// False when there are no instances of that length, or no claim about them, or too much to show.
bool fill_at(Example& example, const Construction& construction, const ConstructionRequest& request,
             Index most_tokens, const Catalogue& catalogue) {
  const Index length = request.length;
  const auto task = catalogue.tasks.make(construction.task(), request.task_config);
  try {
    task->check_length(length);
    if (task->info(length).n_tokens > most_tokens || !construction.claim(request)) return false;
  } catch (const Error&) {
    return false;  // too short for the task or the theorem
  }
  const Built built = construction.build(request, catalogue.blocks);
  Explanation e = explain_drawn({*task, length, built.weights, catalogue.blocks, built.slots});
  for (std::size_t stage = 0; stage < e.stages(); ++stage)
    if (e.changed(stage).size() > kMostColumns) return false;
  for (const Explanation::Answer& answer : e.answers)
    example.answers.push_back(
        answer.target == kIgnore ? std::string() : task->spell_class(answer.prediction, length));
  example.length = length;
  example.weights_sha256 = weights_sha256(built.weights);
  example.explanation = std::move(e);
  return true;
}

std::string plural(Index n, const char* word) {
  return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

std::string token_at(const Explanation& e, Index t) {
  return escape_html(e.spelled[std::size_t(t)]);
}

/// `numbered`: with the positions, which a reader of tables side by side needs once.
std::string slot_table(const Explanation& e, std::size_t stage, const std::vector<Slot>& slots,
                       const std::string& label, bool numbered) {
  std::string out = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n<table "
      "class=\"slots\">\n<caption>{0}</caption>\n<thead><tr>{1}<th scope=\"col\">token</th>",
      escape_html(label), numbered ? "<th scope=\"col\">position</th>" : "");
  for (const Slot& slot : slots) out += "<th scope=\"col\">" + escape_html(slot.name) + "</th>";
  out += "</tr></thead>\n<tbody>\n";
  for (std::size_t row = 0; row < e.trace.rows.size(); ++row) {
    out += e.answers[row].target == kIgnore ? "<tr>" : "<tr class=\"asked\">";
    if (numbered) out += fmt::format("<td class=\"position\">{}</td>", e.trace.rows[row]);
    out += "<th scope=\"row\">" + token_at(e, e.trace.rows[row]) + "</th>";
    for (const Slot& slot : slots) out += "<td>" + escape_html(e.text(stage, row, slot)) + "</td>";
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table>\n</div>\n";
}

/// The layer's pictures, one for each head, beside the slots that it writes; the first layer that
/// averages also has what the embedding brings along.
std::string layer_figure(const Explanation& e, std::size_t i) {
  const Trace::Layer& layer = e.trace.layers[i];
  const std::vector<Slot> slots = e.changed(i + 1);
  const bool embedding = i == 0 && e.named(0);
  if (layer.heads == 0 && slots.empty() && !embedding) return {};
  std::string out = "<figure class=\"inside\">\n<div class=\"side-by-side\">\n";
  if (embedding) out += slot_table(e, 0, e.changed(0), "from token and position", true);
  for (Index h = 0; h < layer.heads; ++h) out += heatmap_svg(e, i, h);
  if (!slots.empty())
    out += slot_table(e, i + 1, slots, e.named(i) ? "written by this layer" : "state", !embedding);
  const char* words = layer.heads > 0 ? "Each row is a position, each column one that it averages "
                                        "over; the darker, the more weight."
                      : e.named(i)    ? "Position by position."
                                      : "The state after each token.";
  return out + fmt::format("</div>\n<figcaption><b>Layer {}, {}.</b> {}</figcaption>\n</figure>\n",
                           i, escape_html(layer.block), words);
}

std::string answer_words(const Example& example) {
  const Explanation& e = *example.explanation;
  std::string one;
  Index asked = 0, right = 0;
  std::optional<double> least;
  for (std::size_t row = 0; row < e.answers.size(); ++row) {
    const Explanation::Answer& answer = e.answers[row];
    if (answer.target == kIgnore) continue;
    ++asked;
    right += answer.prediction == answer.target ? 1 : 0;
    if (answer.margin) least = std::min(least.value_or(*answer.margin), *answer.margin);
    one = fmt::format("The answer at <code>{}</code> is <b>{}</b>", token_at(e, e.trace.rows[row]),
                      escape_html(example.answers[row]));
  }
  std::string out = asked == 1 ? one : fmt::format("{} of {} answers are right", right, asked);
  if (least) out += ", by a margin of " + format_margin(*least);
  return out + ".";
}

std::string example_article(const Example& example) {
  std::string out =
      fmt::format("<h3>{}, length {}</h3>\n", escape_html(example.construction), example.length);
  if (!example.explanation)
    return out + "<p class=\"note\">No picture: " + escape_html(example.missing) + "</p>\n";
  const Explanation& e = *example.explanation;
  std::string input;
  for (const std::string& token : e.spelled) input += (input.empty() ? "" : " ") + token;
  out += fmt::format("<p>{} on one input, <code>{}</code>. {}</p>\n", example.origin,
                     escape_html(input), answer_words(example));
  for (std::size_t i = 0; i < e.trace.layers.size(); ++i) out += layer_figure(e, i);
  return out;
}

// The heatmap's measures, in pixels as long as it fits its column.
constexpr Index kCell = 16, kGap = 6;
constexpr double kLetter = 7.4;        ///< width of one, at 11 px, bold
constexpr double kLeastDrawn = 0.005;  ///< of a weight

}  // namespace

std::string heatmap_svg(const Explanation& e, std::size_t layer_index, Index head) {
  const Trace::Layer& layer = e.trace.layers[layer_index];
  const auto T = Index(e.tokens.size()), rows = Index(e.trace.rows.size());
  std::size_t longest = 1;
  for (const std::string& token : e.spelled) longest = std::max(longest, token.size());
  const auto gutter = Index(double(longest) * kLetter) + kGap + 2;
  const Index width = gutter + T * kCell + 1, height = gutter + rows * kCell + 1;
  const std::string what = fmt::format(
      "Layer {}{}", layer_index, layer.heads > 1 ? fmt::format(", head {}", head) : std::string());
  std::string out = fmt::format(
      "<svg class=\"heat\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
      "aria-label=\"{2}: weights of the averages, {3} by {4}\">\n",
      width, height, what, plural(rows, "position"), plural(T, "position"));
  if (layer.heads > 1) out += fmt::format("<text x=\"0\" y=\"11\">head {}</text>\n", head);
  for (Index j = 0; j < T; ++j)
    out += fmt::format("<text transform=\"translate({} {}) rotate(-90)\">{}</text>\n",
                       gutter + j * kCell + kCell / 2 + 4, gutter - kGap, token_at(e, j));
  for (Index i = 0; i < rows; ++i) {
    const auto row = std::size_t(i);
    const Index t = e.trace.rows[row];
    const auto weights = e.attention(layer, row, head);
    Index seen = T;  // what lies behind is not looked at
    while (seen > 0 && weights[std::size_t(seen - 1)] == 0) --seen;
    const Index y = gutter + i * kCell;
    out += fmt::format(
        "<text class=\"row{}\" x=\"{}\" y=\"{}\">{}</text><rect class=\"seen\" x=\"{}\" y=\"{}\" "
        "width=\"{}\" height=\"{}\"/>\n",
        e.answers[row].target == kIgnore ? "" : " asked", gutter - kGap, y + kCell / 2 + 4,
        token_at(e, t), gutter, y, seen * kCell - 1, kCell - 1);
    for (Index j = 0; j < seen; ++j)
      if (const double a = weights[std::size_t(j)]; a >= kLeastDrawn)
        out += fmt::format(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"{:.2f}\">"
            "<title>{} {} on {} {}: {}</title></rect>\n",
            gutter + j * kCell, y, kCell - 1, kCell - 1, a, t, token_at(e, t), j, token_at(e, j),
            format_percent(a));
  }
  return out + "</svg>\n";
}

Example make_example(const Json& certified, const std::string& task, const Json& task_config,
                     Index length, const Catalogue& catalogue) {
  Example example{.construction = dashed(text_at(certified, "construction")),
                  .length = length,
                  .weights_sha256 = {},
                  .origin = {},
                  .explanation = {},
                  .answers = {},
                  .missing = {}};
  try {
    const auto construction = catalogue.constructions.make(example.construction);
    const Json& claim = member_at(member_at(certified, "certificate"), "claim");
    const std::string in = text_at(claim, "arithmetic");
    ConstructionRequest request{
        catalogue.tasks.find(task).resolve(task_config, ""), length,
        in.empty() ? Arithmetic::float32 : read_arithmetic(in, "arithmetic")};
    if (!fill_at(example, *construction, request, kMostTokens, catalogue)) {
      example.missing = "no input is short enough";
      request.length = std::min(length, kFewTokens);
      while (request.length > 0 && !fill_at(example, *construction, request, kFewTokens, catalogue))
        --request.length;
    }
    example.origin =
        example.weights_sha256 == text_at(certified, "weights_sha256") ? "The certified weights"
        : example.length < length ? "The same construction, made small enough for a picture,"
                                  : "The construction as this version builds it";
  } catch (const Error& error) {
    example.missing = error.what();  // of another version: the page does without
  }
  return example;
}

std::string inside_content(const std::vector<Example>& examples) {
  std::string out;
  for (const Example& example : examples) out += example_article(example);
  return out;
}

}  // namespace separatrix
