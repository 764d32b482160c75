#include "sluice/spec/integration_types.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.hpp"

namespace sluice::spec {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

TEST(IntegrationTypes, AreTheTenOfTheContract) {
  EXPECT_THAT(integration_type_names(),
              ElementsAre("dummy", "http", "cloud_functions", "serverless_containers", "object_storage",
                          "cloud_datasphere", "cloud_datastreams", "cloud_ymq", "cloud_ydb", "swagger"));
}

struct OptionsCase {
  std::string name;
  std::string options;
  std::vector<std::string> expected;
};

void PrintTo(const OptionsCase& value, std::ostream* out) {
  *out << value.name;
}

class Options : public ::testing::TestWithParam<OptionsCase> {};

TEST_P(Options, AreChecked) {
  Diagnostics diagnostics;
  const auto document =
      Document::load(test::memory_options({{"api.yaml", "i: {" + GetParam().options + "}\n"}}), diagnostics);
  ASSERT_NE(document, nullptr) << ::testing::PrintToString(test::texts(diagnostics));
  check_integration_options(*document, *document->root().find("i"), diagnostics);
  diagnostics.sort();
  EXPECT_THAT(test::summary(diagnostics), ElementsAreArray(GetParam().expected))
      << ::testing::PrintToString(test::texts(diagnostics));
}

INSTANTIATE_TEST_SUITE_P(
    Types, Options,
    ::testing::Values(
        OptionsCase{"dummy", "type: dummy, http_code: 204, http_headers: {A: b}, content: x", {}},
        OptionsCase{"dummy_bad",
                    "type: dummy, http_code: 700, http_headers: [a], content: [x]",
                    {"1:29: error out-of-range", "1:48: error wrong-type", "1:62: error wrong-type"}},
        OptionsCase{"http",
                    "type: http, url: 'http://x', method: GET, headers: {}, query: {}, timeouts: {}, "
                    "omitEmptyHeaders: true, omit_empty_query_parameters: true, service_account: a",
                    {}},
        OptionsCase{"http_bad",
                    "type: http, method: [GET], omitEmptyHeaders: maybe",
                    {"1:4: error missing-option", "1:25: error wrong-type", "1:50: error wrong-type"}},
        OptionsCase{"functions",
                    "type: cloud-functions, function_id: f, tag: $latest, payload_format_version: 1.0, "
                    "serviceAccountId: a, context: {a: [1]}",
                    {}},
        OptionsCase{"functions_bad",
                    "type: cloud_functions, payload_format_version: 2, function: f",
                    {"1:4: error missing-option", "1:52: error unknown-value", "1:55: warning unknown-key"}},
        OptionsCase{"containers", "type: serverless_containers, container_id: c, context: x", {}},
        OptionsCase{
            "containers_bad", "type: serverless_containers, container_id: 5", {"1:48: error wrong-type"}},
        OptionsCase{"storage",
                    "type: object_storage, bucket: b, object: '{o}', error_object: {object: e, "
                    "statusCode: 404}, default_object: d, presigned_redirect: true",
                    {}},
        OptionsCase{"storage_text", "type: object_storage, bucket: b, object: o, error_object: e", {}},
        OptionsCase{"storage_bad",
                    "type: object_storage, error_object: {statusCode: 40}, presigned_redirect: 1",
                    {"1:4: error missing-option", "1:4: error missing-option", "1:41: error missing-option",
                     "1:54: error out-of-range", "1:79: error wrong-type"}},
        OptionsCase{
            "datasphere", "type: cloud_datasphere, folder_id: f, node_id: n, service_account_id: a", {}},
        OptionsCase{"datasphere_bad",
                    "type: cloud_datasphere, node: n",
                    {"1:4: error missing-option", "1:4: error missing-option", "1:29: warning unknown-key"}},
        OptionsCase{"streams",
                    "type: cloud_datastreams, action: PutRecord, stream_name: s, partition_key: '{k}', "
                    "payload_format_type: request",
                    {}},
        OptionsCase{"streams_bad",
                    "type: cloud_datastreams, action: PutRecords, payload_format_type: all",
                    {"1:4: error missing-option", "1:38: error unknown-value", "1:71: error unknown-value"}},
        OptionsCase{"queue",
                    "type: cloud_ymq, action: SendMessage, queue_url: u, folder_id: f, delay_seconds: 5",
                    {}},
        OptionsCase{"queue_bad",
                    "type: cloud_ymq, queue: u",
                    {"1:4: error missing-option", "1:4: error missing-option", "1:22: warning unknown-key"}},
        OptionsCase{"ydb",
                    "type: cloud_ydb, action: GetItem, database: d, table_name: t, key: '{\"id\": \"{id}\"}'",
                    {}},
        OptionsCase{"ydb_scan",
                    "type: cloud_ydb, action: Scan, database: d, table_name: t, limit: '{l}', "
                    "exclusive_start_key: x",
                    {}},
        OptionsCase{"ydb_bad",
                    "type: cloud_ydb, action: DeleteItem, table_name: t",
                    {"1:4: error missing-option", "1:4: error missing-option"}},
        OptionsCase{"swagger", "type: swagger", {}},
        OptionsCase{"swagger_bad", "type: swagger, url: x", {"1:20: warning unknown-key"}},
        OptionsCase{"unknown", "type: nothing, url: x", {}}),
    [](const auto& info) { return info.param.name; });

TEST(IntegrationTypes, AreReadWithDashesAndThroughReferences) {
  Diagnostics diagnostics;
  const auto document = Document::load(
      test::memory_options(
          {{"api.yaml", "a: {$ref: '#/b'}\nb: {type: object-storage}\nc: {type: [x]}\nd: {}\n"}}),
      diagnostics);
  const Node& root = document->root();
  EXPECT_EQ(integration_type(*document, *root.find("a")), "object_storage");
  EXPECT_EQ(integration_type(*document, *root.find("c")), "");
  EXPECT_EQ(integration_type(*document, *root.find("d")), "");
}

}  // namespace
}  // namespace sluice::spec
