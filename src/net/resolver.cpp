#include "sluice/net/resolver.hpp"

#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include <ares.h>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/intrusive/list.hpp>

#include "sluice/base/codec.hpp"
#include "sluice/net/waiter.hpp"

#include "hosts_file.hpp"

namespace sluice::net {

namespace {

constexpr Duration configuration_interval = std::chrono::seconds(5);

int initialise_library() noexcept {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status;
}

Error resolve_error(std::string_view name, std::string_view why) {
  std::string detail = "no address of " + sanitize_utf8(name) + ": ";
  detail += why;
  return upstream_error(ErrorCode::resolve_failed, std::move(detail), Retry::yes);
}

bool is_localhost(std::string_view name) noexcept {
  return name == "localhost" || name.ends_with(".localhost");
}

Addresses share(std::vector<IpAddress> addresses) {
  return std::make_shared<const std::vector<IpAddress>>(std::move(addresses));
}

std::optional<IpAddress> address_of(const sockaddr* from) noexcept {
  if (from->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(from);
    return boost::asio::ip::address_v4(ntohl(v4->sin_addr.s_addr));
  }
  if (from->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(from);
    boost::asio::ip::address_v6::bytes_type bytes{};
    std::copy_n(std::begin(v6->sin6_addr.s6_addr), bytes.size(), bytes.begin());
    return boost::asio::ip::address_v6(bytes);
  }
  return std::nullopt;
}

// "No such name" and "no address of this kind" are answers; the rest are failures to get one.
bool is_negative_answer(int status) noexcept {
  return status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME;
}

std::pair<long long, long> modified(const std::string& path) noexcept {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return {0, 0};
  }
  return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

}  // namespace

std::vector<IpAddress> interleave_families(const std::vector<IpAddress>& addresses) {
  std::vector<IpAddress> v6;
  std::vector<IpAddress> v4;
  for (const IpAddress& address : addresses) {
    (address.is_v6() ? v6 : v4).push_back(address);
  }
  std::vector<IpAddress> mixed;
  mixed.reserve(addresses.size());
  for (std::size_t at = 0; at < std::max(v6.size(), v4.size()); ++at) {
    if (at < v6.size()) {
      mixed.push_back(v6[at]);
    }
    if (at < v4.size()) {
      mixed.push_back(v4[at]);
    }
  }
  return mixed;
}

struct Resolver::Impl : std::enable_shared_from_this<Resolver::Impl> {
  Impl(Worker& its_worker, ResolverSettings its_settings)
      : worker(its_worker),
        settings(std::move(its_settings)),
        hosts(settings.hosts_file),
        retry_timer(
            worker.wheel(), [](void* context) noexcept { static_cast<Impl*>(context)->on_retry_timer(); },
            this) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { close_channel(); }

  // --- lookups

  // One coroutine in resolve(). Lives in its frame.
  struct Wait
      : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    Impl* impl = nullptr;
    Waiter waiter;
    std::optional<Result<Addresses>> result;
    void end(Result<Addresses> with) {
      if (!result) {
        result.emplace(std::move(with));
        unlink();
        waiter.resume_later(impl->worker.executor());
      }
    }
  };

  struct Lookup {
    Lookup(Impl& its_impl, std::string its_name, std::uint64_t its_serial)
        : impl(its_impl),
          name(std::move(its_name)),
          serial(its_serial),
          delay(
              its_impl.worker.wheel(),
              [](void* context) noexcept {
                auto* self = static_cast<Lookup*>(context);
                self->impl.finish(*self);
              },
              this) {}
    Impl& impl;
    std::string name;
    std::uint64_t serial;  // tells its answers from those of an earlier lookup of the name
    std::vector<IpAddress> v6;
    std::vector<IpAddress> v4;
    std::uint32_t ttl = UINT32_MAX;
    int failure = ARES_SUCCESS;  // of the family that failed last; a failure to get an answer wins
    unsigned pending = 2;
    bool finished = false;
    Timer delay;
    boost::intrusive::list<Wait, boost::intrusive::constant_time_size<false>> waits;
  };

  struct Entry {
    Addresses addresses;  // nullptr: `failure` is the answer
    std::string failure;
    SteadyTime expires{};
    std::unique_ptr<Lookup> lookup;  // under way
  };

  // What c-ares carries through a query.
  struct Query {
    std::weak_ptr<Impl> impl;
    std::string name;
    std::uint64_t serial;
  };

  Result<Lookup*> start(const std::string& name);
  bool make_room();
  static void on_answer(void* argument, int status, int timeouts, ares_addrinfo* answer);
  void take(Lookup& lookup, int status, const ares_addrinfo* answer);
  void finish(Lookup& lookup);
  void drop_if_over(const std::string& name);

  // --- c-ares on the io_context

  using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
  struct Socket {
    explicit Socket(const Executor& executor) : descriptor(executor) {}
    Descriptor descriptor;
    bool want_read = false;
    bool want_write = false;
    bool reading = false;
    bool writing = false;
    bool closed = false;
  };

  bool open_channel();
  void close_channel() noexcept;
  void look_at_configuration(SteadyTime now);
  static void on_socket_state(void* context, ares_socket_t socket, int readable, int writable);
  void watch(ares_socket_t socket, const std::shared_ptr<Socket>& state);
  void on_ready(ares_socket_t socket, const std::shared_ptr<Socket>& state, bool readable);
  void on_retry_timer() noexcept;
  void arm_retry_timer();

  Worker& worker;
  ResolverSettings settings;
  HostsFile hosts;
  Timer retry_timer;
  ares_channel channel = nullptr;
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets;
  std::unordered_map<std::string, Entry> entries;
  std::size_t queries = 0;  // inside c-ares
  SteadyTime configuration_looked{};
  std::pair<long long, long> configuration_modified;
  Counts counts;
};

// ---------------------------------------------------------------------------------------------- the channel

bool Resolver::Impl::open_channel() {
  if (channel != nullptr) {
    return true;
  }
  if (initialise_library() != ARES_SUCCESS) {
    return false;
  }
  ares_options options{};
  std::string lookups = "b";  // DNS only: the hosts file is read here
  std::string path = settings.resolv_conf;
  options.flags = ARES_FLAG_NOALIASES;
  options.lookups = lookups.data();
  options.timeout =
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(settings.query_timeout).count());
  options.tries = static_cast<int>(settings.tries);
  options.sock_state_cb = &Impl::on_socket_state;
  options.sock_state_cb_data = this;
  options.resolvconf_path = path.data();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                   ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
  if (ares_init_options(&channel, &options, mask) != ARES_SUCCESS) {
    channel = nullptr;
    return false;
  }
  if (!settings.servers.empty() &&
      ares_set_servers_ports_csv(channel, settings.servers.c_str()) != ARES_SUCCESS) {
    close_channel();
    return false;
  }
  return true;
}

void Resolver::Impl::close_channel() noexcept {
  retry_timer.disarm();
  if (channel != nullptr) {
    ares_destroy(std::exchange(channel, nullptr));
  }
}

void Resolver::Impl::look_at_configuration(SteadyTime now) {
  if (!settings.servers.empty() || queries != 0 ||
      (configuration_looked != SteadyTime{} && now - configuration_looked < configuration_interval)) {
    return;
  }
  configuration_looked = now;
  const auto current = modified(settings.resolv_conf);
  if (std::exchange(configuration_modified, current) != current) {
    close_channel();
  }
}

void Resolver::Impl::on_socket_state(void* context, ares_socket_t socket, int readable, int writable) {
  auto* self = static_cast<Impl*>(context);
  auto at = self->sockets.find(socket);
  if (readable == 0 && writable == 0) {
    if (at != self->sockets.end()) {
      // c-ares closes it next.
      at->second->closed = true;
      at->second->descriptor.release();
      self->sockets.erase(at);
    }
    return;
  }
  if (at == self->sockets.end()) {
    auto state = std::make_shared<Socket>(self->worker.executor());
    boost::system::error_code failed;
    state->descriptor.assign(socket, failed);
    if (failed) {
      return;  // the query ends by its timeout
    }
    at = self->sockets.emplace(socket, std::move(state)).first;
  }
  at->second->want_read = readable != 0;
  at->second->want_write = writable != 0;
  const std::shared_ptr<Socket> state = at->second;
  self->watch(socket, state);
}

void Resolver::Impl::watch(ares_socket_t socket, const std::shared_ptr<Socket>& state) {
  if (state->want_read && !state->reading) {
    state->reading = true;
    state->descriptor.async_wait(Descriptor::wait_read, [impl = weak_from_this(), state,
                                                         socket](const boost::system::error_code& failed) {
      state->reading = false;
      const auto self = impl.lock();
      if (self && !failed && !state->closed) {
        self->on_ready(socket, state, true);
      }
    });
  }
  if (state->want_write && !state->writing) {
    state->writing = true;
    state->descriptor.async_wait(Descriptor::wait_write, [impl = weak_from_this(), state,
                                                          socket](const boost::system::error_code& failed) {
      state->writing = false;
      const auto self = impl.lock();
      if (self && !failed && !state->closed) {
        self->on_ready(socket, state, false);
      }
    });
  }
}

void Resolver::Impl::on_ready(ares_socket_t socket, const std::shared_ptr<Socket>& state, bool readable) {
  if (channel == nullptr) {
    return;
  }
  ares_process_fd(channel, readable ? socket : ARES_SOCKET_BAD, readable ? ARES_SOCKET_BAD : socket);
  if (!state->closed) {
    watch(socket, state);
  }
  arm_retry_timer();
}

void Resolver::Impl::on_retry_timer() noexcept {
  if (channel != nullptr) {
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_retry_timer();
  }
}

void Resolver::Impl::arm_retry_timer() {
  timeval next{};
  if (channel == nullptr || ares_timeout(channel, nullptr, &next) == nullptr) {
    retry_timer.disarm();
    return;
  }
  retry_timer.arm(std::chrono::seconds(next.tv_sec) + std::chrono::microseconds(next.tv_usec));
}

// ---------------------------------------------------------------------------------------------- lookups

bool Resolver::Impl::make_room() {
  if (entries.size() < settings.max_entries) {
    return true;
  }
  const SteadyTime now = worker.wheel().now();
  std::erase_if(entries,
                [now](const auto& each) { return !each.second.lookup && each.second.expires <= now; });
  if (entries.size() < settings.max_entries) {
    return true;
  }
  const auto at =
      std::find_if(entries.begin(), entries.end(), [](const auto& each) { return !each.second.lookup; });
  if (at == entries.end()) {
    return false;
  }
  entries.erase(at);
  return true;
}

Result<Resolver::Impl::Lookup*> Resolver::Impl::start(const std::string& name) {
  const auto known = entries.find(name);
  if (known == entries.end() && !make_room()) {
    return upstream_error(ErrorCode::overloaded, "too many names are looked up at once", Retry::yes);
  }
  look_at_configuration(worker.wheel().now());
  if (!open_channel()) {
    return resolve_error(name, "c-ares cannot be initialised");
  }
  Entry& entry = entries[name];
  entry.lookup = std::make_unique<Lookup>(*this, name, ++counts.lookups);
  Lookup* lookup = entry.lookup.get();
  return lookup;
}

void Resolver::Impl::on_answer(void* argument, int status, int /*timeouts*/, ares_addrinfo* answer) {
  const std::unique_ptr<Query> query(static_cast<Query*>(argument));
  const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owned(answer, &ares_freeaddrinfo);
  const auto self = query->impl.lock();
  if (!self) {
    return;
  }
  --self->queries;
  const auto at = self->entries.find(query->name);
  if (at != self->entries.end() && at->second.lookup && at->second.lookup->serial == query->serial) {
    self->take(*at->second.lookup, status, answer);
  }
}

void Resolver::Impl::take(Lookup& lookup, int status, const ares_addrinfo* answer) {
  --lookup.pending;
  if (status == ARES_SUCCESS && answer != nullptr) {
    for (const ares_addrinfo_cname* alias = answer->cnames; alias != nullptr; alias = alias->next) {
      lookup.ttl = std::min(lookup.ttl, static_cast<std::uint32_t>(std::max(alias->ttl, 0)));
    }
    for (const ares_addrinfo_node* node = answer->nodes; node != nullptr; node = node->ai_next) {
      lookup.ttl = std::min(lookup.ttl, static_cast<std::uint32_t>(std::max(node->ai_ttl, 0)));
      if (const auto address = address_of(node->ai_addr)) {
        (address->is_v6() ? lookup.v6 : lookup.v4).push_back(*address);
      }
    }
  } else if (lookup.failure == ARES_SUCCESS || is_negative_answer(lookup.failure)) {
    lookup.failure = status;
  }
  if (lookup.pending == 0) {
    finish(lookup);
    drop_if_over(std::string(lookup.name));
  } else if (!lookup.v6.empty() || !lookup.v4.empty()) {
    lookup.delay.arm(settings.resolution_delay);
  }
}

// Answers those who wait; what comes later completes the entry.
void Resolver::Impl::finish(Lookup& lookup) {
  lookup.delay.disarm();
  Entry& entry = entries[lookup.name];
  const SteadyTime now = Clock::real().steady();
  std::vector<IpAddress> all = lookup.v6;
  all.insert(all.end(), lookup.v4.begin(), lookup.v4.end());
  if (all.empty()) {
    const bool negative = is_negative_answer(lookup.failure);
    entry.addresses = nullptr;
    entry.failure = ares_strerror(lookup.failure);
    entry.expires = now + (negative ? settings.negative_ttl : settings.failure_ttl);
    ++counts.failures;
  } else {
    entry.addresses = share(interleave_families(all));
    entry.expires = now + std::min<Duration>(settings.max_ttl, std::chrono::seconds(lookup.ttl));
  }
  lookup.finished = true;
  while (!lookup.waits.empty()) {
    if (entry.addresses) {
      lookup.waits.front().end(entry.addresses);
    } else {
      lookup.waits.front().end(resolve_error(lookup.name, entry.failure));
    }
  }
}

void Resolver::Impl::drop_if_over(const std::string& name) {
  const auto at = entries.find(name);
  if (at != entries.end()) {
    at->second.lookup.reset();
  }
}

// ---------------------------------------------------------------------------------------------- the face

Resolver::Resolver(Worker& worker, ResolverSettings settings)
    : impl_(std::make_shared<Impl>(worker, std::move(settings))) {}

Resolver::~Resolver() = default;

Addresses Resolver::find(std::string_view name) {
  Impl& impl = *impl_;
  boost::system::error_code failed;
  const IpAddress literal = boost::asio::ip::make_address(std::string(name), failed);
  if (!failed) {
    return share({literal});
  }
  std::string key = to_lower(name);
  if (is_localhost(key)) {
    return share({boost::asio::ip::address_v6::loopback(), boost::asio::ip::address_v4::loopback()});
  }
  const SteadyTime now = Clock::real().steady();
  if (const std::vector<IpAddress>& listed = impl.hosts.find(key, now); !listed.empty()) {
    return share(interleave_families(listed));
  }
  const auto at = impl.entries.find(key);
  if (at != impl.entries.end() && at->second.addresses && at->second.expires > now) {
    ++impl.counts.hits;
    return at->second.addresses;
  }
  return nullptr;
}

Awaitable<Result<Addresses>> Resolver::resolve(std::string_view name, SteadyTime deadline,
                                               CancelToken* cancel) {
  if (Addresses known = find(name)) {
    co_return known;
  }
  const std::shared_ptr<Impl> impl = impl_;
  const std::string key = to_lower(name);
  const auto at = impl->entries.find(key);
  Impl::Lookup* lookup = nullptr;
  bool begin = false;
  if (at != impl->entries.end()) {
    if (at->second.lookup && !at->second.lookup->finished) {
      lookup = at->second.lookup.get();
    } else if (!at->second.addresses && at->second.expires > Clock::real().steady()) {
      ++impl->counts.hits;
      co_return resolve_error(key, at->second.failure);
    }
  }
  if (lookup == nullptr) {
    Result<Impl::Lookup*> started = impl->start(key);
    if (started.has_error()) {
      co_return std::move(started).error();
    }
    lookup = *started;
    begin = true;
  }
  Impl::Wait wait;
  wait.impl = impl.get();
  lookup->waits.push_back(wait);
  if (begin) {
    const std::uint64_t serial = lookup->serial;
    ares_addrinfo_hints hints{};
    hints.ai_flags = ARES_AI_NOSORT;
    hints.ai_socktype = SOCK_STREAM;
    for (const int family : {AF_INET6, AF_INET}) {
      hints.ai_family = family;
      ++impl->queries;
      auto query = std::make_unique<Impl::Query>(Impl::Query{impl, key, serial});
      ares_getaddrinfo(impl->channel, key.c_str(), nullptr, &hints, &Impl::on_answer, query.release());
    }
    impl->arm_retry_timer();
  }
  Timer timer(
      impl->worker.wheel(),
      [](void* context) noexcept {
        static_cast<Impl::Wait*>(context)->end(
            upstream_error(ErrorCode::deadline, "the host name was not resolved in time", Retry::yes));
      },
      &wait);
  timer.arm_at(deadline);
  std::optional<CancelHook> hook;
  if (cancel != nullptr) {
    hook.emplace(
        *cancel,
        [](void* context) noexcept {
          static_cast<Impl::Wait*>(context)->end(
              upstream_error(ErrorCode::cancelled, "the request was given up"));
        },
        &wait);
  }
  co_await wait.waiter.wait();
  co_return std::move(*wait.result);
}

void Resolver::clear_cache() {
  std::erase_if(impl_->entries, [](const auto& each) { return !each.second.lookup; });
}

Resolver::Counts Resolver::counts() const noexcept {
  Counts counts = impl_->counts;
  counts.entries = impl_->entries.size();
  counts.pending =
      static_cast<std::size_t>(std::count_if(impl_->entries.begin(), impl_->entries.end(),
                                             [](const auto& each) { return each.second.lookup != nullptr; }));
  return counts;
}

}  // namespace sluice::net
