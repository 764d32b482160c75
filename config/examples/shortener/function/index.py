"""One function for both operations: it looks at the template of the path that was asked for."""
import base64
import hashlib
import json
import urllib.parse

links = {}


def answer(status, value, headers=None):
    return {"statusCode": status, "headers": {"Content-Type": "application/json", **(headers or {})},
            "body": json.dumps(value)}


def shorten(event):
    body = event["body"]
    if event["isBase64Encoded"]:  # whatever is neither JSON nor text/*
        body = base64.b64decode(body).decode()
    if body.startswith("url="):
        body = urllib.parse.parse_qs(body)["url"][0]
    url = body.strip()
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        return answer(400, {"message": "send an address that begins with http:// or https://"})
    short = hashlib.sha256(url.encode()).hexdigest()[:8]
    links[short] = url
    return answer(200, {"url": f"http://{event['headers']['Host']}/r/{short}"})


def redirect(event):
    url = links.get(event["pathParams"]["id"])
    if url is None:
        return answer(404, {"message": "no such short address"})
    return answer(302, {"url": url}, {"Location": url})


def handler(event, context):
    return shorten(event) if event["path"] == "/shorten" else redirect(event)
