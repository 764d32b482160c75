#include "sluice/http/body.hpp"

#include <utility>

namespace sluice::http {
namespace {

class BytesSource final : public BodySource {
 public:
  explicit BytesSource(std::string bytes) : bytes_(std::move(bytes)) {}

  net::Awaitable<Result<std::string_view>> read() override { co_return next(); }
  std::optional<Result<std::string_view>> try_read() override { return Result<std::string_view>(next()); }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return bytes_.size(); }

 private:
  std::string_view next() noexcept {
    return std::exchange(done_, true) ? std::string_view() : std::string_view(bytes_);
  }

  std::string bytes_;
  bool done_ = false;
};

}  // namespace

net::Awaitable<Result<std::string>> read_all(BodySource& source, std::size_t limit) {
  const auto too_large = [limit] {
    return downstream_error(ErrorCode::too_large, "body_too_large",
                            "The body is larger than " + std::to_string(limit) + " bytes");
  };
  const std::optional<std::uint64_t> size = source.size();
  if (size && *size > limit) {
    co_return too_large();
  }
  std::string out;
  if (size) {
    out.reserve(static_cast<std::size_t>(*size));
  }
  while (true) {
    std::optional<Result<std::string_view>> step = source.try_read();
    if (!step) {
      step.emplace(co_await source.read());
    }
    if (step->has_error()) {
      co_return std::move(*step).error();
    }
    const std::string_view bytes = **step;
    if (bytes.empty()) {
      co_return out;
    }
    if (bytes.size() > limit - out.size()) {
      co_return too_large();
    }
    out.append(bytes);
  }
}

std::unique_ptr<BodySource> make_body_source(std::string bytes) {
  return std::make_unique<BytesSource>(std::move(bytes));
}

std::optional<std::uint64_t> body_size(const Body& body) noexcept {
  if (std::holds_alternative<std::monostate>(body)) {
    return 0;
  }
  if (const auto* bytes = std::get_if<std::string>(&body)) {
    return bytes->size();
  }
  if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&body)) {
    return *shared ? (*shared)->size() : 0;
  }
  const auto* source = std::get_if<std::unique_ptr<BodySource>>(&body);
  return source != nullptr && *source ? (*source)->size() : std::optional<std::uint64_t>(0);
}

}  // namespace sluice::http
