"""A function behind a URL: takes the event by POST, calls `handler`, answers with what it returned.
python3 function.py PORT"""
import json
import sys

from server import Handler, serve


def handler(event, _context):
    """Works unmodified as a function of the cloud."""
    if event.get("version") == "1.0":
        return {"statusCode": 200, "headers": {"Content-Type": "application/json"},
                "body": json.dumps(event, indent=1, ensure_ascii=False)}
    name = event["params"]["name"]
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain; charset=utf-8"},
            "body": f"Hello, {name}, from a function!\n"}


class Function(Handler):
    def do_POST(self):
        event = json.loads(self.body())
        try:
            self.send(200, handler(event, None))
        except Exception as error:  # what the cloud answers when a function raises
            self.send(502, {"errorMessage": str(error), "errorType": type(error).__name__}, {"X-Function-Error": "true"})


serve(sys.argv[1], Function)
