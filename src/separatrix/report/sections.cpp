#include <cctype>
#include <set>

#include <fmt/format.h>

#include "separatrix/base/names.h"
#include "separatrix/report/html.h"
#include "separatrix/report/table.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

std::string strong(const std::string& number, const std::string& unit = {}) {
  return fmt::format("<b class=\"number\">{}</b>{}", escape_html(number),
                     unit.empty() ? "" : "&nbsp;" + escape_html(unit));
}

/// How a model is called in running text.
std::string display_model(std::string name) {
  if (contains_name({"lstm", "gru", "rnn", "dss", "s4d", "rwkv"}, name))
    for (char& c : name) c = char(std::toupper(static_cast<unsigned char>(c)));
  return escape_html(name);
}

/// "transformer 1 layer" -> "transformer with 1 layer".
std::string display_row(const std::string& label) {
  const size_t space = label.find(' ');
  const bool counted = space != std::string::npos && space + 1 < label.size() &&
                       std::isdigit(static_cast<unsigned char>(label[space + 1])) != 0;
  return escape_html(counted ? label.substr(0, space) + " with" + label.substr(space) : label);
}

/// A decimal string in a form people can read: "2.65 x 10^37".
std::string large_count(const std::string& decimal) {
  if (decimal.empty() || decimal.find_first_not_of("0123456789") != std::string::npos)
    return escape_html(decimal);
  if (decimal.size() <= 9) return escape_html(format_count(std::stoll(decimal)));
  return fmt::format("{}.{} &times; 10<sup>{}</sup>", decimal[0], decimal.substr(1, 2),
                     decimal.size() - 1);
}

bool is_proved(const Json& certified) {
  return text_at(member_at(certified, "certificate"), "verdict") == "proved";
}

std::string recurrent_sentences(const SeparationRow& row, Index length) {
  std::string out;
  if (const double bits = number_at(row.impossible_below, "bits", -1); bits >= 0)
    out += fmt::format(
        "With fewer than {} between time steps, no recurrent model answers every "
        "input of length {}. ",
        strong(fmt::format("{:.0f}", bits), "bits"), length);
  if (is_proved(row.certified_at) && member_at(row.certified_at, "state_bits").is_number())
    out += fmt::format(
        "With {}, one does: its weights are written down, and certified on every input. ",
        strong(format_count(Index(number_at(row.certified_at, "state_bits", 0))), "bits"));
  return out;
}

std::string transformer_sentences(const SeparationRow& row) {
  if (!is_proved(row.certified_at)) return {};
  return fmt::format("A {}, of width {}, is certified on every input. ", display_row(row.label),
                     strong(fmt::format("{:.0f}", number_at(row.certified_at, "width", 0))));
}

std::string learned_sentences(const ReportExperiment& data) {
  std::string out;
  for (const SeparationRow& row : data.rows)
    for (const LearnedAt& learned : row.learned_at) {
      if (learned.seeds == 0) continue;
      const std::string size =
          learned.state_bits
              ? fmt::format("{} ({} units)", strong(format_count(*learned.state_bits), "bits"),
                            learned.width)
              : "width " + strong(std::to_string(learned.width));
      const std::string trained = "Training the " + display_model(learned.model);
      out += learned.solved
                 ? fmt::format("{} got there with {}. ", trained, size)
                 : fmt::format("{} did not get there within its budget, up to {}. ", trained, size);
    }
  return out;
}

/// A dash, and why.
std::string nothing_cell(const std::string& what, const std::string& why) {
  return "<span class=\"none\">" + what + "</span>" +
         (why.empty() ? "" : "<small>" + escape_html(why) + "</small>");
}

std::string impossible_cell(const SeparationRow& row) {
  const Json& bound = row.impossible_below;
  const double bits = number_at(bound, "bits", -1);
  if (bits < 0) return nothing_cell("no bound", row.no_bound);
  const Json& inequality = member_at(bound, "inequality");
  if (inequality.is_object())
    return strong(fmt::format("{:.0f}", number_at(inequality, "smallest_width", 0)),
                  "heads x value width") +
           "<small>" + escape_html(text_at(inequality, "arithmetic")) + "</small><small>" +
           escape_html(dashed(text_at(bound, "method"))) + "</small>";
  std::string out = strong(fmt::format("{:.0f}", bits), "bits");
  out += member_at(bound, "exact") == true ? "<small>exact minimum</small>"
                                           : "<small>lower bound</small>";
  if (const std::string method = text_at(bound, "method"); !method.empty())
    out += "<small>" + escape_html(dashed(method)) + "</small>";
  return out;
}

std::string certified_cell(const SeparationRow& row) {
  const Json& certified = row.certified_at;
  if (!certified.is_object()) return nothing_cell("no construction", row.no_construction);
  const Json& certificate = member_at(certified, "certificate");
  const Json& bits = member_at(certified, "state_bits");
  std::string out =
      bits.is_number()
          ? strong(format_count(Index(bits.get<double>())), "bits")
          : "width&nbsp;" + strong(fmt::format("{:.0f}", number_at(certified, "width", 0)));
  out += "<small>" + escape_html(dashed(text_at(certified, "construction"))) + "</small>";
  const std::string verdict = text_at(certificate, "verdict");
  std::string words = verdict.empty() ? "not certified" : verdict;
  if (verdict == "proved") {
    if (const std::string in = text_at(member_at(certificate, "claim"), "arithmetic"); !in.empty())
      words += " in " + in;
    words += ", margin\u00a0" + format_margin(number_at(certificate, "margin", 0));
  }
  out += fmt::format("<small class=\"verdict {}\">{}</small>",
                     verdict == "proved" ? "proved" : "open", escape_html(words));
  if (member_at(certified, "rechecked") == true) out += "<small>rechecked independently</small>";
  return out;
}

std::string learned_cell(const SeparationRow& row) {
  if (row.learned_at.empty()) return nothing_cell("not tried", "");
  std::string out;
  for (const LearnedAt& learned : row.learned_at) {
    out += "<div class=\"learned\">";
    if (learned.seeds == 0) {
      out += fmt::format("<span class=\"none\">{}: not tried</span></div>",
                         escape_html(learned.model));
      continue;
    }
    const std::string bits = learned.state_bits ? format_count(*learned.state_bits) : std::string();
    const std::string units = bits.empty() ? std::string() : fmt::format("{} units", learned.width);
    if (learned.solved) {
      out += bits.empty() ? "width&nbsp;" + strong(std::to_string(learned.width))
                          : strong(bits, "bits");
      out += fmt::format("<small>{}{}</small>", display_model(learned.model),
                         units.empty() ? "" : ", " + units);
      std::string rates = format_lr(learned.lr_min);
      if (learned.lr_min != learned.lr_max) rates += " to " + format_lr(learned.lr_max);
      out += fmt::format(
          "<small>{} of {} seeds{}, learning rate {}</small>", learned.seeds_solved, learned.seeds,
          learned.tried.empty() ? "" : " (95 %: " + success_text(learned) + ")", rates);
    } else {
      out += fmt::format("<span class=\"unsolved\">not solved</span><small>{}, up to {}</small>",
                         display_model(learned.model),
                         bits.empty() ? fmt::format("width {}", learned.width)
                                      : fmt::format("{} = {} bits", units, bits));
      out += fmt::format("<small>budget: {}</small><small>best accuracy {}</small>",
                         escape_html(learned.budget), format_percent(learned.best_accuracy));
    }
    out += "</div>";
  }
  return out.empty() ? "<span class=\"none\">not trained</span>" : out;
}

std::string entry(const std::string& term, const std::string& html) {
  return html.empty() ? std::string()
                      : fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escape_html(term), html);
}

std::string raw_json(const std::string& summary, const Json& json) {
  return fmt::format("<details><summary>{}</summary><pre>{}</pre></details>\n",
                     escape_html(summary),
                     escape_html(json.dump(2, ' ', false, Json::error_handler_t::replace)));
}

std::string bound_record(const SeparationRow& row) {
  const Json& bound = row.impossible_below;
  if (!bound.is_object()) return {};
  std::string out =
      fmt::format("<h3>Impossible below: {}</h3>\n<dl class=\"facts\">\n", escape_html(row.label));
  if (const Json& inequality = member_at(bound, "inequality"); inequality.is_object()) {
    out += entry("inequality", escape_html(text_at(inequality, "formula")));
    out += entry("arithmetic", escape_html(text_at(inequality, "arithmetic")));
    out += entry("input divided", escape_html(text_at(inequality, "partition")));
  } else {
    out += entry("states needed", large_count(text_at(bound, "count")));
  }
  out += entry("bits", escape_html(text_at(bound, "bits")));
  out += entry("method", escape_html(dashed(text_at(bound, "method"))));
  out += entry("theorem", escape_html(text_at(bound, "theorem")));
  const Json& checked = member_at(bound, "checked");
  out += entry("witness checked", checked.is_object() ? escape_html(text_at(checked, "how"))
                                                      : escape_html(text_at(bound, "checked")));
  return out + "</dl>\n" + raw_json("The bound as JSON", bound);
}

std::string certificate_record(const SeparationRow& row) {
  const Json& certified = row.certified_at;
  const Json& certificate = member_at(certified, "certificate");
  if (!certificate.is_object()) return {};
  std::string out =
      fmt::format("<h3>Certified at: {}</h3>\n<dl class=\"facts\">\n", escape_html(row.label));
  out += entry("construction", escape_html(dashed(text_at(certified, "construction"))));
  out += entry("verdict", escape_html(text_at(certificate, "verdict")));
  out += entry("reason", escape_html(text_at(certificate, "reason")));
  out += entry("inputs covered", large_count(text_at(certificate, "inputs")));
  out += entry("margin, at least", format_margin(number_at(certificate, "margin", 0)));
  out += entry("method", escape_html(dashed(text_at(certificate, "method"))));
  const Json& claim = member_at(certificate, "claim");
  out += entry("arithmetic", escape_html(text_at(claim, "arithmetic")));
  out += entry("theorem", escape_html(text_at(claim, "theorem")));
  out += entry("trusted base", escape_html(text_at(certificate, "trusted_base")));
  out += entry("weights, SHA-256",
               "<code>" + escape_html(text_at(certificate, "weights_sha256")) + "</code>");
  return out + "</dl>\n" + raw_json("The certificate as JSON", certificate);
}

/// "N training runs: 2 models, lengths 5 to 20, widths 8 to 64; 12 solved the task, ...".
std::string runs_sentence(const ReportData& data) {
  std::set<std::string> models;
  std::set<Index> lengths, widths;
  Index solved = 0, diverged = 0, failed = 0, unfinished = 0;
  for (const Cell& cell : data.cells) {
    models.insert(cell.best().model_label);
    lengths.insert(cell.best().length);
    widths.insert(cell.best().width);
    solved += cell.count(&Setting::solved);
    diverged += cell.count(&Setting::diverged);
    failed += cell.count(&Setting::failed);
    unfinished += cell.count(&Setting::unfinished);
  }
  if (models.empty()) return "No training runs.";
  const auto range = [](const char* what, const std::set<Index>& all) {
    return all.size() == 1 ? fmt::format("{} {}", what, *all.begin())
                           : fmt::format("{}s {} to {}", what, *all.begin(), *all.rbegin());
  };
  std::string out = fmt::format("{} training runs of {} model{}, {}, {}: {} solved the task",
                                strong(format_count(Index(data.trials.size()))), models.size(),
                                models.size() == 1 ? "" : "s", range("length", lengths),
                                range("width", widths), strong(format_count(solved)));
  if (diverged > 0) out += fmt::format(", {} diverged", format_count(diverged));
  if (failed > 0) out += fmt::format(", {} failed", format_count(failed));
  if (unfinished > 0) out += fmt::format("; {} are not finished", format_count(unfinished));
  return out + ".";
}

std::string experiment_title(const ReportExperiment& experiment) {
  if (!experiment.rows.empty())
    return fmt::format("{}, length&nbsp;{}", escape_html(task_title(experiment.task)),
                       experiment.length);
  return escape_html(experiment.title.empty() ? experiment.name : experiment.title);
}

/// What a header says under the title.
std::string experiment_words(const ReportExperiment& experiment) {
  std::string out;
  if (!experiment.description.empty())
    out += "<p class=\"task\">" + escape_html(experiment.description) + "</p>\n";
  if (const std::string words = lede(experiment); !words.empty())
    out += "<p class=\"lede\">" + words + "</p>\n";
  if (experiment.interrupted)
    out +=
        "<p class=\"note\">This search was interrupted. The figures are those of the trials that "
        "had ended; the same command goes on where it stopped.</p>\n";
  return out;
}

/// How to run it again, and where it ran.
std::string experiment_facts(const ReportExperiment& experiment) {
  std::string out;
  if (!experiment.command.empty())
    out += "<pre class=\"command\">" + escape_html(experiment.command) + "</pre>\n";
  out += "<dl class=\"facts\">\n";
  if (experiment.machine.is_object())
    for (const auto& [key, value] : experiment.machine.items())
      out += entry(key, escape_html(value.is_string() ? value.get<std::string>() : value.dump()));
  out += entry("experiment", "<code>" + escape_html(experiment.name) + "</code>");
  out += entry("source", escape_html(experiment.source));
  out += entry("budget", escape_html(experiment.budget));
  return out + "</dl>\n";
}

std::string folded(const std::string& summary, const std::string& content) {
  if (content.empty()) return {};
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", summary, content);
}

}  // namespace

std::string lede(const ReportExperiment& experiment) {
  std::string out;
  if (const SeparationRow* row = experiment.recurrent_row())
    out += recurrent_sentences(*row, experiment.length);
  for (const SeparationRow& row : experiment.rows)
    if (&row != experiment.recurrent_row()) out += transformer_sentences(row);
  return out + learned_sentences(experiment);
}

std::string header_part(const ReportData& data, const std::string& date) {
  const ReportExperiment* only = data.only();
  std::string out = fmt::format(
      "<header>\n<p class=\"brand\"><span>Separatrix</span> <span>{}</span></p>\n<h1>{}</h1>\n",
      escape_html(date),
      only != nullptr ? experiment_title(*only)
                      : fmt::format("{} experiments", data.experiments.size()));
  if (only != nullptr) out += experiment_words(*only);
  if (only == nullptr || only->rows.empty())
    out += "<p class=\"lede\">" + runs_sentence(data) + "</p>\n";
  if (only == nullptr) {
    out += "<ul class=\"contents\">\n";
    for (size_t i = 0; i < data.experiments.size(); ++i)
      out += fmt::format("<li><a href=\"#experiment-{}\">{}</a></li>\n", i + 1,
                         experiment_title(data.experiments[i]));
    out += "</ul>\n";
  }
  return out + "</header>\n";
}

std::string experiments_part(const ReportData& data) {
  std::string out;
  for (size_t i = 0; i < data.experiments.size(); ++i) {
    const ReportExperiment& experiment = data.experiments[i];
    out += page_section(
        fmt::format("experiment-{}", i + 1), experiment_title(experiment),
        experiment_words(experiment) + numbers_content(experiment) +
            folded("Inside the certified models", inside_content(experiment.examples)) +
            folded("The proofs", proofs_content(experiment)) +
            folded("To run it again", experiment_facts(experiment)));
  }
  return out;
}

std::string numbers_content(const ReportExperiment& data) {
  if (data.rows.empty()) return {};
  const std::string criterion =
      data.criterion ? "<small>" + escape_html(criterion_text(*data.criterion)) + "</small>" : "";
  std::string out =
      "<table class=\"three\">\n<thead><tr><td></td><th scope=\"col\">Impossible below"
      "<small>proved</small></th><th scope=\"col\">Certified at<small>proved</small></th>"
      "<th scope=\"col\">Learned at" +
      criterion + "</th></tr></thead>\n<tbody>\n";
  for (const SeparationRow& row : data.rows)
    out += fmt::format(
        "<tr><th scope=\"row\">{}</th><td data-label=\"Impossible below\"><div>{}</div></td>"
        "<td data-label=\"Certified at\"><div>{}</div></td><td data-label=\"Learned "
        "at\"><div>{}</div></td></tr>\n",
        escape_html(row.label), impossible_cell(row), certified_cell(row), learned_cell(row));
  return out + "</tbody>\n</table>\n";
}

std::string proofs_content(const ReportExperiment& data) {
  std::string records;
  for (const SeparationRow& row : data.rows) records += bound_record(row) + certificate_record(row);
  if (records.empty()) return {};
  return "<div class=\"records\">\n" + records + "</div>\n";
}

std::string again_section(const ReportData& data) {
  std::string out =
      "<p>The same command and seed run the same trials, and each gives the same bits with any "
      "number of threads and after any interruption. Seconds are this machine&rsquo;s. "
      "<code>results.csv</code> beside this page has one line for each trial, "
      "<code>charts/</code> the specification of each figure.</p>\n";
  if (const ReportExperiment* only = data.only()) out += experiment_facts(*only);
  return page_section("again", "To get this page again", out);
}

}  // namespace separatrix
