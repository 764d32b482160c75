"""OpenStack Swift with its S3 interface (s3api, tempauth) in one process, from Debian's packages: a strict S3 server that
checks secret, region, service, clock and payload hash. Prints {"port": …} when it serves.

    /usr/bin/python3 swift_server.py FOLDER        the account test:tester has the secret "testing"
"""
import eventlet

eventlet.monkey_patch()

import json  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import pwd  # noqa: E402
import socket  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402

from eventlet import wsgi  # noqa: E402
from swift.common import utils  # noqa: E402

FOLDER = pathlib.Path(sys.argv[1]).resolve()
REGION = "ru-central1"
USER = pwd.getpwuid(os.getuid()).pw_name


def listen() -> socket.socket:
    return eventlet.listen(("127.0.0.1", 0), backlog=256)


def write(name: str, text: str) -> str:
    path = FOLDER / name
    path.write_text(text)
    return str(path)


(FOLDER / "devices" / "d1").mkdir(parents=True)
(FOLDER / "run").mkdir()
write("swift.conf", "[swift-hash]\nswift_hash_path_suffix = test\nswift_hash_path_prefix = test\n"
                    "[storage-policy:0]\nname = only\ndefault = yes\n")
utils.set_swift_dir(str(FOLDER))

from swift.common.ring import RingBuilder  # noqa: E402
from swift.common.wsgi import loadapp  # noqa: E402

sockets = {name: listen() for name in ("account", "container", "object", "proxy")}
for name in ("account", "container", "object"):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev({"region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "port": sockets[name].getsockname()[1],
                     "device": "d1", "meta": ""})
    builder.rebalance()
    builder.get_ring().save(str(FOLDER / f"{name}.ring.gz"))
    write(f"{name}.conf", f"""[DEFAULT]
devices = {FOLDER}/devices
mount_check = false
swift_dir = {FOLDER}
user = {USER}
log_level = ERROR
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
fallocate_reserve = 0
disable_fallocate = true
""")

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    cache_port = probe.getsockname()[1]
cache = subprocess.Popen(["memcached", "-l", "127.0.0.1", "-p", str(cache_port), "-U", "0", "-m", "16",
                          *(["-u", USER] if os.getuid() == 0 else [])], stdin=subprocess.DEVNULL)
write("proxy.conf", f"""[DEFAULT]
swift_dir = {FOLDER}
user = {USER}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats s3api tempauth bulk slo proxy-logging2 proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
access_log_level = ERROR
[filter:proxy-logging2]
use = egg:swift#proxy_logging
access_log_level = ERROR
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{cache_port}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:s3api]
use = egg:swift#s3api
location = {REGION}
s3_acl = false
dns_compliant_bucket_names = false
allow_multipart_uploads = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
""")

try:
    quiet = open(os.devnull, "w")
    for name in ("account", "container", "object"):
        eventlet.spawn(wsgi.server, sockets[name], loadapp(str(FOLDER / f"{name}.conf")), log=quiet, log_output=False)
    application = loadapp(str(FOLDER / "proxy.conf"))
    print(json.dumps({"port": sockets["proxy"].getsockname()[1]}), flush=True)
    wsgi.server(sockets["proxy"], application, log=quiet, log_output=False)
finally:
    cache.terminate()
    cache.wait()
