/// Ending what waits: one CancelToken a request, told by the connection (client gone), the timer wheel
/// (deadline) or the drain; whatever waits on behalf of the request registers a hook that makes its wait end.
///
/// Single-threaded: token, hooks and callbacks belong to one worker. A hook may outlive neither its token nor
/// the object that its callback touches; destroying the hook unregisters it.
#pragma once

#include <cstdint>

#include <boost/intrusive/list.hpp>

namespace sluice::net {

enum class CancelReason : std::uint8_t { none, client_gone, deadline, drain };

class CancelToken;

/// RAII registration. `callback(context)` runs at most once, inside CancelToken::cancel, or at once in the
/// constructor when the token is cancelled already. It must not destroy the token.
class CancelHook
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using Callback = void (*)(void* context) noexcept;
  CancelHook(CancelToken& token, Callback callback, void* context) noexcept;
  CancelHook(const CancelHook&) = delete;
  CancelHook& operator=(const CancelHook&) = delete;
  ~CancelHook() = default;

 private:
  friend class CancelToken;
  Callback callback_;
  void* context_;
};

class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(const CancelToken&) = delete;
  CancelToken& operator=(const CancelToken&) = delete;

  /// The first reason stays; later calls do nothing.
  void cancel(CancelReason reason) noexcept;
  /// Back to not cancelled, for the next request of a connection. No hook may be registered.
  void reset() noexcept { reason_ = CancelReason::none; }
  [[nodiscard]] bool cancelled() const noexcept { return reason_ != CancelReason::none; }
  [[nodiscard]] CancelReason reason() const noexcept { return reason_; }

 private:
  friend class CancelHook;
  boost::intrusive::list<CancelHook, boost::intrusive::constant_time_size<false>> hooks_;
  CancelReason reason_ = CancelReason::none;
};

}  // namespace sluice::net
