"""A container: an ordinary HTTP server that keeps notes in memory. python3 notes.py PORT"""
import itertools
import json
import sys
import threading

from server import Handler, serve

notes: dict[str, dict] = {}
numbers = itertools.count(1)
lock = threading.Lock()


class Notes(Handler):
    def answer(self):
        parts = self.path.split("?")[0].strip("/").split("/")[1:]
        body = self.body()
        with lock:
            if not parts and self.command in ("GET", "HEAD"):
                self.send(200, list(notes.values()))
            elif not parts and self.command == "POST":
                note = {"id": str(next(numbers)), "text": body.decode(errors="replace")}
                notes[note["id"]] = note
                self.send(201, note, {"Location": f"/notes/{note['id']}"})
            elif parts and self.command == "DELETE" and notes.pop(parts[0], None):
                self.send(200, {"deleted": parts[0]})
            elif parts and parts[0] in notes:
                self.send(200, notes[parts[0]])
            else:
                self.send(404, json.loads('{"message": "no such note"}'))

    do_GET = do_HEAD = do_POST = do_DELETE = answer


serve(sys.argv[1], Notes)
