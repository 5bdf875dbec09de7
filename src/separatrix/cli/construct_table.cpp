#include "separatrix/cli/construct_table.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "separatrix/base/names.h"
#include "separatrix/cli/variants.h"
#include "separatrix/lab/evidence.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

struct Cell {
  std::tuple<Index, Index> rank;  ///< bits of state, width: smaller is better
  std::string text;
  Json json;
};

/// By row of the table of three numbers: "recurrent state", "transformer 1 layer", ...
using Cells = std::map<std::string, Cell>;

Cell make_cell(const std::string& name, const Claim& claim, const Built& built,
               const Registry<Block>& blocks) {
  Cell cell;
  cell.json = describe_built(name, claim, built, blocks);
  cell.json["claim"] = to_json(claim);
  const ModelSpec& spec = built.weights.spec;
  const auto bits = state_bits(spec, blocks);
  cell.rank = {bits.value_or(0), spec.d_model};
  const Index heads = cell.json.at("heads");
  cell.text = bits        ? fmt::format("{} bits", *bits)
              : heads > 1 ? fmt::format("width {}, {} heads", spec.d_model, heads)
                          : fmt::format("width {}", spec.d_model);
  return cell;
}

Cells cells_of(const std::string& task, const ConstructionRequest& request,
               const Session& session) {
  const Catalogue& catalogue = session.catalogue;
  Cells cells;
  for (const auto& entry : catalogue.constructions.entries()) {
    const auto construction = catalogue.constructions.make(entry.name);
    if (!same_name(construction->task(), task)) continue;
    try {
      const auto claim = construction->claim(request);
      if (!claim) continue;
      const Built built = construction->build(request, catalogue.blocks);
      const std::string row = row_of(built.weights.spec, catalogue.blocks);
      Cell cell = make_cell(entry.name, *claim, built, catalogue.blocks);
      const auto at = cells.find(row);
      if (at == cells.end())
        cells.emplace(row, std::move(cell));
      else if (cell.rank < at->second.rank)
        at->second = std::move(cell);
    } catch (const Error&) {
      continue;  // it will not fit
    }
  }
  return cells;
}

}  // namespace

void print_construct_table(Index length, Arithmetic format, Session& session) {
  const std::vector<std::string> columns = {kRecurrentRow, transformer_row(1), transformer_row(2),
                                            transformer_row(3)};
  std::string text = "| task |", line = "|---|";
  for (const std::string& column : columns) {
    text += " " + column + " |";
    line += "---|";
  }
  text += "\n" + line + "\n";
  Json rows = Json::array();
  for_each_variant(session.catalogue.tasks, [&](const Registry<Task>::Entry& entry,
                                                const Json& config, const std::string& name) {
    const auto task = entry.make(config, entry.name);
    try {
      task->check_length(length);
    } catch (const Error&) {
      return;  // no instances of that length
    }
    const Json full = entry.resolve(config, entry.name);
    const Cells cells = cells_of(entry.name, {full, length, format}, session);
    if (cells.empty()) return;
    Json row = {{"task", entry.name}, {"task_config", full}};
    text += "| " + name + " |";
    for (const std::string& column : columns) {
      const auto at = cells.find(column);
      text += " " + (at == cells.end() ? "-" : at->second.text) + " |";
      row[column] = at == cells.end() ? Json(nullptr) : at->second.json;
    }
    text += "\n";
    rows.push_back(std::move(row));
  });
  session.print({{"length", length}, {"format", to_string(format)}, {"tasks", rows}}, text);
}

}  // namespace separatrix
