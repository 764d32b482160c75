"""The API of the shopping list: an HTTP server that listens on $PORT, as every container of the cloud does."""
import http.server
import json
import os
import re

items = [{"id": 1, "text": "bread", "bought": False}, {"id": 2, "text": "tea", "bought": True}]


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")

    def do_GET(self):
        if self.path == "/api/items":
            return self.answer(200, items)
        return self.answer(404, {"message": "there is no " + self.path})

    do_HEAD = do_GET

    def do_POST(self):
        item = {"id": len(items) + 1, "text": str(self.body().get("text", "")), "bought": False}
        if self.path != "/api/items" or not item["text"]:
            return self.answer(400, {"message": "post {\"text\": …} to /api/items"})
        items.append(item)
        return self.answer(201, item)

    def do_PATCH(self):
        change = self.body()
        wanted = re.fullmatch(r"/api/items/(\d+)", self.path)
        for item in items:
            if wanted and item["id"] == int(wanted[1]):
                item["bought"] = bool(change.get("bought"))
                return self.answer(200, item)
        return self.answer(404, {"message": "there is no " + self.path})


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Api).serve_forever()
