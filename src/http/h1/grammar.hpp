/// Beast's parser as the grammar of start lines and field lines. It is given whole lines only, of which
/// scan_line (line_scan.hpp) has checked the ends and lengths; readers derived from it take the parts and
/// decide what they mean.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

namespace sluice::http::h1 {

namespace beast = boost::beast;

/// Why a head is refused; static storage.
struct Refusal {
  std::string_view slug;
  std::string_view message;
  int status = 0;  ///< 0: nothing is wrong
  explicit operator bool() const noexcept { return status != 0; }
};

template <bool is_request>
class Grammar : public beast::http::basic_parser<is_request> {
 public:
  Grammar() {
    this->header_limit(std::numeric_limits<std::uint32_t>::max());
    this->body_limit(boost::none);
  }

  /// Feeds whole lines. False: they were refused.
  bool feed(std::string_view lines) {
    this->put(boost::asio::const_buffer(lines.data(), lines.size()), error_);
    return !error_ || error_ == beast::http::error::need_more;
  }
  [[nodiscard]] const beast::error_code& error() const noexcept { return error_; }

 protected:
  void on_request_impl(beast::http::verb /*method*/, beast::string_view /*method_text*/,
                       beast::string_view /*target*/, int /*version*/,
                       beast::error_code& /*error*/) override {}
  void on_response_impl(int /*status*/, beast::string_view /*reason*/, int /*version*/,
                        beast::error_code& /*error*/) override {}
  void on_header_impl(beast::error_code& /*error*/) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                         beast::error_code& /*error*/) override {}
  std::size_t on_body_impl(beast::string_view /*bytes*/, beast::error_code& /*error*/) override { return 0; }
  void on_chunk_header_impl(std::uint64_t /*size*/, beast::string_view /*extensions*/,
                            beast::error_code& /*error*/) override {}
  std::size_t on_chunk_body_impl(std::uint64_t /*remaining*/, beast::string_view /*bytes*/,
                                 beast::error_code& /*error*/) override {
    return 0;
  }
  void on_finish_impl(beast::error_code& /*error*/) override {}

 private:
  beast::error_code error_;
};

}  // namespace sluice::http::h1
