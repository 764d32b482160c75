#include <algorithm>
#include <array>
#include <cstring>

#include <boost/asio/post.hpp>
#include <openssl/x509v3.h>

#include "sluice/net/cancel.hpp"
#include "sluice/net/waiter.hpp"

#include "tls_internal.hpp"

namespace sluice::net {
namespace {

constexpr std::size_t record_bytes = 16384;
constexpr std::size_t batch_bytes = 4 * record_bytes;  ///< plain bytes that become records before one send()

/// Where records gather before they are sent; a thread's streams take turns, none keeps anything here.
std::string& outgoing() {
  thread_local std::string buffer;
  return buffer;
}

/// TLS over another stream. OpenSSL reads the other stream through a BIO, one recv() a wait at most; what it
/// writes gathers and goes out in one send(). What the other stream does not take stays in `backlog_`.
class TlsStream final : public Stream {
 public:
  TlsStream(Executor executor, std::unique_ptr<Stream> inner, SSL_CTX* context);
  ~TlsStream() override;

  Result<std::optional<std::size_t>> try_read(asio::mutable_buffer buffer) override;
  void start_wait_readable(WaitMode mode, Callback callback, void* context) override;
  Result<std::size_t> try_write(std::span<const asio::const_buffer> buffers) override;
  void start_wait_writable(Callback callback, void* context) override {
    inner_->start_wait_writable(callback, context);
  }
  void cancel() noexcept override;
  void shutdown() noexcept override;
  void close(bool reset) noexcept override;
  [[nodiscard]] bool is_open() const noexcept override { return inner_->is_open(); }
  [[nodiscard]] const TlsInfo* tls() const noexcept override { return &info_; }
  [[nodiscard]] int native_handle() const noexcept override { return inner_->native_handle(); }

  /// Runs the handshake to its end, or until `ended` is set (and the other stream cancelled). The error's
  /// detail is OpenSSL's reason.
  Awaitable<Result<void>> handshake(const bool& ended);
  void keep(std::shared_ptr<const void> owner) { owner_ = std::move(owner); }
  [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
  [[nodiscard]] Stream& inner() noexcept { return *inner_; }
  TlsInfo& info() noexcept { return info_; }
  std::string host;  ///< of clients: whose session it is

 private:
  static int on_bio_read(BIO* bio, char* data, int size);
  static int on_bio_write(BIO* bio, const char* data, int size);
  static long on_bio_ctrl(BIO* bio, int command, long number, void* pointer);
  static const BIO_METHOD* method();
  /// Sends `backlog_` and what has gathered.
  Result<void> flush();
  Error error_of(int result);

  Executor executor_;
  std::unique_ptr<Stream> inner_;
  OpensslPtr<SSL> ssl_;
  std::shared_ptr<const void> owner_;
  std::string backlog_;
  TlsInfo info_;
  bool may_receive_ = true;  ///< the socket may hold bytes: nobody has seen it empty since the last event
  bool pending_ = false;     ///< OpenSSL may hold decrypted bytes
  bool withheld_ = false;    ///< one byte was encrypted but not yet reported as written
  bool ended_ = false;       ///< the other stream's end was seen
  bool failed_ = false;      ///< the session is broken: nothing more may be said
  IoStatus inner_status_ = IoStatus::ok;
  Callback posted_ = nullptr;
  void* posted_context_ = nullptr;
  bool posted_cancelled_ = false;
  std::shared_ptr<TlsStream*> self_;  ///< made where a callback is posted; tells it that the stream is gone
};

TlsStream::TlsStream(Executor executor, std::unique_ptr<Stream> inner, SSL_CTX* context)
    : executor_(std::move(executor)), inner_(std::move(inner)), ssl_(SSL_new(context)) {
  BIO* bio = BIO_new(method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

TlsStream::~TlsStream() {
  if (self_ != nullptr) {
    *self_ = nullptr;
  }
  if (!failed_) {
    // Without this OpenSSL takes the session for broken, and its ticket could not be used again.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

const BIO_METHOD* TlsStream::method() {
  static const OpensslPtr<BIO_METHOD> made = [] {
    OpensslPtr<BIO_METHOD> bio(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice stream"));
    BIO_meth_set_read(bio.get(), &TlsStream::on_bio_read);
    BIO_meth_set_write(bio.get(), &TlsStream::on_bio_write);
    BIO_meth_set_ctrl(bio.get(), &TlsStream::on_bio_ctrl);
    return bio;
  }();
  return made.get();
}

int TlsStream::on_bio_read(BIO* bio, char* data, int size) {
  auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (!self.may_receive_) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const auto wanted = static_cast<std::size_t>(size);
  const Result<std::optional<std::size_t>> got = self.inner_->try_read(asio::buffer(data, wanted));
  if (!got) {
    self.inner_status_ = got.error().code == ErrorCode::closed ? IoStatus::closed : IoStatus::failed;
    return -1;
  }
  const std::optional<std::size_t> received = *got;
  if (!received) {
    self.may_receive_ = false;
    BIO_set_retry_read(bio);
    return -1;
  }
  self.may_receive_ = *received == wanted;
  self.ended_ = *received == 0;
  return static_cast<int>(*received);
}

int TlsStream::on_bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  outgoing().append(data, static_cast<std::size_t>(size));
  return size;
}

long TlsStream::on_bio_ctrl(BIO* bio, int command, long, void*) {
  const auto& self = *static_cast<const TlsStream*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return self.ended_ ? 1 : 0;
    default:
      return 0;
  }
}

Result<void> TlsStream::flush() {
  std::string& fresh = outgoing();
  if (backlog_.empty() && fresh.empty()) {
    return {};
  }
  const std::array<asio::const_buffer, 2> both{asio::buffer(backlog_), asio::buffer(fresh)};
  const std::size_t skip = backlog_.empty() ? 1 : 0;
  Result<std::size_t> sent = inner_->try_write(std::span(both).subspan(skip, fresh.empty() ? 1 : 2 - skip));
  if (!sent) {
    fresh.clear();
    inner_status_ = sent.error().code == ErrorCode::closed ? IoStatus::closed : IoStatus::failed;
    return std::move(sent).error();
  }
  if (*sent == backlog_.size() + fresh.size()) {
    backlog_.clear();
    if (backlog_.capacity() > 0) {
      backlog_.shrink_to_fit();
    }
  } else {
    backlog_ += fresh;
    backlog_.erase(0, *sent);
  }
  fresh.clear();
  return {};
}

Error TlsStream::error_of(int result) {
  const int code = SSL_get_error(ssl_.get(), result);
  failed_ = true;
  if (inner_status_ != IoStatus::ok) {
    ERR_clear_error();
    return stream_error(inner_status_);
  }
  const unsigned long reason = ERR_peek_error();
  if (ended_ || code == SSL_ERROR_SYSCALL ||
      (ERR_GET_LIB(reason) == ERR_LIB_SSL && ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
    ERR_clear_error();
    return stream_error(IoStatus::closed, "TLS was cut without close_notify");
  }
  return stream_error(IoStatus::failed, take_openssl_error("TLS failed"));
}

Result<std::optional<std::size_t>> TlsStream::try_read(asio::mutable_buffer buffer) {
  if (failed_ || !is_open()) {
    return stream_error(IoStatus::closed);
  }
  ERR_clear_error();
  may_receive_ = true;
  pending_ = false;
  auto* data = static_cast<char*>(buffer.data());
  std::size_t total = 0;
  while (total < buffer.size()) {
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), data + total, buffer.size() - total, &got);
    if (result == 1) {
      total += got;
      if (!may_receive_ && SSL_has_pending(ssl_.get()) == 0) {
        return std::optional(total);
      }
      continue;
    }
    const int code = SSL_get_error(ssl_.get(), result);
    if (!outgoing().empty()) {
      const Result<void> flushed = flush();  // an alert, a key update
      (void)flushed;                         // the error shows at the next operation
    }
    if (total > 0) {
      pending_ = code != SSL_ERROR_WANT_READ;  // the end or the error comes again
      return std::optional(total);
    }
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) {
      return std::optional<std::size_t>();
    }
    if (code == SSL_ERROR_ZERO_RETURN) {
      return std::optional(std::size_t{0});
    }
    return error_of(result);
  }
  pending_ = true;
  return std::optional(total);
}

void TlsStream::start_wait_readable(WaitMode mode, Callback callback, void* context) {
  if (pending_) {
    // OpenSSL may hold more, of which the socket knows nothing.
    if (self_ == nullptr) {
      self_ = std::make_shared<TlsStream*>(this);
    }
    posted_ = callback;
    posted_context_ = context;
    posted_cancelled_ = false;
    asio::post(executor_, [self = self_] {
      if (*self != nullptr && (*self)->posted_ != nullptr) {
        TlsStream& stream = **self;
        std::exchange(stream.posted_, nullptr)(stream.posted_context_,
                                               stream.posted_cancelled_ ? IoStatus::cancelled : IoStatus::ok);
      }
    });
    return;
  }
  if (mode == WaitMode::exact) {
    SSL_free_buffers(ssl_.get());  // refuses by itself while they hold anything
  }
  inner_->start_wait_readable(mode, callback, context);
}

Result<std::size_t> TlsStream::try_write(std::span<const asio::const_buffer> buffers) {
  if (failed_ || !is_open()) {
    return stream_error(IoStatus::closed);
  }
  std::string& fresh = outgoing();
  fresh.clear();
  if (withheld_) {
    Result<void> flushed = flush();
    if (!flushed) {
      return flushed.error();
    }
    if (!backlog_.empty()) {
      return std::size_t{0};
    }
  }
  ERR_clear_error();
  // Small pieces (a head and its body) become one record; a withheld byte is encrypted already.
  std::array<char, record_bytes> gathered;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::size_t fill = 0;
  std::size_t total = 0;
  std::size_t skip = withheld_ ? 1 : 0;
  int result = 1;
  const auto encrypt = [&](const char* data, std::size_t size) {
    std::size_t written = 0;
    result = SSL_write_ex(ssl_.get(), data, size, &written);
    return result == 1;
  };
  for (const asio::const_buffer& buffer : buffers) {
    const auto* data = static_cast<const char*>(buffer.data());
    std::size_t size = buffer.size();
    const std::size_t step = std::min(skip, size);
    data += step;
    size -= step;
    skip -= step;
    total += step;
    while (size > 0 && total < batch_bytes && result == 1) {
      const std::size_t part = std::min(size, record_bytes - fill);
      if (fill == 0 && part == record_bytes) {
        encrypt(data, part);
      } else {
        std::memcpy(gathered.data() + fill, data, part);
        fill += part;
        if (fill == record_bytes) {
          encrypt(gathered.data(), fill);
          fill = 0;
        }
      }
      data += part;
      size -= part;
      total += part;
    }
  }
  if (fill > 0 && result == 1) {
    encrypt(gathered.data(), fill);
  }
  if (result != 1) {
    fresh.clear();
    return error_of(result);
  }
  withheld_ = false;
  Result<void> flushed = flush();
  if (!flushed) {
    return flushed.error();
  }
  if (!backlog_.empty() && total > 0) {
    // The last byte counts when everything went out, so that the caller comes back.
    withheld_ = true;
    --total;
  }
  return total;
}

void TlsStream::cancel() noexcept {
  posted_cancelled_ = true;
  inner_->cancel();
}

void TlsStream::shutdown() noexcept {
  if (!failed_ && is_open() && SSL_is_init_finished(ssl_.get()) != 0) {
    ERR_clear_error();
    outgoing().clear();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    const Result<void> flushed = flush();  // what does not go at once is the peer's loss
    (void)flushed;
  }
  inner_->shutdown();
}

void TlsStream::close(bool reset) noexcept {
  inner_->close(reset);
  posted_cancelled_ = true;
}

struct InnerWait {
  static void on_end(void* context, IoStatus status) noexcept {
    auto& self = *static_cast<InnerWait*>(context);
    self.status = status;
    self.waiter.resume();
  }
  Waiter waiter;
  IoStatus status = IoStatus::ok;
};

Awaitable<Result<void>> TlsStream::handshake(const bool& ended) {
  for (;;) {
    ERR_clear_error();
    outgoing().clear();
    may_receive_ = true;
    const int result = SSL_do_handshake(ssl_.get());
    const int code = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
    if (result == 1 && SSL_is_server(ssl_.get()) != 0 && SSL_version(ssl_.get()) == TLS1_3_VERSION) {
      // Only a session ticket is left: it travels with the first answer.
      backlog_ += outgoing();
      outgoing().clear();
    } else if (result == 1 || code == SSL_ERROR_WANT_READ) {
      Result<void> flushed = flush();
      if (!flushed) {
        co_return std::move(flushed).error();
      }
      while (!backlog_.empty()) {
        InnerWait wait;
        inner_->start_wait_writable(&InnerWait::on_end, &wait);
        co_await wait.waiter.wait();
        if (wait.status != IoStatus::ok || ended) {
          co_return stream_error(IoStatus::cancelled);
        }
        outgoing().clear();
        flushed = flush();
        if (!flushed) {
          co_return std::move(flushed).error();
        }
      }
    }
    if (result == 1) {
      break;
    }
    if (code != SSL_ERROR_WANT_READ) {
      Error error = error_of(result);
      const Result<void> alert = flush();
      (void)alert;
      co_return error;
    }
    InnerWait wait;
    inner_->start_wait_readable(WaitMode::event, &InnerWait::on_end, &wait);
    co_await wait.waiter.wait();
    if (wait.status != IoStatus::ok || ended) {
      co_return stream_error(IoStatus::cancelled);
    }
  }
  pending_ = SSL_has_pending(ssl_.get()) != 0;
  info_.resumed = SSL_session_reused(ssl_.get()) != 0;
  info_.version = SSL_get_version(ssl_.get());
  info_.cipher = SSL_get_cipher_name(ssl_.get());
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &alpn, &alpn_size);
  info_.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  if (const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name); name != nullptr) {
    info_.server_name = name;
  }
  co_return Result<void>();
}

/// Ends a handshake that takes too long, or whose request was cancelled.
struct HandshakeGuard {
  HandshakeGuard(Worker& worker, Stream& its_stream, Duration timeout, CancelToken* cancel)
      : stream(its_stream), timer(worker.wheel(), &HandshakeGuard::on_time, this) {
    timer.arm(timeout);
    if (cancel != nullptr) {
      hook.emplace(*cancel, &HandshakeGuard::on_cancel, this);
    }
  }
  static void on_time(void* context) noexcept {
    auto& self = *static_cast<HandshakeGuard*>(context);
    self.timed_out = true;
    self.end();
  }
  static void on_cancel(void* context) noexcept {
    auto& self = *static_cast<HandshakeGuard*>(context);
    self.cancelled = true;
    self.end();
  }
  void end() {
    ended = true;
    stream.cancel();
  }
  Stream& stream;
  Timer timer;
  std::optional<CancelHook> hook;
  bool timed_out = false;
  bool cancelled = false;
  bool ended = false;
};

}  // namespace

Awaitable<Result<std::unique_ptr<Stream>>> tls_accept(Worker& worker, std::unique_ptr<Stream> stream,
                                                      std::shared_ptr<const TlsServerContext> context,
                                                      Duration timeout) {
  const auto& server = static_cast<const ServerContext&>(*context);
  auto tls = std::make_unique<TlsStream>(worker.executor(), std::move(stream), server.initial());
  tls->keep(context);
  SSL_set_accept_state(tls->ssl());
  HandshakeGuard guard(worker, tls->inner(), timeout, nullptr);
  const Result<void> done = co_await tls->handshake(guard.ended);
  if (!done) {
    Error error = done.error();
    error.source = ErrorSource::downstream;
    if (guard.timed_out) {
      error.code = ErrorCode::read_timeout;
      error.detail = "no TLS handshake in time";
    } else if (error.code == ErrorCode::io) {
      error.code = ErrorCode::tls_failed;
    }
    tls->close(false);
    co_return error;
  }
  tls->info().certificate = server.entry_of(tls->ssl()).identity.name;
  co_return std::unique_ptr<Stream>(std::move(tls));
}

Awaitable<Result<std::unique_ptr<Stream>>> tls_connect(Worker& worker, std::unique_ptr<Stream> stream,
                                                       std::shared_ptr<const TlsClientContext> context,
                                                       std::string host, Duration timeout,
                                                       CancelToken* cancel) {
  const auto& client = static_cast<const ClientContext&>(*context);
  auto tls = std::make_unique<TlsStream>(worker.executor(), std::move(stream), client.get());
  tls->keep(context);
  tls->host = std::move(host);
  SSL* ssl = tls->ssl();
  SSL_set_connect_state(ssl);
  SSL_set_ex_data(ssl, client_host_index(), &tls->host);
  boost::system::error_code not_an_address;
  asio::ip::make_address(tls->host, not_an_address);
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (not_an_address) {
    SSL_set_tlsext_host_name(ssl, tls->host.c_str());
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set1_host(parameters, tls->host.data(), tls->host.size());
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(parameters, tls->host.c_str());
  }
  if (const OpensslPtr<SSL_SESSION> session = client.take_session(tls->host); session != nullptr) {
    SSL_set_session(ssl, session.get());
  }
  HandshakeGuard guard(worker, tls->inner(), timeout, cancel);
  Result<void> done = stream_error(IoStatus::cancelled);
  if (!guard.cancelled) {
    done = co_await tls->handshake(guard.ended);
  }
  if (!done) {
    Error error = done.error();
    error.source = ErrorSource::upstream;
    error.retry = Retry::yes;  // nothing of the request was sent
    if (guard.cancelled) {
      error.code = ErrorCode::cancelled;
    } else if (guard.timed_out) {
      error.code = ErrorCode::connect_timeout;
      error.detail = "no TLS handshake in time";
    } else if (error.code == ErrorCode::io) {
      error.code = ErrorCode::tls_failed;
      error.retry = Retry::no;
      if (const long verified = SSL_get_verify_result(ssl); client.verifies() && verified != X509_V_OK) {
        error.detail = "the certificate of '" + tls->host +
                       "' was not accepted: " + X509_verify_cert_error_string(verified);
      }
    }
    tls->close(false);
    co_return error;
  }
  co_return std::unique_ptr<Stream>(std::move(tls));
}

}  // namespace sluice::net
