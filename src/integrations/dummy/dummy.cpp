// type: dummy: an answer out of the document. spec.md section 4.
#include <algorithm>

#include "sluice/base/codec.hpp"
#include "sluice/http/media_type.hpp"

#include "integrations/common/options.hpp"
#include "integrations/types.hpp"

namespace sluice::integrations {
namespace {

using parameters::Landing;
using parameters::TextTemplate;

/// One entry of `content`.
struct Variant {
  std::string key;           ///< the MIME type as written, or "*"
  std::string content_type;  ///< what the answer says; empty: what http_headers say
  TextTemplate text;
  /// Ready to be sent, where nothing is substituted.
  std::shared_ptr<const http::RenderedResponse> rendered;
};

/// Types in which a value could become markup.
bool is_markup_type(std::string_view content_type) {
  const std::optional<http::MediaType> type = http::parse_media_type(content_type);
  return type && (type->subtype == "html" || type->subtype == "xml" || type->subtype.ends_with("+xml"));
}

Landing landing_for(std::string_view content_type) {
  if (http::is_json_type(content_type)) {
    return Landing::json_content;
  }
  return is_markup_type(content_type) ? Landing::html_content : Landing::plain;
}

bool is_json_structure(std::string_view text, const parameters::ParameterSet& set) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) {
    return false;
  }
  // "{id}" is a text or a number, not an object.
  const std::size_t close = text.find_first_of("{}", first + 1);
  if (close != std::string_view::npos && text[close] == '}' &&
      set.contains(text.substr(first + 1, close - first - 1))) {
    return false;
  }
  // Options of JSON text may have their quotes escaped; content may not.
  const std::size_t quote = text.find('"');
  if (quote != std::string_view::npos && quote > 0 && text[quote - 1] == '\\') {
    return false;
  }
  return TextTemplate::compile(text, Landing::json_text, set).has_value();
}

class Dummy final : public gateway::Integration {
 public:
  [[nodiscard]] bool needs_values() const noexcept override { return needs_values_; }
  [[nodiscard]] std::shared_ptr<const http::RenderedResponse> constant() const noexcept override {
    return constant_;
  }

  [[nodiscard]] const http::RenderedResponse* fixed_answer(const http::Request& request) const override {
    const Result<const Variant*> variant = choose(request);
    return variant ? (*variant)->rendered.get() : nullptr;
  }

  net::Awaitable<Result<http::Response>> run(gateway::Exchange& exchange) const override {
    co_return answer(exchange);
  }

  Result<OrderedJson> explain(gateway::Exchange& exchange) const override {
    const Result<const Variant*> variant = choose(exchange.request);
    if (!variant) {
      return variant.error();
    }
    Result<http::Response> response = render(**variant, exchange.values);
    if (!response) {
      return response.error();
    }
    return explain_response(*response);
  }

  static IntegrationPtr build(gateway::BuildContext& context, const spec::Node& node);

 private:
  void read_content(gateway::BuildContext& context, spec::ObjectReader& reader);
  void add_variant(gateway::BuildContext& context, spec::ObjectReader& reader, const spec::Node& at,
                   const std::string& key, const std::string& text);
  void finish();

  [[nodiscard]] Result<http::Response> answer(gateway::Exchange& exchange) const {
    const Result<const Variant*> variant = choose(exchange.request);
    if (!variant) {
      return variant.error();
    }
    if ((*variant)->rendered) {
      http::Response response;
      response.status = status_;
      response.rendered = (*variant)->rendered;
      return response;
    }
    return render(**variant, exchange.values);
  }

  [[nodiscard]] Result<const Variant*> choose(const http::Request& request) const {
    const std::optional<std::string_view> first = request.headers.get(http::FieldId::accept);
    if (!first || offers_.empty()) {
      return &variants_[without_accept_];
    }
    if (*first == "*/*" && request.headers.count(http::FieldId::accept) == 1) {
      return &variants_[offer_variants_.front()];
    }
    const std::string accept = request.headers.joined("Accept");
    if (trim(accept).empty()) {
      return &variants_[without_accept_];
    }
    if (const std::optional<std::size_t> best = http::best_media_type(accept, offers_)) {
      return &variants_[offer_variants_[*best]];
    }
    if (star_) {
      return &variants_[*star_];
    }
    return downstream_error(ErrorCode::invalid, "dummy_not_acceptable",
                            "None of the media types that the request accepts is offered", 415);
  }

  [[nodiscard]] Result<http::Response> render(const Variant& variant,
                                              const parameters::Values& values) const {
    http::Response response;
    response.status = status_;
    bool typed = false;
    for (const FieldTemplate& field : headers_) {
      const bool is_type = equals_ignore_case(field.name, "Content-Type");
      if (is_type && !variant.content_type.empty()) {
        continue;
      }
      typed = typed || is_type;
      for (const TextTemplate& value : field.values) {
        Result<std::string> text = value.render(values);
        if (!text) {
          return text.error();
        }
        response.headers.add(field.name, *text);
      }
    }
    if (!typed && !variant.content_type.empty()) {
      response.headers.add(http::FieldId::content_type, variant.content_type);
    }
    Result<std::string> body = variant.text.render(values);
    if (!body) {
      return body.error();
    }
    if (!body->empty()) {
      response.body = std::move(*body);
    }
    return response;
  }

  int status_ = 200;
  std::vector<FieldTemplate> headers_;
  std::vector<Variant> variants_;  ///< never empty: without `content` one with an empty text
  std::vector<http::MediaType> offers_;
  std::vector<std::size_t> offer_variants_;  ///< aligned with offers_
  std::optional<std::size_t> star_;
  std::size_t without_accept_ = 0;
  bool needs_values_ = false;
  std::shared_ptr<const http::RenderedResponse> constant_;
};

void Dummy::add_variant(gateway::BuildContext& context, spec::ObjectReader& reader, const spec::Node& at,
                        const std::string& key, const std::string& text) {
  const parameters::ParameterSet& set = context.operation.parameter_set;
  Variant variant;
  variant.key = key;
  Landing landing = Landing::plain;
  if (key == "*") {
    const auto own = std::find_if(headers_.begin(), headers_.end(), [](const FieldTemplate& field) {
      return equals_ignore_case(field.name, "Content-Type") && !field.values.empty();
    });
    if (own != headers_.end()) {
      const TextTemplate& type = own->values.front();
      landing = landing_for(type.is_constant() ? type.constant() : "");
    } else if (is_json_structure(text, set)) {
      variant.content_type = "application/json";
      landing = Landing::json_content;
    } else {
      variant.content_type = "text/plain; charset=utf-8";
    }
    star_ = variants_.size();
  } else {
    std::optional<http::MediaType> type = http::parse_media_type(key);
    if (!type || type->type == "*" || type->subtype == "*") {
      reader.warning(at, rule_option,
                     "\"" + sanitize_utf8(key) + "\" in content is no media type; its text is never sent",
                     "write a type such as application/json, or '*'");
      return;
    }
    variant.content_type = key;
    landing = landing_for(key);
    offers_.push_back(std::move(*type));
    offer_variants_.push_back(variants_.size());
  }
  if (auto compiled = compile_template(reader, at, text, landing, set)) {
    variant.text = std::move(*compiled);
  }
  variants_.push_back(std::move(variant));
}

void Dummy::read_content(gateway::BuildContext& context, spec::ObjectReader& reader) {
  const spec::Node* content = reader.node("content");
  if (content == nullptr || content->is_null()) {
    return;
  }
  if (content->is_scalar()) {
    add_variant(context, reader, *content, "*", content->text);
    return;
  }
  if (!content->is_mapping()) {
    reader.error(*content, "wrong-type", "`content` must be a mapping of media types to texts, or a text",
                 "write `content: {application/json: '…'}`");
    return;
  }
  for (const spec::Member& member : content->members) {
    const spec::Node* value = context.document.resolve(*member.value);
    if (value == nullptr) {
      continue;
    }
    if (!value->is_scalar()) {
      reader.error(
          *value, rule_option,
          "the content of \"" + sanitize_utf8(member.key) + "\" must be a text, not " + value->describe(),
          "write JSON as a text: '{\"a\": 1}'");
      continue;
    }
    add_variant(context, reader, *value, member.key, value->is_null() ? std::string() : value->text);
  }
}

void Dummy::finish() {
  if (variants_.empty()) {
    variants_.emplace_back();
    variants_.back().text = TextTemplate::compile("", Landing::plain, parameters::ParameterSet({})).value();
    star_ = 0;
  }
  without_accept_ = star_.value_or(0);
  const bool constant_headers = std::all_of(headers_.begin(), headers_.end(),
                                            [](const FieldTemplate& field) { return field.is_constant(); });
  for (Variant& variant : variants_) {
    if (!constant_headers || !variant.text.is_constant()) {
      needs_values_ = true;
      continue;
    }
    // Constant templates cannot fail.
    const http::Response response = render(variant, {}).value();
    auto rendered = std::make_shared<http::RenderedResponse>();
    rendered->status = status_;
    for (const http::Headers::Field& field : response.headers) {
      rendered->fields.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    rendered->body = variant.text.constant();
    variant.rendered = std::move(rendered);
  }
  if (offers_.empty()) {
    constant_ = variants_[without_accept_].rendered;
  }
}

IntegrationPtr Dummy::build(gateway::BuildContext& context, const spec::Node& node) {
  const std::size_t errors = context.diagnostics.error_count();
  auto dummy = std::make_shared<Dummy>();
  {
    spec::ObjectReader reader(context.document, node, "the dummy integration", context.diagnostics);
    for (const std::string_view key : {"type", "service_account_id", "serviceAccountId", "service_account"}) {
      reader.accept(key);
    }
    dummy->status_ = static_cast<int>(reader.integer("http_code", 200, 599).value_or(200));
    dummy->headers_ =
        read_fields(reader, "http_headers", Landing::header, context.operation.parameter_set, nullptr);
    // Framing and connection are the server's own.
    std::erase_if(dummy->headers_, [](const FieldTemplate& field) {
      const http::FieldId id = http::field_id(field.name);
      return id == http::FieldId::content_length || id == http::FieldId::transfer_encoding ||
             id == http::FieldId::connection || id == http::FieldId::date;
    });
    dummy->read_content(context, reader);
  }
  if (context.diagnostics.error_count() != errors) {
    return nullptr;
  }
  dummy->finish();
  return dummy;
}

}  // namespace

IntegrationPtr build_dummy(gateway::BuildContext& context, const spec::Node& node) {
  return Dummy::build(context, node);
}

}  // namespace sluice::integrations
