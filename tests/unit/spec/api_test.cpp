#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::spec {
namespace {

using test::load;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Api, LoadsASmallDocumentInSilence) {
  const auto loaded = load(R"(openapi: 3.0.0
info:
  title: Shop
  version: 1.0.0
x-yc-apigateway:
  service_account_id: aje1
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: false}
    get:
      summary: One order
      parameters:
        - {name: full, in: query, schema: {type: array, default: [1, 2.50]}}
      x-yc-apigateway-integration:
        type: cloud-functions
        function_id: d4e1
)");
  EXPECT_THAT(test::texts(loaded.diagnostics), IsEmpty());
  ASSERT_NE(loaded.api, nullptr);
  const Api& api = *loaded.api;
  EXPECT_EQ(api.title, "Shop");
  EXPECT_EQ(api.version, "1.0.0");
  EXPECT_EQ(api.openapi, "3.0.0");
  EXPECT_EQ(api.service_account_id, "aje1");
  EXPECT_TRUE(api.ignore_trailing_slashes);
  ASSERT_EQ(api.paths.size(), 1U);
  ASSERT_EQ(api.paths[0].operations.size(), 1U);
  const Operation& operation = api.paths[0].operations[0];
  EXPECT_EQ(operation.method, "GET");
  EXPECT_EQ(operation.summary, "One order");
  EXPECT_FALSE(operation.operation_id_given);
  EXPECT_EQ(operation.operation_id.size(), 64U);
  ASSERT_EQ(operation.parameters.size(), 2U);
  EXPECT_EQ(operation.parameters[0].name, "id");
  EXPECT_TRUE(operation.parameters[0].required);
  EXPECT_EQ(operation.parameters[1].shape, ParameterShape::array);
  ASSERT_TRUE(operation.parameters[1].default_values.has_value());
  EXPECT_THAT(*operation.parameters[1].default_values, ElementsAre("1", "2.50"));
}

}  // namespace
}  // namespace sluice::spec
