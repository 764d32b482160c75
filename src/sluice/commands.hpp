/// The calls of the command line, one function each; they return the exit code. daemon.md, "Command line".
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sluice::cli {

/// 0: done; 1: mistakes were found, or nothing matched; 2: the call cannot be carried out as it was made.
enum ExitCode : int { exit_ok = 0, exit_mistakes = 1, exit_usage = 2 };

/// `mistaken`, of each: something in the call was wrong already; the rest is looked at, and nothing is done.
struct ServeArguments {
  std::string config;
  std::string spec;
  std::string listen;
  std::vector<std::string> variables;
  bool watch = false;
  bool mistaken = false;
};
int run_serve(const ServeArguments& arguments);

struct CheckArguments {
  std::vector<std::string> files;
  std::vector<std::string> configs;
  std::vector<std::string> variables;
  std::string format = "text";
  std::string policy;
  bool strict = false;
  bool mistaken = false;
};
int run_check(const CheckArguments& arguments);

struct RoutesArguments {
  std::string file;
  std::vector<std::string> variables;
  std::string format = "text";
  bool mistaken = false;
};
int run_routes(const RoutesArguments& arguments);

struct ExplainArguments {
  std::string file;
  std::string method;
  std::string url;
  std::vector<std::string> headers;
  std::string body;
  bool has_body = false;
  std::string config;
  std::vector<std::string> variables;
  std::string format = "text";
  bool mistaken = false;
};
int run_explain(const ExplainArguments& arguments);

int run_schema(const std::string& which);
int run_version(const std::string& format);

/// "sluice: TEXT" on stderr.
void complain(const std::string& text);
/// "NAME=VALUE" pairs; false after a complaint.
bool parse_variables(const std::vector<std::string>& pairs,
                     std::vector<std::pair<std::string, std::string>>& out);

}  // namespace sluice::cli
