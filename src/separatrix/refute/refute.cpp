#include <algorithm>

#include "separatrix/refute/attack.h"

namespace separatrix {

RefuteReport refute(const Target& target, const Registry<Attack>& attacks,
                    const AttackOptions& options, const std::string& method) {
  std::vector<std::string> names = attacks.names();
  if (!method.empty()) names = {attacks.find(method).name};
  RefuteReport report;
  double left = options.seconds;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (options.stop != nullptr && *options.stop) break;
    AttackOptions share = options;
    share.seconds = left / double(names.size() - i);
    if (options.progress)
      share.progress = [&, name = names[i]](const std::string& doing) {
        options.progress(name + ": " + doing);
      };
    AttackResult result = attacks.make(names[i])->run(target, share);
    left = std::max(0.0, left - result.seconds);
    report.found = result.found;
    report.tried.emplace_back(names[i], std::move(result));
    if (report.found) break;
  }
  return report;
}

}  // namespace separatrix
