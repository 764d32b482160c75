/// The body of a call on its way to the upstream: what is at hand, what comes later, what may be sent again.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include "sluice/client/http_client.hpp"
#include "sluice/http/h1/framing.hpp"

#include "client/connection.hpp"

namespace sluice::client {

/// A cursor over the request's body. Views are valid until the next take().
class RequestBody {
 public:
  /// `keep_limit`: bodies up to this may be kept for a second sending.
  RequestBody(ClientRequest& request, http::Method method, std::size_t keep_limit);

  [[nodiscard]] http::h1::Framing framing() const noexcept { return framing_; }

  /// Takes what the source has ready (nothing for bodies in memory, which are at hand from the start).
  /// `keep`: remember it. Errors: those of the source.
  Result<void> take_ready(bool keep);
  /// Waits for more. After it at_hand() is new, or ended() holds.
  net::Awaitable<Result<void>> take_more();
  [[nodiscard]] std::string_view at_hand() const noexcept { return at_hand_; }
  /// That many bytes of at_hand() were sent, or taken over to be sent.
  void sent(std::size_t bytes) noexcept { at_hand_.remove_prefix(bytes); }
  /// Nothing comes after at_hand().
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] const http::Headers* trailers() const noexcept {
    return source_ == nullptr ? nullptr : source_->trailers();
  }

  /// Whether all that was taken so far can be sent once more, to the end; rewind() makes it so.
  [[nodiscard]] bool can_rewind() const noexcept;
  void rewind() noexcept;
  /// Whether sending can go on with at_hand(): nothing before it is missing.
  [[nodiscard]] bool can_resume() const noexcept { return source_ == nullptr || taken_ == at_hand_.size(); }

  /// Takes the body over from the request, so that sending may go on after the call has returned.
  void own(ClientRequest& request);
  /// Whether at_hand() belongs to somebody else, who may want it back.
  [[nodiscard]] bool is_borrowed() const noexcept { return source_ != nullptr; }
  /// Makes a waiting take_more() end.
  void cancel() noexcept {
    if (source_ != nullptr) {
      source_->cancel_read();
    }
  }

 private:
  Result<void> accept(std::string_view bytes);

  http::Body owned_;
  http::BodySource* source_ = nullptr;
  std::string_view memory_;  // the whole body where it is in memory
  std::string_view at_hand_;
  std::string gathered_;  // chunked bodies: several pieces that were ready together
  std::string kept_;
  http::h1::Framing framing_;
  std::uint64_t taken_ = 0;
  std::size_t keep_limit_;
  bool keep_ = false;
  bool kept_all_ = true;
  bool ended_ = true;
};

/// Sends the rest of a body beside the reading of the answer. Kept by its own coroutine, by the call, and by
/// the answer's body where that begins before the request's body ends.
class BodySender : public boost::intrusive_ref_counter<BodySender, boost::thread_unsafe_counter> {
 public:
  /// `first`: bytes to send before the body goes on (what the first write left over); `last_chunk_in_first`:
  /// a chunked body ends with them.
  BodySender(ConnectionPtr connection, RequestBody body, std::string first, bool last_chunk_in_first);
  BodySender(const BodySender&) = delete;
  BodySender& operator=(const BodySender&) = delete;
  ~BodySender() = default;

  void start();
  [[nodiscard]] bool done() const noexcept { return done_; }
  /// Done, and everything was sent.
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  /// The error of reading the body, where that is what ended it.
  [[nodiscard]] const std::optional<Error>& body_error() const noexcept { return body_error_; }
  [[nodiscard]] RequestBody& body() noexcept { return body_; }

  /// Ends it: whatever it waits for. Nothing more is sent on the connection.
  net::Awaitable<void> stop();
  /// The same without waiting for it; the connection is closed already.
  void abandon() noexcept;
  /// The answer's head has come, and sending goes on beside its body: takes the body over from the request. A
  /// body that fails from here on only ends the sending.
  void go_on_alone(ClientRequest& request);

 private:
  static net::Awaitable<void> run(boost::intrusive_ptr<BodySender> self);
  net::Awaitable<bool> send_at_hand();
  static void on_writable(void* context, net::IoStatus status) noexcept;

  ConnectionPtr connection_;
  RequestBody body_;
  std::string first_;
  // What is being sent: `first_`, a chunk's head, its data, what follows it.
  std::array<std::string_view, 4> parts_;
  std::array<char, 18> chunk_head_{};
  std::string chunk_end_;
  std::string data_copy_;
  std::optional<Error> body_error_;
  net::Waiter writable_;
  net::Waiter finished_;
  net::IoStatus write_status_ = net::IoStatus::ok;
  bool last_chunk_made_;
  bool stop_ = false;
  bool done_ = false;
  bool complete_ = false;
  bool head_came_ = false;
};

using BodySenderPtr = boost::intrusive_ptr<BodySender>;

}  // namespace sluice::client
