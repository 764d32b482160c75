#include "functions/runtime/failure.hpp"

#include <gtest/gtest.h>

namespace sluice::functions::runtime {
namespace {

TEST(Failures, AreReadAsTheyAreWritten) {
  const Failure failure = read_failure(failure_payload("OutOfMemory", "no \"room\""));
  EXPECT_EQ(failure.message, "no \"room\"");
  EXPECT_EQ(failure.type, "OutOfMemory");
  EXPECT_EQ(failure.stack, "");
}

TEST(Failures, TheStackIsALineACall) {
  const Failure failure =
      read_failure(R"({"errorMessage": "m", "errorType": "T", "stackTrace": ["at a", 7, "at b"]})");
  EXPECT_EQ(failure.stack, "at a\nat b");
}

TEST(Failures, TheStackIsBoundedAndValid) {
  std::string payload = R"({"stackTrace": [)";
  for (int line = 0; line < 3000; ++line) {
    payload += "\"\u00e9\u00e9\u00e9\",";
  }
  payload += "\"end\"]}";
  const Failure failure = read_failure(payload);
  EXPECT_LE(failure.stack.size(), 8192U + 3U) << "a cut character becomes U+FFFD";
  EXPECT_GT(failure.stack.size(), 8000U);
  EXPECT_EQ(failure.stack.find("end"), std::string::npos);
}

TEST(Failures, NonsenseIsEmpty) {
  for (const char* payload :
       {"", "no", "[]", "7", R"({"errorMessage": 7, "errorType": [], "stackTrace": "x"})"}) {
    const Failure failure = read_failure(payload);
    EXPECT_EQ(failure.message + failure.type + failure.stack, "") << payload;
  }
}

TEST(Failure, CallersAreNotToldWhereTheFunctionLies) {
  const Failure failure{"bad (/srv/bot/main.py, line 1), not /srv/bot2/a.py: /srv/bot/b.py", "SyntaxError",
                        "at a"};
  EXPECT_EQ(failure_for_callers(failure, "/srv/bot"),
            failure_payload("SyntaxError", "bad (main.py, line 1), not /srv/bot2/a.py: b.py"));
  EXPECT_EQ(failure_for_callers(Failure{}, "/srv/bot"), failure_payload("", ""));
}

}  // namespace
}  // namespace sluice::functions::runtime
