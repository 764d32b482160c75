// Times the router alone: bench_route PATHS builds a table of that many templates and prints the time to
// match. A tenth of the templates has a parameter, a hundredth is greedy.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/gateway/router.hpp"
#include "sluice/http/target.hpp"
#include "sluice/spec/api.hpp"

namespace {

struct Table {
  std::vector<sluice::gateway::RouteInput> routes;
  std::vector<sluice::http::CanonicalPath> paths;
};

Table make_table(std::size_t count) {
  Table table;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string start = "/service" + std::to_string(i % 97) + "/resource" + std::to_string(i);
    std::string text = start + "/items";
    std::string path = text;
    if (i % 100 == 7) {
      text += "/{rest+}";
      path += "/one/two";
    } else if (i % 10 == 3) {
      text += "/{id}";
      path += "/4711";
    }
    auto parsed = sluice::spec::parse_path_template(text);
    auto canonical = sluice::http::CanonicalPath::parse(path);
    if (!parsed || !canonical) {
      std::fprintf(stderr, "bench_route: %s is refused\n", text.c_str());
      std::exit(1);
    }
    table.routes.push_back({std::move(*parsed), {"GET"}});
    table.paths.push_back(std::move(*canonical));
  }
  return table;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  const std::string_view argument = argc == 2 ? argv[1] : "";
  if (std::from_chars(argument.data(), argument.data() + argument.size(), count).ec != std::errc{} ||
      count == 0) {
    std::fprintf(stderr, "usage: bench_route PATHS\n");
    return 2;
  }
  Table table = make_table(count);
  const auto router = sluice::gateway::Router::build(table.routes, true);
  // The same few paths in turn, spread over the table: what is timed is the router, not the cache misses of
  // the test.
  std::vector<const sluice::http::CanonicalPath*> asked;
  for (std::size_t i = 0; i < 64; ++i) {
    asked.push_back(&table.paths[i * 7919 % count]);
  }
  constexpr int rounds = 7;
  constexpr int repeats = 4000;
  double best = 1e18;
  for (int round = 0; round < rounds; ++round) {
    std::size_t found = 0;
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) {
      for (const auto* path : asked) {
        const auto match = router->match(sluice::http::Method::get, "GET", *path);
        found += match.outcome == sluice::gateway::Match::Outcome::found ? 1U : 0U;
      }
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
    if (found != asked.size() * repeats) {
      std::fprintf(stderr, "bench_route: a path was not found\n");
      return 1;
    }
    best = std::min(best, took.count() / static_cast<double>(found));
  }
  std::printf("{\"paths\": %zu, \"nanoseconds\": %.1f}\n", count, best);
  return 0;
}
