#include <fmt/format.h>

#include "separatrix/base/file.h"
#include "separatrix/cli/session.h"
#include "separatrix/tasks/dataset.h"

namespace separatrix {
namespace {

struct SampleOptions {
  TaskArguments task;
  Index count = 5, holdout = 16;
  std::uint64_t seed = 0;
  std::string format = "text", split = "any", output;
};

DatasetSpec dataset_spec(const SampleOptions& o, const Session& session) {
  if (o.count < 1) throw Error(ErrorKind::usage, "count must be at least 1", "--count");
  if (o.holdout != 0 && o.holdout < 2)
    throw Error(ErrorKind::usage, "holdout must be 0 or at least 2", "--holdout");
  portion_of(o.split);
  return {.task = o.task.name(session),
          .task_config = o.task.config(session),
          .length = o.task.length(),
          .count = o.count,
          .seed = o.seed,
          .split = o.split,
          .holdout = o.holdout};
}

/// The lines of a line format, to standard output.
void print_lines(const DatasetFormat& format, const DatasetSpec& spec, const Task& task,
                 const Session& session) {
  Session plain = session;
  plain.json = false;  // the lines are JSON where they are to be
  for_each_drawn(spec, task, [&](auto tokens, auto targets) {
    plain.print({}, format.line(task, spec.length, tokens, targets));
    return !session.stop;
  });
}

/// A line format's writer to a file.
class LineWriter final : public DatasetWriter {
 public:
  LineWriter(const DatasetFormat& format, const Task& task, Index length, const std::string& path)
      : format_(format), task_(task), length_(length), file_(path) {}
  void add(std::span<const Token> tokens, std::span<const Token> targets) override {
    buffer_ += format_.line(task_, length_, tokens, targets);
    if (buffer_.size() >= std::size_t{1} << 20) flush();
  }
  void finish() override {
    flush();
    file_.commit();
  }

 private:
  void flush() {
    file_.append(buffer_);
    buffer_.clear();
  }

  const DatasetFormat& format_;
  const Task& task_;
  Index length_;
  AtomicFile file_;
  std::string buffer_;
};

void write_dataset(const DatasetFormat& format, const DatasetSpec& spec, const Task& task,
                   const std::string& path, const Session& session) {
  const std::unique_ptr<DatasetWriter> writer =
      format.open != nullptr ? format.open(spec, task, path)
                             : std::make_unique<LineWriter>(format, task, spec.length, path);
  const bool all = for_each_drawn(spec, task, [&](auto tokens, auto targets) {
    writer->add(tokens, targets);
    return !session.stop;
  });
  if (!all) return;  // interrupted: what stood at the path stays
  writer->finish();
  session.print({{"output", path}, {"spec", to_json(spec)}},
                fmt::format("{}: {} instances\n", path, spec.count));
}

}  // namespace

/// `separatrix sample TASK --length N --count K [--format F] [--split S] [-o PATH]`
void add_sample(Command command, Session& session) {
  auto o = std::make_shared<SampleOptions>();
  std::string formats;
  for (const DatasetFormat& format : dataset_formats())
    formats += (formats.empty() ? "" : "; ") + std::string(format.name) + ": " + format.summary;
  o->task.add(command, session);
  command.option("count", o->count, "how many instances");
  command.option("seed", o->seed, "fixes the draw");
  command.option("format", o->format, formats);
  command.option("split", o->split,
                 "train and test share no input: test are those that training never sees");
  command.option("holdout", o->holdout,
                 "one input in so many is of test, as in train; 0 = all inputs are of both");
  command.output(o->output, "file (flare: folder) to write; text and jsonl can do without");
  command.run([o, &session] {
    const auto task = o->task.make(session);
    const DatasetSpec spec = dataset_spec(*o, session);
    const bool lines_asked = o->output.empty() && session.json && o->format == "text";
    const DatasetFormat& format = find_dataset_format(lines_asked ? "jsonl" : o->format);
    if (!o->output.empty()) return write_dataset(format, spec, *task, o->output, session);
    if (format.line == nullptr)
      throw Error(ErrorKind::usage, std::string(format.name) + " needs a place to write to", "-o",
                  "name one by -o");
    print_lines(format, spec, *task, session);
  });
}

}  // namespace separatrix
