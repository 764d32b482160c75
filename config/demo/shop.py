"""An upstream for `http` integrations: a small catalogue. python3 shop.py PORT"""
import sys
import urllib.parse

from server import Handler, serve

PRODUCTS = [{"id": str(number), "name": name, "price": price}
            for number, (name, price) in enumerate([("lamp", 40), ("chair", 75), ("table", 210), ("shelf", 90)], 1)]


class Shop(Handler):
    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.strip("/").split("/")
        if self.command in ("GET", "HEAD") and parts == ["products"]:
            count = int(query.get("limit") or len(PRODUCTS))
            self.send(200, {"products": PRODUCTS[:count], "seen": {"X-Environment": self.headers.get("X-Environment")}})
        elif self.command in ("GET", "HEAD") and parts[0] == "products" and len(parts) == 2:
            wanted = urllib.parse.unquote(parts[1])
            found = next((product for product in PRODUCTS if product["id"] == wanted), None)
            self.send(200 if found else 404, found or {"message": f"no product {wanted!r}"})
        else:
            self.send(200, {"method": self.command, "path": self.path, "headers": dict(self.headers),
                            "body": self.body().decode(errors="replace")})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer


serve(sys.argv[1], Shop)
