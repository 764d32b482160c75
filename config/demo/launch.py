"""`make run`: starts what stands behind config/demo.yaml, then the daemon in the foreground. Ctrl-C ends all of it."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
SLUICE = os.environ.get("SLUICE_BIN") or str(ROOT / "build" / "sluice")
PARTS = {"shop.py": "9101", "function.py": "9102", "notes.py": "9103", "events.py": "/tmp/sluice-demo.sock"}

REQUESTS = """
Try, in a browser: http://127.0.0.1:8080/  http://site.localhost:8080/  http://album.localhost:8080/
                  http://127.0.0.1:8080/docs (Swagger UI, where npm was there at the build)
In another terminal:
  curl -i http://127.0.0.1:8080/                                  a static answer
  curl -i 'http://127.0.0.1:8080/hello/Ada?greeting=Good%20day'   a static answer with parameters
  curl -i http://127.0.0.1:8080/shop/products                     proxied to an HTTP upstream
  curl -i http://127.0.0.1:8080/function/hello?name=Ada           a function gets the event
  curl -s http://127.0.0.1:8080/function/echo/a/b?x=1             ... and shows it, in format 1.0
  curl -i http://127.0.0.1:8080/notes -d 'buy milk'               a container
  curl -N http://127.0.0.1:8080/events                            a stream, from a container on a unix socket
  curl -s http://site.localhost:8080/api/items                    a single-page site, from a bucket and a container
  curl -s http://album.localhost:8080/api/photos                  a photo album, from a bucket and functions
  curl -s http://shortener.localhost:8080/shorten -d https://example.com/   a function in a worker process
  curl -s http://bot.localhost:8080/                              a Telegram bot; config/examples has READMEs of these
  curl -s http://127.0.0.1:9901/gateways                          the admin API
  build/sluice explain config/demo-api.yaml GET /hello/Ada --config config/demo.yaml
"""


def listens(place: str) -> bool:
    with contextlib.suppress(OSError):
        if place.isdigit():
            socket.create_connection(("127.0.0.1", int(place)), timeout=1).close()
        else:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(place)
        return True
    return False


def main() -> int:
    taken = [place for place in [*PARTS.values(), "8080"] if listens(place)]
    if taken:
        print(f"make run: somebody else listens on {', '.join(taken)}; end that first", file=sys.stderr)
        return 1
    children = []
    try:
        for script, place in PARTS.items():
            # A session of its own: Ctrl-C reaches the daemon first, which finishes what is in flight.
            children.append(subprocess.Popen([sys.executable, str(FOLDER / script), place], start_new_session=True))
        for place in PARTS.values():
            until = time.monotonic() + 30
            while not listens(place):
                if time.monotonic() > until or any(child.poll() is not None for child in children):
                    print("make run: a part of the demo did not start", file=sys.stderr)
                    return 1
                time.sleep(0.05)
        print(REQUESTS, flush=True)
        daemon = subprocess.Popen([SLUICE, "serve", "--config", "config/demo.yaml"], cwd=ROOT)
        children.insert(0, daemon)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the daemon, too
        signal.signal(signal.SIGTERM, lambda *_: daemon.terminate())
        return daemon.wait()
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
        for child in children:
            child.wait()
        pathlib.Path(PARTS["events.py"]).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
