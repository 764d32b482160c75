# The worker of Python functions (docs/worker-protocol.md). Read from standard input by Python 3.9 and later.
import asyncio
import importlib
import inspect
import io
import json
import os
import select
import socket
import struct
import sys
import time
import traceback

VERSION, INVOKE, READY, ANSWER, ERROR, FATAL, START_FAILED = 1, 1, 2, 3, 4, 5, 6
HEADER = struct.Struct(">BBHIII")

# What has no end of line yet is passed on in parts of this many characters, so that output without lines costs no memory.
LONGEST_PART = 65536

process = os.getpid()
options = json.loads(os.environ.pop("SLUICE_WORKER"))
request_id = ""


class Marked(io.TextIOBase):
    """Standard output or error: each line says which request it belongs to."""

    def __init__(self, stream):
        super().__init__()
        self._stream, self._rest = stream, ""

    encoding = "utf-8"
    errors = "replace"
    buffer = property(lambda self: self._stream.buffer)

    def fileno(self):
        return self._stream.fileno()

    def isatty(self):
        return False

    def writable(self):
        return True

    def write(self, text):
        lines = text.split("\n")
        lines[0] = self._rest + lines[0]
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_PART:
            lines.append(self._rest)
            self._rest = ""
        if lines:
            mark = f"\x1e{request_id}\x1e" if request_id else ""
            data = "".join(f"{mark}{line}\n" for line in lines).encode("utf-8", "replace")
            while data:
                data = data[os.write(self._stream.fileno(), data):]
        return len(text)

    def flush(self):
        self._stream.flush()

    def end_line(self):
        if self._rest:
            self.write("\n")
        self.flush()


sys.stdout, sys.stderr = Marked(sys.stdout), Marked(sys.stderr)


def frame(kind, number, body):
    body = body.encode("utf-8", "replace")
    return HEADER.pack(VERSION, kind, 0, number, 0, len(body)) + body


def receive(channel, size):
    """Exactly `size` bytes; b"" when the daemon has gone."""
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def text_of(error):
    """Its text, whatever its own code does."""
    try:
        return str(error)
    except Exception:
        return "the text of the error cannot be read"


def stack_of(error, depth=0):
    """The lines of the stack that are the function's; those of what caused the error below it."""
    frames = [entry for entry in traceback.extract_tb(error.__traceback__)
              if entry.filename not in ("<stdin>", "<string>") and not entry.filename.startswith("<frozen importlib")]
    lines = [line.rstrip("\n") for line in traceback.format_list(frames)][:100]
    cause = error.__context__ if error.__cause__ is None and not error.__suppress_context__ else error.__cause__
    if cause is not None and depth < 5:
        lines += [f"caused by {type(cause).__name__}: {text_of(cause)[:1024]}"] + stack_of(cause, depth + 1)
    return lines


def describe(error):
    message = text_of(error)
    if isinstance(error, SyntaxError) and error.filename:
        message = f"{error.msg} ({error.filename}, line {error.lineno})"
    return {"errorMessage": message[:32768], "errorType": type(error).__name__,
            "stackTrace": stack_of(error)}


def load():
    sys.argv = [options["file"]]
    sys.path[0] = options["directory"]
    folder = os.path.dirname(options["file"])
    if folder != options["directory"]:
        sys.path.append(folder)
    relative = os.path.relpath(options["file"], options["directory"])
    name = relative[:-len("/__init__.py")] if relative.endswith("/__init__.py") else relative[:-len(".py")]
    found = importlib.import_module(name.replace("/", "."))
    for key in options["function"].split("."):
        found = getattr(found, key, None)
    if not callable(found):
        names = ", ".join(key for key, value in vars(sys.modules[name.replace("/", ".")]).items()
                          if callable(value) and not key.startswith("_"))
        failure = LookupError(f'{os.path.basename(options["file"])} has no function "{options["function"]}"' +
                              (f"; it has {names}" if names else ""))
        failure.sluice_type = "HandlerNotFound"
        raise failure
    return found


class Context:
    def __init__(self, head):
        self.function_name = options["id"]
        self.function_version = options["version"]
        self.memory_limit_in_mb = options["memory"]
        self.request_id = self.aws_request_id = head["request_id"]
        self.deadline_ms = head["deadline_ms"]
        self.token = head.get("token")

    def get_remaining_time_in_millis(self):
        return max(0, int(self.deadline_ms - time.time() * 1000))


loop = None


def run(handler, event, context):
    global loop
    result = handler(event, context)
    if inspect.isawaitable(result):
        if loop is None:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)

        async def wait(awaitable):
            return await awaitable
        result = loop.run_until_complete(wait(result))
    return result


def invoke(handler, channel, number, head, body):
    """False: the process has to end."""
    global request_id
    head = json.loads(head)
    request_id = head["request_id"]
    kind, ends = ANSWER, False
    try:
        result = run(handler, json.loads(body), Context(head))
        try:
            answer = json.dumps(result, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            kind = ERROR
            answer = json.dumps({"errorMessage": f"the answer cannot be written as JSON: {error}",
                                 "errorType": "BadAnswer", "stackTrace": []})
    except Exception as error:
        kind, answer = ERROR, json.dumps(describe(error))
    except BaseException as error:
        described = describe(error)
        if isinstance(error, SystemExit):
            described["errorMessage"] = f"sys.exit({error.code!r}) was called before the function answered"
        kind, answer, ends = FATAL, json.dumps(described), True
    if os.getpid() != process:
        os._exit(0)  # a child that the handler forked: the event is its parent's to answer
    sys.stdout.end_line()
    sys.stderr.end_line()
    request_id = ""
    channel.sendall(frame(kind, number, answer))
    return not ends


def main():
    control = socket.socket(fileno=options["control"])
    channels = {number: socket.socket(fileno=number) for number in options["channels"]}
    for one in (control, *channels.values()):
        one.set_inheritable(False)
        one.setblocking(True)
    try:
        handler = load()
    except BaseException as error:
        described = describe(error)
        described["errorType"] = getattr(error, "sluice_type", described["errorType"])
        if isinstance(error, SystemExit):
            described["errorMessage"] = f"sys.exit({error.code!r}) was called while the handler was loaded"
        sys.stdout.end_line()
        sys.stderr.end_line()
        control.sendall(frame(START_FAILED, 0, json.dumps(described)))
        os._exit(1)
    control.sendall(frame(READY, 0, json.dumps({"runtime": f"python {sys.version.split()[0]}"})))
    poll = select.poll()
    poll.register(control, select.POLLIN)
    for one in channels.values():
        poll.register(one, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            if number == control.fileno():
                if not control.recv(4096):
                    return  # the daemon has gone, or wants no more of this process
                continue
            channel = channels[number]
            header = receive(channel, HEADER.size)
            if not header:
                poll.unregister(channel)
                continue
            version, kind, _, event, head_size, body_size = HEADER.unpack(header)
            if version != VERSION or kind != INVOKE:
                os._exit(70)
            head, body = receive(channel, head_size), receive(channel, body_size)
            if not invoke(handler, channel, event, head, body):
                sys.stdout.flush()
                os._exit(1)


main()
