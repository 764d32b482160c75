"""Code of others runs here unmodified: an express application behind serverless-http, and a Telegram bot on telegraf that is
fed with updates and speaks to a Bot API of ours."""
import json
import pathlib

import pytest

from local_functions import ask, begin, node

NPM = pathlib.Path(__file__).resolve().parents[2] / "tests" / "support" / "npm" / "node_modules"

EXPRESS = """
const express = require("express");
const serverless = require("serverless-http");
const app = express();
app.use(express.json());
app.get(/hello$/, (request, response) => response.cookie("a", "1").cookie("b", "2").json({path: request.path, query: request.query, ip: request.ip}));
app.post(/json$/, (request, response) => response.status(201).json(request.body));
app.get(/binary$/, (request, response) => response.type("application/octet-stream").send(Buffer.from([0, 255, 128])));
app.use((error, request, response, next) => response.status(500).send("handled " + error.message));
module.exports.handler = serverless(app, {binary: ["application/octet-stream"]});
"""

BOT = """
const { Telegraf } = require("telegraf");
const bot = new Telegraf(process.env.BOT_TOKEN, {telegram: {apiRoot: process.env.API, webhookReply: false}});
bot.botInfo = {id: 1, is_bot: true, first_name: "Bot", username: "sluice_bot"};
let seen = 0;
bot.start((context) => context.reply("Welcome, " + context.from.first_name));
bot.command("count", (context) => context.reply("seen " + seen));
bot.on("text", (context) => { seen += 1; return context.reply("echo " + context.message.text, {reply_to_message_id: context.message.message_id}); });
bot.on("callback_query", (context) => context.answerCbQuery("pressed " + context.callbackQuery.data));
bot.catch((error) => { throw error; });
module.exports.handler = async (event) => {
  await bot.handleUpdate(JSON.parse(event.body));
  return {statusCode: 200, body: ""};
};
"""


def installed(folder: pathlib.Path, *names: str) -> None:
    missing = [name for name in names if not (NPM / name).is_dir()]
    if missing:
        pytest.skip(f"{missing} not in tests/support/npm: run .ci/setup npm")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node_modules").symlink_to(NPM)


def test_express(start, tmp_path):
    installed(tmp_path / "daemon" / "fn", "express", "serverless-http")
    daemon = begin(start, {"fn/index.js": EXPRESS}, fn=node(directory="fn"))
    status, headers, body = daemon.get("/fn/hello?x=1&x=2&y=%D1%8F")
    assert status == 200 and json.loads(body) == {"path": "/fn/hello", "query": {"x": ["1", "2"], "y": "я"}, "ip": "127.0.0.1"}
    assert headers.get_all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert ask(daemon, "/fn/json", json.dumps({"a": ["я"]})) == (201, {"a": ["я"]})
    assert daemon.get("/fn/binary")[2] == bytes([0, 255, 128])
    assert daemon.get("/fn/none")[0] == 404
    assert daemon.request("POST", "/fn/json", {"Content-Type": "application/json"}, b"{bad")[0] == 500


def message(text: str, number: int) -> dict:
    user = {"id": 1001, "is_bot": False, "first_name": "Ada", "language_code": "en"}
    entities = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}] if text.startswith("/") else []
    return {"update_id": 5000 + number, "message": {
        "message_id": number, "date": 1_800_000_000 + number, "text": text, "from": user, "entities": entities,
        "chat": {"id": 1001, "type": "private", "first_name": "Ada"}}}


def test_a_telegram_bot(start, upstream, tmp_path):
    installed(tmp_path / "daemon" / "bot", "telegraf")
    api = upstream(lambda request, wire: wire.answer(200, json.dumps({"ok": True, "result": True}).encode(), {"Content-Type": "application/json"}))
    daemon = begin(start, {"bot/index.js": BOT}, fn=node(directory="bot", workers=1, env={
        "BOT_TOKEN": "1001:of-the-bot", "API": f"http://127.0.0.1:{api.port}"}))
    updates = [message("/start", 1), message("hello", 2), message("привет", 3), message("/count", 4),
               {"update_id": 5005, "callback_query": {"id": "77", "from": message("x", 5)["message"]["from"], "chat_instance": "1", "data": "yes",
                                                      "message": message("x", 5)["message"]}}]
    for update in updates:
        assert ask(daemon, "/fn", json.dumps(update, ensure_ascii=False).encode()) == (200, "")
    calls = [(request.target.rsplit("/", 1)[1], json.loads(request.body)) for request in api.requests]
    assert [(method, sent.get("text")) for method, sent in calls] == [
        ("sendMessage", "Welcome, Ada"), ("sendMessage", "echo hello"), ("sendMessage", "echo привет"), ("sendMessage", "seen 2"),
        ("answerCallbackQuery", "pressed yes")]
    assert calls[1][1]["chat_id"] == 1001 and calls[1][1]["reply_to_message_id"] == 2
    # Telegram sends anything: what is no update fails in the bot and leaves it running.
    assert ask(daemon, "/fn", "no json")[0] == 502
    assert ask(daemon, "/fn", json.dumps(updates[1])) == (200, "")
    assert "of-the-bot" not in daemon.log_file.read_text()
