/// The access log: one JSON object a request, made on the worker and written by the log's own thread.
/// daemon.md, "Operation".
#pragma once

#include <memory>
#include <string>

#include "sluice/base/line_writer.hpp"
#include "sluice/gateway/pipeline.hpp"

namespace sluice::gateway {

/// The line of a finished request, without line feed, at the end of `out`: time (of its end), request_id,
/// gateway, client, method, host, path (canonical; never the query), template, operation, status, bytes
/// (sent), bytes_in, duration, integration, integration_duration, release, protocol, tls_version, trace_id,
/// and where they tell something: slug, detail, aborted, user_agent. Durations are seconds. What there is
/// none of is "".
void append_access_line(std::string& out, const http::Request& request, const http::RequestContext& context,
                        SystemTime now, SteadyTime steady_now);

/// A sink for one worker (shard = its index). nullptr gives an empty sink: no access log.
AccessLogSink make_access_log(std::shared_ptr<LineWriter> writer, std::size_t shard);

}  // namespace sluice::gateway
