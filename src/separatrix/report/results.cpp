#include "separatrix/report/results.h"

#include <fmt/format.h>

#include "separatrix/report/text.h"

namespace separatrix {
namespace {

std::string number_or_empty(const Json& json, const char* key) {
  const Json& value = member_at(json, key);
  return value.is_number() ? value.dump() : std::string();
}

std::string trial_line(const ReportTrial& trial) {
  const TrialSpec& spec = trial.stored.spec;
  const Json& result = trial.stored.result;
  std::vector<std::string> fields = {trial.stored.id,
                                     spec.task,
                                     std::to_string(spec.length),
                                     trial.model,
                                     std::to_string(trial.layers),
                                     std::to_string(trial.width),
                                     trial.state_bits ? std::to_string(*trial.state_bits) : "",
                                     fmt::format("{}", spec.train.lr),
                                     std::to_string(spec.seed),
                                     std::to_string(spec.train.batch_size),
                                     std::to_string(spec.train.steps),
                                     fmt::format("{}", spec.train.target_accuracy),
                                     to_string(trial.stored.status),
                                     trial.outcome};
  if (trial.last)
    fields.insert(fields.end(),
                  {std::to_string(trial.last->step), fmt::format("{}", trial.last->train_loss),
                   fmt::format("{}", trial.last->token_accuracy),
                   fmt::format("{}", trial.last->sequence_accuracy)});
  else
    fields.insert(fields.end(), 4, "");
  fields.push_back(number_or_empty(result, "seconds"));
  fields.push_back(number_or_empty(result, "tokens_per_second"));
  fields.push_back(trial.stored.error);
  std::string line;
  for (const std::string& field : fields) line += (line.empty() ? "" : ",") + csv_field(field);
  return line + "\n";
}

}  // namespace

std::string results_csv(const ReportData& data) {
  std::string out =
      "trial,task,length,model,layers,width,state_bits,lr,seed,batch_size,steps_limit,"
      "target_accuracy,status,outcome,step,train_loss,token_accuracy,sequence_accuracy,seconds,"
      "tokens_per_second,error\n";
  for (const ReportTrial& trial : data.trials) out += trial_line(trial);
  return out;
}

}  // namespace separatrix
