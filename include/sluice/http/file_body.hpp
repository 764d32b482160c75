/// Bodies that are a range of a file. Anybody can read them as any other body; a connection that can have
/// the system send the file takes BodySource::file_range() instead.
#pragma once

#include <memory>

#include "sluice/base/folder.hpp"
#include "sluice/http/body.hpp"
#include "sluice/net/worker.hpp"

namespace sluice::http {

/// `size` bytes from `offset` on of a regular file. Reading never waits for anything but the disk, in blocks
/// of a buffer of the worker's, and lets others of the worker run after each MiB. A file that ends early is
/// an error (io, internal), never an early end. `worker` must outlive the source.
std::unique_ptr<BodySource> make_file_body(FileDescriptor file, std::uint64_t offset, std::uint64_t size,
                                           net::Worker& worker);

}  // namespace sluice::http
