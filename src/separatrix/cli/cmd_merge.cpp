#include <filesystem>

#include <fmt/format.h>

#include "separatrix/cli/session.h"
#include "separatrix/lab/merge.h"

namespace separatrix {

/// `separatrix merge STORE... --store FILE`
void add_merge(Command command, Session& session) {
  struct Options {
    std::vector<std::string> from;
    std::string store = "separatrix.db";
  };
  auto o = std::make_shared<Options>();
  command.arguments("STORES", o->from, "the stores to take over, such as those of shards");
  command.option("store", o->store, "what they are merged into; created if absent");
  command.run([o, &session] {
    for (const std::string& path : o->from) {
      if (!std::filesystem::exists(path))
        throw Error(ErrorKind::io, "there is no such store", path, "check the path");
      if (std::filesystem::exists(o->store) && std::filesystem::equivalent(path, o->store))
        throw Error(ErrorKind::usage, "a store cannot be merged into itself", path,
                    "name another by --store");
    }
    Store into(o->store);
    Merged all;
    for (const std::string& path : o->from) {
      const Merged one = merge_store(Store(path), into);
      all.trials += one.trials;
      all.finished += one.finished;
    }
    session.print({{"store", o->store}, {"trials", all.trials}, {"finished", all.finished}},
                  fmt::format("{}: {} trials new, {} results taken over\n", o->store, all.trials,
                              all.finished));
  });
}

}  // namespace separatrix
