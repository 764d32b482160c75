/// What worker threads and the control thread share besides the pools: the way to each other.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sluice/functions/runtime.hpp"
#include "sluice/net/worker.hpp"

#include "functions/runtime/pool.hpp"

namespace sluice::functions::runtime {

/// Hears of processes that ended. On its worker's thread.
class ProcessListener {
 public:
  ProcessListener() = default;
  ProcessListener(const ProcessListener&) = delete;
  ProcessListener& operator=(const ProcessListener&) = delete;
  /// `payload`: what the caller of an event that was running is told.
  virtual void process_ended(std::uint64_t process, const std::string& payload) = 0;

 protected:
  ~ProcessListener() = default;
};

/// Thread-safe.
class Listeners {
 public:
  void add(net::Executor executor, ProcessListener& listener);
  void remove(ProcessListener& listener);
  void tell_ended(std::uint64_t process, const std::string& payload);

 private:
  struct Entry {
    net::Executor executor;
    ProcessListener* listener;
  };
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace sluice::functions::runtime

namespace sluice::functions {

class LocalTable {
 public:
  std::map<std::string, std::shared_ptr<runtime::Pool>, std::less<>> pools;
  std::shared_ptr<runtime::Listeners> listeners;
};

}  // namespace sluice::functions
