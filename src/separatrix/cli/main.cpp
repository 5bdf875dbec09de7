#include <csignal>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "separatrix/cli/session.h"
#include "separatrix/lab/machine.h"

namespace separatrix {
namespace {

// Signal handlers reach nothing but statics; this is the one place that has any.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> stop_requested{false};
std::atomic<int> stop_signal{0};
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

/// First signal: finish the step, checkpoint, say how to resume. Second: leave at once.
extern "C" void on_signal(int signal) {
  if (stop_requested.exchange(true)) ::_exit(128 + signal);
  stop_signal = signal;
}

struct CommandEntry {
  const char *name, *summary, *example;
  void (*add)(Command, Session&);
};
constexpr CommandEntry kCommands[] = {
    {"separate", "The main job: bound, construct, certify, train, report, side by side",
     "separatrix separate index-lookup --length 20 --budget quick", add_separate},
    {"run", "Train an experiment file's trials, whatever the store does not hold yet",
     "separatrix run experiments/parity-eigenvalues.yaml --dry-run", add_run},
    {"recipe", "A published experiment, its values beside ours",
     "separatrix recipe paper-figure-2-index-lookup --budget quick", add_recipe},
    {"bound", "Every lower bound that applies, with its witness",
     "separatrix bound index-lookup --length 20 --check", add_bound},
    {"codes", "Address codes: width, leak, temperature and what each number format holds",
     "separatrix codes --positions 1000", add_codes},
    {"construct", "Write the weights of a theorem",
     "separatrix construct index-lookup-transformer --length 20 -o lookup.safetensors",
     add_construct},
    {"certify", "Prove or refute that a model is right on every input of a length",
     "separatrix certify lookup.safetensors -o lookup.certificate.json", add_certify},
    {"recheck", "Verify a certificate without the code that made it",
     "separatrix recheck lookup.certificate.json lookup.safetensors", add_recheck},
    {"train", "Train one model",
     "separatrix train index-lookup --length 20 --model transformer --d-model 32 -o m.safetensors",
     add_train},
    {"evaluate", "Accuracy on fresh inputs, with the chance level",
     "separatrix evaluate m.safetensors index-lookup --length 20 --examples 5000", add_evaluate},
    {"predict", "Logits and answers for inputs on standard input",
     "echo '{\"tokens\":[3,1,2,64]}' | separatrix predict m.safetensors", add_predict},
    {"explain", "What a model does with one input: what each layer looks at and writes",
     "separatrix explain lookup.safetensors --seed 1", add_explain},
    {"refute", "Search an input on which a model is wrong",
     "separatrix refute m.safetensors index-lookup --length 20 --seconds 30", add_refute},
    {"sample", "Print instances of a task, or write them as a data set",
     "separatrix sample index-lookup --length 5 --alphabet 4 --count 3", add_sample},
    {"report", "One self-contained HTML page from a store",
     "separatrix report --store separatrix.db -o separatrix-report", add_report},
    {"merge", "Take over what other stores hold, such as those of shards",
     "separatrix merge shard-1.db shard-2.db --store all.db", add_merge},
    {"export", "Results of a store for other programs: CSV, JSON Lines, TensorBoard",
     "separatrix export --store separatrix.db --format csv -o results", add_export},
    {"list", "What there is: tasks, models, blocks, bounds, constructions", "separatrix list tasks",
     add_list},
};
constexpr CommandEntry kBenchmarks[] = {
    {"train-step", "Time and rate of one training step",
     "separatrix bench train-step --model transformer --length 100 --batch 64",
     add_bench_train_step},
    {"scaling", "How the time of a step grows with length, width, batch and layers",
     "separatrix bench scaling --models transformer,lstm -o scaling.html", add_bench_scaling},
};

std::string version() {
  const Json machine = describe_machine();
  const auto text = [&](const char* key) { return machine.at(key).get<std::string>(); };
  return fmt::format("separatrix {} (commit {}, {}, {})", text("version"), text("commit"),
                     text("compiler"), text("simd"));
}

void print_error(const std::string& what, const std::string& where, const std::string& hint) {
  fmt::print(stderr, "separatrix: error: {}\n", what);
  if (!where.empty()) fmt::print(stderr, "  in: {}\n", where);
  if (!hint.empty()) fmt::print(stderr, "  hint: {}\n", hint);
}

CLI::App* add_entry(CLI::App& parent, const CommandEntry& entry, Session& session) {
  CLI::App* app = parent.add_subcommand(entry.name, entry.summary);
  app->footer(std::string("Example:\n  ") + entry.example);
  app->add_flag("--json", session.json, "print JSON, for scripts");
  app->add_flag("--quiet", session.quiet, "no progress on standard error");
  entry.add(Command(*app), session);
  return app;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

/// The first word that the parser cannot have understood: "unknown flag '--lrr'", or empty.
std::string find_unknown(const CLI::App& root, const CLI::App& app, std::vector<std::string> words,
                         std::vector<std::string>& known) {
  if (!app.get_parent() || !command_names(app).empty()) {
    known = command_names(app);
    std::size_t at = 0;  // past the commands that were understood
    for (const CLI::App* a = &app; a != &root; a = a->get_parent()) ++at;
    if (at < words.size() && !words[at].starts_with("-"))
      return "unknown command '" + words[at] + "'";
  }
  known.clear();
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const std::string& word : words) {
    const std::string flag = word.substr(0, word.find('='));
    if (flag.starts_with("--") && flag.size() > 2 && !contains_name(known, flag))
      return "unknown flag '" + flag + "'";
  }
  return {};
}

/// CLI11's complaint in this program's words: names the nearest match.
int explain(const CLI::App& root, const CLI::ParseError& error,
            const std::vector<std::string>& words) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  std::string full = app->get_name();
  for (const CLI::App* up = app->get_parent(); up != nullptr; up = up->get_parent())
    full = up->get_name() + " " + full;
  std::string hint = "see `" + full + " --help`";
  std::vector<std::string> known;
  std::string what = find_unknown(root, *app, words, known);
  if (what.empty()) {
    what = error.what();
  } else {
    const std::string word =
        what.substr(what.find('\'') + 1, what.rfind('\'') - what.find('\'') - 1);
    const std::string nearest = did_you_mean(word, known);
    if (nearest.starts_with("did you mean")) hint = nearest + " (" + hint + ")";
  }
  print_error(what, full, hint);
  return 2;
}

/// Names accept '-' and '_' alike: --d_model is --d-model.
std::vector<std::string> normalised(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string text = argv[i];
    if (text.starts_with("--"))
      for (char& c : text) {
        if (c == '=') break;
        if (c == '_') c = '-';
      }
    arguments.push_back(text);
  }
  return arguments;
}

int run(int argc, char** argv) {
  const Catalogue catalogue = Catalogue::builtin();
  Session session{catalogue, stop_requested};
  CLI::App app(
      "How small is impossible, how small is certified possible, how small is learnable:\n"
      "for any sequence task and any architecture.",
      "separatrix");
  app.footer("Example:\n  separatrix separate index-lookup --length 20 --budget quick");
  app.set_version_flag("--version", version(), "version, commit, compiler, SIMD target");
  app.require_subcommand(1);
  for (const CommandEntry& entry : kCommands) add_entry(app, entry, session);
  CLI::App* bench = app.add_subcommand("bench", "Measure this program's speed");
  bench->require_subcommand(1);
  bench->footer("Example:\n  separatrix bench train-step --model transformer --length 100");
  for (const CommandEntry& entry : kBenchmarks) add_entry(*bench, entry, session);
  const std::vector<std::string> words = normalised(argc, argv);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // it wants them reversed
  } catch (const CLI::Success& asked) {                                 // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    return explain(app, error, words);
  }
  if (stop_signal != 0) return 128 + stop_signal;
  return session.exit_code;
}

}  // namespace
}  // namespace separatrix

int main(int argc, char** argv) {
  using separatrix::print_error;
  std::signal(SIGINT, separatrix::on_signal);
  std::signal(SIGTERM, separatrix::on_signal);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then a failed write, with its message
  try {
    return separatrix::run(argc, argv);
  } catch (const separatrix::Error& error) {
    print_error(error.what(), error.where(), error.hint());
    const bool usage =
        error.kind() == separatrix::ErrorKind::usage || error.kind() == separatrix::ErrorKind::spec;
    return usage ? 2 : 3;
  } catch (const std::bad_alloc&) {
    print_error("not enough memory", "", "try a smaller length or width");
    return 3;
  } catch (const std::exception& error) {
    print_error(std::string("internal error: ") + error.what(), "",
                "this is a bug: please report it with the command");
    return 70;
  }
}
