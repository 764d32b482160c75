/// The token of one call that ends at a time of its own, which is another than its request's.
#pragma once

#include <optional>

#include "sluice/base/clock.hpp"
#include "sluice/net/cancel.hpp"
#include "sluice/net/timer_wheel.hpp"

namespace sluice::net {

/// Its token is cancelled at `until` (reason deadline; nullopt: never) and, with `outer`, when that one is,
/// for its reason. Lives on the caller's frame while the call is under way; `outer` outlives it. One
/// worker's.
class DeadlineToken {
 public:
  DeadlineToken(TimerWheel& wheel, std::optional<SteadyTime> until, CancelToken* outer = nullptr)
      : outer_(outer), timer_(wheel, end_in_time, this) {
    if (until) {
      timer_.arm_at(*until);
    }
    if (outer != nullptr) {
      hook_.emplace(*outer, end_with_outer, this);
    }
  }
  DeadlineToken(const DeadlineToken&) = delete;
  DeadlineToken& operator=(const DeadlineToken&) = delete;
  ~DeadlineToken() = default;

  [[nodiscard]] CancelToken& token() noexcept { return token_; }
  /// It is the time that ended the call.
  [[nodiscard]] bool is_over() const noexcept { return token_.reason() == CancelReason::deadline; }

 private:
  static void end_in_time(void* self) noexcept {
    static_cast<DeadlineToken*>(self)->token_.cancel(CancelReason::deadline);
  }
  static void end_with_outer(void* self) noexcept {
    auto& one = *static_cast<DeadlineToken*>(self);
    one.token_.cancel(one.outer_->reason());
  }

  CancelToken token_;
  CancelToken* outer_;
  Timer timer_;
  std::optional<CancelHook> hook_;
};

}  // namespace sluice::net
