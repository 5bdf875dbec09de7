#include <cstring>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/model/model_file.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

/// A file with this header text and this many zero bytes of data.
std::string raw(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, '\0');
}
std::string entry(const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "\"F32\"") {
  return R"({"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}
/// The message of the Error that parsing must throw.
std::string refusal(const std::string& bytes) {
  try {
    parse_safetensors(bytes, "m.safetensors");
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::io);
    EXPECT_EQ(e.where().substr(0, 13), "m.safetensors");
    return e.what();
  }
  ADD_FAILURE() << "was accepted: " << bytes.substr(8);
  return {};
}
std::string refusal_of_header(const std::string& header, std::size_t data_bytes = 4) {
  return refusal(raw(header, data_bytes));
}

TensorFile example() {
  TensorFile file;
  const float inf = std::numeric_limits<float>::infinity();
  file.tensors = {{"b", {2, 3}, {1, -2, 3.5F, -0.0F, inf, 1e-45F}},
                  {"a", {}, {7}},
                  {"nothing", {0, 5}, {}},
                  {"ü", {1}, {-1}}};
  file.metadata = {{"key", "value"}, {"json", R"({"x":1})"}};
  return file;
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const TensorFile file = example();
  const std::string bytes = write_safetensors(file);
  const TensorFile read = parse_safetensors(bytes, "x");
  EXPECT_EQ(read.metadata, file.metadata);
  ASSERT_EQ(read.tensors.size(), file.tensors.size());
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    EXPECT_EQ(read.tensors[i].name, file.tensors[i].name);
    EXPECT_EQ(read.tensors[i].shape, file.tensors[i].shape);
    ASSERT_EQ(read.tensors[i].values.size(), file.tensors[i].values.size());
    EXPECT_EQ(std::memcmp(read.tensors[i].values.data(), file.tensors[i].values.data(),
                          4 * file.tensors[i].values.size()),
              0);
  }
  EXPECT_EQ(write_safetensors(read), bytes);
}

TEST(Safetensors, DataStartsAtAMultipleOfEight) {
  for (int n = 1; n < 10; ++n) {
    TensorFile file;
    file.tensors = {{std::string(std::size_t(n), 'x'), {1}, {1}}};
    const std::string bytes = write_safetensors(file);
    EXPECT_EQ((bytes.size() - 4) % 8, 0U);
    EXPECT_EQ(bytes[8], '{');
  }
  EXPECT_TRUE(parse_safetensors(write_safetensors({}), "x").tensors.empty());
}

TEST(Safetensors, CutAnywhereItIsRefused) {
  const std::string bytes = write_safetensors(example());
  for (std::size_t n = 0; n < bytes.size(); ++n) refusal(bytes.substr(0, n));
  refusal(bytes + '\0');
}

TEST(Safetensors, TheHeadersLengthIsChecked) {
  EXPECT_THAT(refusal(std::string(8, '\xff') + "{}"), HasSubstr("beyond the file"));
  EXPECT_THAT(refusal(std::string("\x03\0\0\0\0\0\0\0{}", 10)), HasSubstr("beyond the file"));
  EXPECT_THAT(refusal(std::string("\0\0\0\0\0\0\0\0", 8)), HasSubstr("no JSON map"));
  EXPECT_THAT(refusal_of_header(" {}"), HasSubstr("no JSON map"));
  EXPECT_THAT(refusal_of_header("[1]"), HasSubstr("no JSON map"));
  EXPECT_THAT(refusal_of_header("{\"a\":"), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of_header("{\"a\":" + std::string(100000, '[')), HasSubstr("nested deeper"));
}

TEST(Safetensors, EntriesAreChecked) {
  EXPECT_EQ(parse_safetensors(raw("{\"a\":" + entry("[1]", "[0,4]") + "}", 4), "x").tensors.size(),
            1U);  // the sound one that the rest are mutations of
  const auto one = [](const std::string& e) { return refusal_of_header("{\"a\":" + e + "}"); };
  EXPECT_THAT(one("3"), HasSubstr("dtype, shape and data_offsets"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[1]})"), HasSubstr("dtype, shape and data_offsets"));
  EXPECT_THAT(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})"),
              HasSubstr("dtype, shape and data_offsets"));
  EXPECT_THAT(one(entry("[1]", "[0,4]", "\"BF16\"")), HasSubstr("dtype \"BF16\", only F32"));
  EXPECT_THAT(one(entry("[1]", "[0,4]", "5")), HasSubstr("dtype 5"));
  EXPECT_THAT(one(entry("1", "[0,4]")), HasSubstr("list as shape"));
  EXPECT_THAT(one(entry("[-1]", "[0,4]")), HasSubstr("no size: -1"));
  EXPECT_THAT(one(entry("[1.0]", "[0,4]")), HasSubstr("no size"));
  EXPECT_THAT(one(entry("[\"1\"]", "[0,4]")), HasSubstr("no size"));
  EXPECT_THAT(one(entry("[9223372036854775808]", "[0,4]")), HasSubstr("no size"));
  EXPECT_THAT(one(entry("[4611686018427387905]", "[0,4]")), HasSubstr("impossible shape"));
  EXPECT_THAT(one(entry("[4294967296,4294967297]", "[0,4]")), HasSubstr("impossible shape"));
  EXPECT_THAT(one(entry("[1]", "[4]")), HasSubstr("two data_offsets"));
  EXPECT_THAT(one(entry("[1]", "[-4,0]")), HasSubstr("no size"));
  EXPECT_THAT(one(entry("[1]", "[4,0]")), HasSubstr("do not fit its shape"));
  EXPECT_THAT(one(entry("[2]", "[0,4]")), HasSubstr("do not fit its shape"));
  EXPECT_THAT(one(entry("[1]", "[0,3]")), HasSubstr("do not fit its shape"));
  EXPECT_THAT(one(entry("[1000000000]", "[0,4000000000]")), HasSubstr("the file holds 4"));
  EXPECT_THAT(one(entry("[1]", "[4,8]")), HasSubstr("follows a gap"));
  EXPECT_THAT(one(entry("[]", "[0,4]") + ",\"a\":" + entry("[]", "[0,4]")),
              HasSubstr("'a' appears twice"));
}

TEST(Safetensors, TensorsMustTileTheData) {
  const auto two = [](const std::string& a, const std::string& b, std::size_t bytes) {
    return raw("{\"a\":" + entry("[1]", a) + ",\"b\":" + entry("[1]", b) + "}", bytes);
  };
  EXPECT_NO_THROW(parse_safetensors(two("[4,8]", "[0,4]", 8), "x"));  // any order of names
  EXPECT_THAT(refusal(two("[0,4]", "[0,4]", 4)), HasSubstr("overlaps"));
  EXPECT_THAT(refusal(two("[0,4]", "[2,6]", 6)), HasSubstr("overlaps"));
  EXPECT_THAT(refusal(two("[0,4]", "[8,12]", 12)), HasSubstr("gap"));
  EXPECT_THAT(refusal(two("[0,4]", "[4,8]", 12)), HasSubstr("the file holds 12"));
  EXPECT_THAT(refusal(two("[0,4]", "[4,8]", 4)), HasSubstr("the file holds 4"));
}

TEST(Safetensors, MetadataAreTexts) {
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":{"a":1}})", 0), HasSubstr("text to text"));
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":"a"})", 0), HasSubstr("text to text"));
  EXPECT_THAT(refusal_of_header(R"({"__metadata__":{"a":"1","a":"2"}})", 0),
              HasSubstr("appears twice"));
}

}  // namespace
}  // namespace separatrix
