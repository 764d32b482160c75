// The worker of Node.js functions (docs/worker-protocol.md). Read from standard input by Node 18 and later.
"use strict";

const fs = require("fs");
const net = require("net");
const path = require("path");
const { createRequire } = require("module");
const { pathToFileURL } = require("url");
const { inspect } = require("util");

const VERSION = 1;
const INVOKE = 1;
const READY = 2;
const ANSWER = 3;
const ERROR = 4;
const FATAL = 5;
const START_FAILED = 6;
const HEADER = 16;

const options = JSON.parse(process.env.SLUICE_WORKER);
delete process.env.SLUICE_WORKER;
process.argv = [process.argv[0], options.file];

/** The event that runs: {id, channel, requestId}, or null. */
let current = null;

// ---- output: each line says which request it belongs to ------------------------------------------------------

const flushers = [];
/** What has no end of line yet is passed on in parts of this many characters, so that output without lines costs no memory. */
const LONGEST_PART = 65536;

function mark(stream) {
  const write = stream.write.bind(stream);
  let rest = "";
  const put = (text) => {
    const lines = text.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop();
    if (rest.length > LONGEST_PART) {
      lines.push(rest);
      rest = "";
    }
    if (lines.length > 0) {
      const tag = current === null ? "" : `\x1e${current.requestId}\x1e`;
      return write(lines.map((line) => `${tag}${line}\n`).join(""));
    }
    return true;
  };
  stream.write = (chunk, encoding, callback) => {
    const done = typeof encoding === "function" ? encoding : callback;
    const from = typeof encoding === "string" ? encoding : "utf8";
    const text = typeof chunk === "string" ? Buffer.from(chunk, from).toString("utf8") : Buffer.from(chunk).toString("utf8");
    const room = put(text);
    if (typeof done === "function") {
      process.nextTick(done);
    }
    return room;
  };
  flushers.push(() => {
    if (rest !== "") {
      put("\n");
    }
  });
}

mark(process.stdout);
mark(process.stderr);

function flush() {
  for (const flusher of flushers) {
    flusher();
  }
}

// ---- frames --------------------------------------------------------------------------------------------------

function frame(type, id, body) {
  const size = Buffer.byteLength(body, "utf8");
  const buffer = Buffer.allocUnsafe(HEADER + size);
  buffer[0] = VERSION;
  buffer[1] = type;
  buffer[2] = 0;
  buffer[3] = 0;
  buffer.writeUInt32BE(id, 4);
  buffer.writeUInt32BE(0, 8);
  buffer.writeUInt32BE(size, 12);
  buffer.write(body, HEADER, "utf8");
  return buffer;
}

/** Writes at once, event loop or not: for last words. */
function writeNow(fd, buffer) {
  const until = Date.now() + 1000;
  for (let at = 0; at < buffer.length && Date.now() < until; ) {
    try {
      at += fs.writeSync(fd, buffer, at);
    } catch (error) {
      if (error.code !== "EAGAIN") {
        return;
      }
    }
  }
}

/** The lines of the stack that are the function's; those of what caused the error below it. */
function stackOf(error, depth = 0) {
  const lines = String(error.stack ?? "").split("\n")
    .filter((line) => /^\s+at /.test(line) && !/\[(stdin|eval)\]|node:internal\/process\/execution/.test(line)).map((line) => line.trim()).slice(0, 100);
  const cause = error.cause;
  if (depth < 5 && cause !== undefined && cause !== null) {
    const title = cause instanceof Error ? `${cause.name}: ${cause.message}` : inspect(cause, { depth: 1 });
    lines.push(`caused by ${title.slice(0, 1024)}`, ...(cause instanceof Error ? stackOf(cause, depth + 1) : []));
  }
  return lines;
}

/** Of whatever was thrown; what cannot be read throws nothing here. */
function describe(error) {
  try {
    return described(error);
  } catch {
    return named("Error", "an error was thrown that cannot be read");
  }
}

function described(error) {
  if (error instanceof Error || (typeof error === "object" && error !== null && typeof error.message === "string")) {
    return {
      errorMessage: String(error.message).slice(0, 32768),
      errorType: String(error.name || (error.constructor && error.constructor.name) || "Error").slice(0, 256),
      stackTrace: stackOf(error),
    };
  }
  let text;
  try {
    text = typeof error === "string" ? error : JSON.stringify(error);
  } catch {
    text = undefined;
  }
  text = text ?? inspect(error, { depth: 2, breakLength: Infinity });
  return { errorMessage: text.slice(0, 32768), errorType: typeof error === "object" ? "Object" : typeof error, stackTrace: [] };
}

function named(type, message) {
  return { errorMessage: message, errorType: type, stackTrace: [] };
}

// ---- the handler ---------------------------------------------------------------------------------------------

let handler = null;

async function load() {
  let loaded;
  if (options.file.endsWith(".mjs")) {
    loaded = await import(pathToFileURL(options.file).href);
  } else {
    try {
      loaded = createRequire(options.file)(options.file);
    } catch (error) {
      if (!error || (error.code !== "ERR_REQUIRE_ESM" && error.code !== "ERR_REQUIRE_ASYNC_MODULE")) {
        throw error;
      }
      loaded = await import(pathToFileURL(options.file).href);
    }
  }
  const find = (from) => options.function.split(".").reduce((at, key) => (at === null || at === undefined ? undefined : at[key]), from);
  let found = find(loaded);
  if (typeof found !== "function" && loaded && loaded.default) {
    found = find(loaded.default);
  }
  if (typeof found !== "function") {
    const names = loaded !== null && (typeof loaded === "object" || typeof loaded === "function") ? Object.keys(loaded).join(", ") : "";
    throw Object.assign(new Error(`${path.basename(options.file)} exports no function "${options.function}"` +
      (names ? `; it exports ${names}` : "; it exports nothing")), { name: "HandlerNotFound", stack: "" });
  }
  handler = found;
}

function bodyOf(event) {
  if (event === null || typeof event !== "object" || event.body === undefined) {
    return event;
  }
  const text = event.isBase64Encoded ? Buffer.from(event.body, "base64") : event.body;
  const headers = event.headers || {};
  const name = Object.keys(headers).find((key) => key.toLowerCase() === "content-type");
  const type = name === undefined ? "" : String(headers[name]).split(";", 1)[0].trim().toLowerCase();
  if (type === "application/json" || type.endsWith("+json")) {
    return text.length === 0 ? null : JSON.parse(String(text));
  }
  if (type === "application/x-www-form-urlencoded") {
    const fields = new Map();
    for (const [key, value] of new URLSearchParams(String(text))) {
      fields.set(key, fields.has(key) ? [].concat(fields.get(key), value) : value);
    }
    return Object.fromEntries(fields);
  }
  return text;
}

class Context {
  constructor(head, event) {
    this.functionName = options.id;
    this.functionVersion = options.version;
    this.memoryLimitInMB = String(options.memory);
    this.requestId = head.request_id;
    this.awsRequestId = head.request_id;
    if (head.token) {
      this.token = head.token;
    }
    this.getRemainingTimeInMillis = () => Math.max(0, head.deadline_ms - Date.now());
    this.getPayload = () => bodyOf(event);
  }
}

function finish(event, type, body) {
  if (current !== event) {
    return; // it has ended otherwise
  }
  flush();
  current = null;
  event.channel.write(frame(type, event.id, body));
}

function returned(event, value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    finish(event, ERROR, JSON.stringify(named("BadAnswer", `the answer cannot be written as JSON: ${describe(error).errorMessage}`)));
    return;
  }
  finish(event, ANSWER, text === undefined ? "null" : text);
}

function invoke(channel, id, head, body) {
  const about = JSON.parse(head);
  const event = { id, channel, requestId: about.request_id };
  current = event;
  const failed = (error) => finish(event, ERROR, JSON.stringify(describe(error)));
  try {
    const input = JSON.parse(body);
    const result = handler(input, new Context(about, input));
    if (result !== null && (typeof result === "object" || typeof result === "function") && typeof result.then === "function") {
      result.then((value) => returned(event, value), failed);
    } else if (result === undefined) {
      finish(event, ERROR, JSON.stringify(named("HandlerReturnedNothing",
        "the handler returned undefined and is not async: return the answer, or make the handler async" +
        (handler.length > 2 ? " (callbacks are not supported)" : ""))));
    } else {
      returned(event, result);
    }
  } catch (error) {
    failed(error);
  }
}

// ---- the channels --------------------------------------------------------------------------------------------

function open(fd) {
  const channel = new net.Socket({ fd, readable: true, writable: true });
  let pending = null;
  channel.on("data", (chunk) => {
    pending = pending === null ? chunk : Buffer.concat([pending, chunk]);
    while (pending !== null && pending.length >= HEADER) {
      const headSize = pending.readUInt32BE(8);
      const size = HEADER + headSize + pending.readUInt32BE(12);
      if (pending.length < size) {
        // The parts of a large event are put together once, not with each that comes.
        if (size > 65536) {
          collect(channel, size);
        }
        return;
      }
      const one = pending;
      pending = one.length === size ? null : one.subarray(size);
      if (one[0] !== VERSION || one[1] !== INVOKE) {
        process.exit(70);
      }
      invoke(channel, one.readUInt32BE(4), one.toString("utf8", HEADER, HEADER + headSize), one.toString("utf8", HEADER + headSize, size));
    }
  });
  channel.on("error", () => {});
  channel.on("close", () => {});
  return channel;

  function collect(socket, size) {
    const whole = Buffer.allocUnsafe(size);
    let at = pending.copy(whole);
    pending = null;
    const listener = socket.listeners("data")[0];
    socket.removeListener("data", listener);
    socket.on("data", function more(chunk) {
      const part = chunk.subarray(0, size - at);
      at += part.copy(whole, at);
      if (at === size) {
        socket.removeListener("data", more);
        socket.on("data", listener);
        listener(part.length === chunk.length ? whole : Buffer.concat([whole, chunk.subarray(part.length)]));
      }
    });
  }
}

/** The event that runs fails, and the process ends: what is left of the program is not to be trusted. */
function die(error) {
  const description = describe(error);
  flush();
  process.stderr.write(`${description.errorType}: ${description.errorMessage}\n${description.stackTrace.map((line) => `    ${line}\n`).join("")}`);
  if (current !== null) {
    writeNow(current.channel.sluiceFd, frame(FATAL, current.id, JSON.stringify(description)));
  }
  process.exit(1);
}

process.on("exit", flush);

load().then(
  () => {
    process.on("uncaughtException", die);
    process.on("unhandledRejection", die);
    for (const fd of options.channels) {
      open(fd).sluiceFd = fd;
    }
    flush();
    writeNow(options.control, frame(READY, 0, JSON.stringify({ runtime: `node ${process.version}` })));
    const control = new net.Socket({ fd: options.control, readable: true, writable: false });
    control.on("data", () => {});
    control.on("error", () => {});
    // The daemon has gone, or wants no more of this process.
    control.on("close", () => process.exit(0));
  },
  (error) => {
    flush();
    const description = describe(error);
    // Of a syntax error Node tells the place above the message only.
    const place = error instanceof SyntaxError ? String(error.stack).split("\n", 1)[0] : "";
    if (place.includes(":") && !place.startsWith("SyntaxError")) {
      description.errorMessage += ` (${place})`;
    }
    writeNow(options.control, frame(START_FAILED, 0, JSON.stringify(description)));
    process.exit(1);
  },
);
