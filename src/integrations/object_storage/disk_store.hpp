/// A bucket in a folder: keys are paths below it. backends.md, "Object Storage on disk".
#pragma once

#include "sluice/base/folder.hpp"

#include "integrations/object_storage/store.hpp"

namespace sluice::integrations {

std::shared_ptr<const ObjectStore> make_disk_store(std::shared_ptr<const Folder> folder);

/// The strong ETag of a file's state, with its quotes: 32 hex digits of size, inode and the times of the last
/// change of content and attributes in nanoseconds. Whatever changes the content changes it; it is no MD5.
std::string etag_of(const OpenFile& file);

}  // namespace sluice::integrations
