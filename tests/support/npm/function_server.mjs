// A function behind a URL: takes events by POST and runs an express application over them with
// serverless-http, which knows nothing of Sluice. Listens on a port that the kernel picks and prints one line
// of JSON on stdout: {"port": 12345}. Ends on SIGTERM.
//
// The application looks at the end of the path:
//   …/status/CODE       that status with a text
//   …/cookies           two Set-Cookie headers
//   …/binary            bytes that are no UTF-8
//   …/redirect          302 to /echo
//   …/slow?ms=…         answers later
//   …/slow-count        how many of these have run to their end
//   anything else       what express sees: method, path, query, headers, cookies, body
// and beside it, answers that no framework would give:
//   …/fail              a function error (X-Function-Error)
//   …/raw               the body of the request is the function's answer, as it is
//   …/event             the answer's body is the event itself
import http from "node:http";

import express from "express";
import serverless from "serverless-http";

function application() {
  const app = express();
  app.disable("x-powered-by");
  let finished = 0;
  app.get(/\/status\/(\d+)$/, (request, response) => {
    response.status(Number(request.params[0])).type("text/plain").send(`status ${request.params[0]}`);
  });
  app.get(/\/cookies$/, (request, response) => {
    response.cookie("one", "1").cookie("two", "2", { httpOnly: true }).json({ set: 2 });
  });
  app.get(/\/binary$/, (request, response) => {
    response.type("application/octet-stream").send(Buffer.from([0, 255, 254, 128, 10]));
  });
  app.get(/\/redirect$/, (request, response) => response.redirect("/echo"));
  app.get(/\/slow$/, (request, response) => {
    setTimeout(() => {
      finished += 1;
      response.json({ slow: true });
    }, Number(request.query.ms ?? 100));
  });
  app.get(/\/slow-count$/, (request, response) => response.json({ finished }));
  app.use(express.raw({ type: () => true, limit: "8mb" }));
  app.use((request, response) => {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    response.json({
      method: request.method,
      path: request.path,
      originalUrl: request.originalUrl,
      query: request.query,
      headers: request.headers,
      ip: request.apiGateway.event.requestContext.identity.sourceIp,
      requestId: request.get("x-request-id"),
      cookies: Object.fromEntries(
        (request.get("cookie") ?? "").split("; ").filter(Boolean).map((pair) => pair.split(/=(.*)/s, 2)),
      ),
      body: body.toString("base64"),
      text: body.toString("utf8"),
    });
  });
  return app;
}

const run = serverless(application(), { binary: ["application/octet-stream", "image/*"] });

/** In the old format `path` is the template: the adapter is told the requested path as its users tell it. */
function withRequestedPath(event) {
  return event.version === undefined ? { ...event, requestPath: event.url.split("?", 1)[0] } : event;
}

async function handle(event) {
  const path = event.version === undefined ? event.url.split("?", 1)[0] : event.path;
  if (path.endsWith("/fail")) {
    return { failure: { errorMessage: "boom", errorType: "TypeError", stackTrace: ["at fail (index.js:1)"] } };
  }
  if (path.endsWith("/raw")) {
    return { raw: Buffer.from(event.body, event.isBase64Encoded ? "base64" : "utf8") };
  }
  if (path.endsWith("/event")) {
    return { answer: { statusCode: 200, headers: { "Content-Type": "application/json" }, body: JSON.stringify(event) } };
  }
  return { answer: await run(withRequestedPath(event), {}) };
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const answer = (status, headers, body) => {
      response.writeHead(status, { "Content-Type": "application/json", ...headers });
      response.end(body);
    };
    const url = new URL(request.url, "http://function");
    if (request.method !== "POST" || url.searchParams.get("integration") !== "raw" || !url.searchParams.get("tag")) {
      answer(400, {}, JSON.stringify({ message: "no invocation", method: request.method, url: request.url }));
      return;
    }
    try {
      const result = await handle(JSON.parse(Buffer.concat(parts).toString("utf8")));
      if (result.failure) {
        answer(200, { "X-Function-Error": "true" }, JSON.stringify(result.failure));
      } else {
        answer(200, {}, result.raw ?? JSON.stringify(result.answer));
      }
    } catch (error) {
      answer(
        200,
        { "X-Function-Error": "true" },
        JSON.stringify({ errorMessage: error.message, errorType: error.name, stackTrace: error.stack.split("\n") }),
      );
    }
  });
});

server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
process.on("SIGTERM", () => process.exit(0));
