#include "separatrix/bounds/bound.h"

#include <algorithm>
#include <cassert>

#include "separatrix/base/error.h"

namespace separatrix {

std::string to_string(Resource resource) {
  return resource == Resource::recurrent_state_bits ? "recurrent_state_bits"
                                                    : "one_layer_transformer_bits";
}

void check_numbers(const OneLayerNumbers& numbers) {
  constexpr double kMost = 0x1p20;  // no machine has more; sums of products stay far from overflow
  OneLayerNumbers copy(numbers);
  auto check = [&](const std::string& name, const auto& value, const char*) {
    using T = std::remove_cvref_t<decltype(value)>;
    const bool whole = std::is_integral_v<T>, width = name == "value_width";
    const double x = double(value);
    if (std::isfinite(x) && (width ? x >= 0 : x > 0) && (!whole || x <= kMost)) return;
    std::string flag = "--" + name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    throw Error(ErrorKind::usage, "value is out of range", flag,
                whole ? "choose a whole number from 1 to 1048576" : "choose a positive number");
  };
  visit(check, copy);
}

Index Bound::bits() const {
  assert(count >= 1);
  const mpz_class below = count - 1;  // ceil(log2 c) = number of binary digits of c - 1
  return below == 0 ? 0 : Index(mpz_sizeinbase(below.get_mpz_t(), 2));
}

Json to_json(const Bound& bound) {
  Json json = {{"method", bound.method},
               {"theorem", bound.theorem},
               {"resource", to_string(bound.resource)},
               {"length", bound.length},
               {"split", bound.split},
               {"bits", bound.bits()},
               {"count", bound.count.get_str()},
               {"exact", bound.exact},
               {"witness", bound.witness}};
  if (!bound.scope.empty()) json["scope"] = bound.scope;
  if (!bound.formula.empty()) json["formula"] = bound.formula;
  for (const CutCount& cut : bound.cuts)
    json["cuts"].push_back(
        {{"split", cut.split}, {"count", cut.count.get_str()}, {"exact", cut.exact}});
  if (bound.inequality) {
    const Inequality& i = *bound.inequality;
    json["inequality"] = {{"arithmetic", i.arithmetic},
                          {"partition", i.partition},
                          {"formula", i.formula},
                          {"needed", i.needed},
                          {"smallest_width", i.smallest_width}};
    if (i.satisfied) json["inequality"]["satisfied"] = *i.satisfied;
  }
  return json;
}

Bound read_bound(const Json& json, const std::string& where) {
  try {
    Bound bound;
    json.at("method").get_to(bound.method);
    const std::string resource = json.at("resource");
    bound.resource = resource == to_string(Resource::recurrent_state_bits)
                         ? Resource::recurrent_state_bits
                         : Resource::one_layer_transformer_bits;
    if (resource != to_string(bound.resource))
      throw Error(ErrorKind::spec, "unknown resource " + Json(resource).dump(), where);
    json.at("length").get_to(bound.length);
    json.at("split").get_to(bound.split);
    json.at("exact").get_to(bound.exact);
    bound.theorem = json.value("theorem", "");
    bound.scope = json.value("scope", "");
    bound.formula = json.value("formula", "");
    bound.witness = json.at("witness");
    if (bound.count.set_str(json.at("count").get<std::string>(), 10) != 0 || bound.count < 1)
      throw Error(ErrorKind::spec, "the count is not a whole number from 1 on", where);
    return bound;
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::spec, std::string("not a bound as --json prints it: ") + e.what(),
                where);
  }
}

}  // namespace separatrix
