#pragma once

#include "sluice/base/clock.hpp"

namespace sluice {

/// Stands still until a test turns it.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime steady() const override { return now_; }
  [[nodiscard]] SystemTime system() const override { return SystemTime(std::chrono::seconds(1'700'000'000)); }
  void turn(Duration by) { now_ += by; }

 private:
  SteadyTime now_{std::chrono::hours(1)};
};

}  // namespace sluice
