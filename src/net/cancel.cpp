#include "sluice/net/cancel.hpp"

namespace sluice::net {

CancelHook::CancelHook(CancelToken& token, Callback callback, void* context) noexcept
    : callback_(callback), context_(context) {
  if (token.cancelled()) {
    callback_(context_);
  } else {
    token.hooks_.push_back(*this);
  }
}

void CancelToken::cancel(CancelReason reason) noexcept {
  if (cancelled() || reason == CancelReason::none) {
    return;
  }
  reason_ = reason;
  while (!hooks_.empty()) {
    CancelHook& hook = hooks_.front();
    hooks_.pop_front();
    hook.callback_(hook.context_);
  }
}

}  // namespace sluice::net
