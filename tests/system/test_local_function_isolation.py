"""What code of functions cannot reach: the daemon's environment, memory, descriptors and configuration, other functions' secrets."""
import json
import os
import pathlib
import re
import shutil
import tempfile

import pytest

from local_functions import ask, begin, node, python

PROBE = """
const fs = require("fs");
const tries = {
  read: (what) => fs.readFileSync(what, "latin1"),
  list: (what) => fs.readdirSync(what).join("\\n"),
  write: (what) => (fs.writeFileSync(what, "written"), "written"),
  remove: (what) => (fs.unlinkSync(what), "removed"),
  rename: (what) => (fs.renameSync(what, process.env.TMPDIR + "/stolen"), fs.readFileSync(process.env.TMPDIR + "/stolen", "latin1")),
  link: (what) => (fs.linkSync(what, process.env.TMPDIR + "/linked"), fs.readFileSync(process.env.TMPDIR + "/linked", "latin1")),
  symlink: (what) => {
    const pointer = `${process.env.TMPDIR}/pointer-${Date.now()}-${Math.random()}`;
    fs.symlinkSync(what, pointer);
    return fs.readFileSync(pointer, "latin1");
  },
  kill: (what) => (process.kill(Number(what), 0), "killed"),
  shell: (what) => require("child_process").execSync(what, {stdio: ["ignore", "pipe", "pipe"]}).toString(),
  descriptors: () => fs.readdirSync("/proc/self/fd").map((fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch { return ""; } }).join("\\n"),
  environment: () => JSON.stringify(process.env),
  temporary: () => { fs.writeFileSync(require("os").tmpdir() + "/mine", "kept"); return fs.readFileSync(require("os").tmpdir() + "/mine", "utf8"); },
};
exports.handler = (event) => {
  try {
    return {body: "DONE " + tries[event.queryStringParameters.do](event.queryStringParameters.what)};
  } catch (error) {
    return {body: "FAILED " + error.message};
  }
};
"""


@pytest.fixture
def daemon(start):
    os.environ["SLUICE_TEST_OF_THE_DAEMON"] = "secret-of-the-daemon"
    try:
        running = begin(start, {"index.js": PROBE, "other/index.js": PROBE, "secret.txt": "from-a-file", "data/note": "note",
                                "main.py": "import os\ndef handler(e, c):\n    return {'body': str(os.getpid())}"},
                        fn=node(env={"MINE": "own-value"}),
                        other=node(directory="other", env={"TOKEN": "${file:secret.txt}", "PLAIN": "value-of-the-other"}),
                        py=python(env={"PY": "value-of-python"}))
    finally:
        del os.environ["SLUICE_TEST_OF_THE_DAEMON"]
    for name in ("fn", "other", "py"):
        assert ask(running, f"/{name}?do=environment")[0] == 200
    return running


def probe(daemon, what, argument="", function="fn"):
    status, text = ask(daemon, f"/{function}?do={what}&what={argument}")
    assert status == 200, text
    return text


def test_the_environment_is_its_own(daemon):
    text = probe(daemon, "environment")
    assert "own-value" in text
    for secret in ("secret-of-the-daemon", "from-a-file", "value-of", "SLUICE"):
        assert secret not in text
    assert "from-a-file" in probe(daemon, "environment", function="other")


def landlock(daemon):
    if "no Landlock" in daemon.log_file.read_text():
        pytest.skip("this kernel has no Landlock")


@pytest.mark.parametrize("way", ["read", "symlink", "rename", "link", "remove", "write"])
def test_the_configuration_is_out_of_reach(daemon, way):
    landlock(daemon)
    for file in ("sluice.yaml", "secret.txt", "access.log"):
        path = daemon.folder / file
        before = path.read_bytes()
        text = probe(daemon, way, path)
        # On its own /tmp the file is not there at all, and one that it makes is its own.
        assert text == "DONE written" if way == "write" and "of their own" not in daemon.log_file.read_text() else \
            text.startswith("FAILED") and re.search("EACCES|EXDEV|EPERM|ENOENT", text), (file, text)
        assert path.read_bytes().startswith(before) and b"written" not in path.read_bytes()
    assert probe(daemon, "read", daemon.folder / "data/note") == "DONE note"
    assert probe(daemon, "write", daemon.folder / "data/new") == "DONE written"


def test_files_elsewhere_are_out_of_reach(daemon, tmp_path):
    landlock(daemon)
    (tmp_path / "elsewhere").write_text("elsewhere")
    assert probe(daemon, "read", tmp_path / "elsewhere").startswith(("FAILED EACCES", "FAILED ENOENT"))
    assert probe(daemon, "read", daemon.folder / "index.js", function="other").startswith(("FAILED EACCES", "FAILED ENOENT"))
    assert probe(daemon, "write", "/usr/sluice-test").startswith("FAILED")
    assert probe(daemon, "list", "/root").startswith("FAILED")
    assert probe(daemon, "temporary") == "DONE kept"
    assert probe(daemon, "shell", "echo%20from%20a%20shell;cat%20sluice.yaml||true").split("\n")[0] == "DONE from a shell"


def own_tmp(daemon):
    if "a /tmp of their own" in daemon.log_file.read_text():
        pytest.skip("this system lets no process have a /tmp of its own")


def test_each_has_a_tmp_of_its_own(daemon):
    """Code that writes /tmp/x, as in the cloud, works unmodified; nobody else sees the file."""
    own_tmp(daemon)
    name = f"/tmp/sluice-test-{os.getpid()}"
    assert probe(daemon, "write", name) == "DONE written"
    assert probe(daemon, "read", name) == "DONE written"
    assert not pathlib.Path(name).exists()
    assert probe(daemon, "read", name, function="other").startswith("FAILED ENOENT")
    assert json.loads(probe(daemon, "environment")[len("DONE "):])["TMPDIR"] == "/tmp"
    assert probe(daemon, "temporary") == "DONE kept"
    # What lies on the real /tmp is not there, but for the function's own folder.
    top = daemon.folder.relative_to("/tmp").parts[0]
    assert set(probe(daemon, "list", "/tmp")[len("DONE "):].split()) <= {top, pathlib.Path(name).name, "mine"}


def test_a_tmp_of_its_own_wherever_the_function_lies(start, monkeypatch, tmp_path):
    """The configuration's folder not on /tmp: nothing of the real one is needed; and nothing is left at the end."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    folder = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        (folder / "index.js").write_text(PROBE)
        daemon = begin(start, {"x.js": ""}, fn=node(directory=str(folder)))
        own_tmp(daemon)
        assert probe(daemon, "write", "/tmp/x") == "DONE written"
        assert probe(daemon, "list", "/tmp") == "DONE x"
        assert probe(daemon, "write", folder / "data") == "DONE written" and (folder / "data").read_text() == "written"
        assert daemon.stop() == 0
        assert not list((tmp_path / "temporary").iterdir())
    finally:
        shutil.rmtree(folder)


def test_other_processes_are_out_of_reach(daemon):
    landlock(daemon)
    python_pid = ask(daemon, "/py")[1]
    for pid in (daemon.process.pid, python_pid):
        for file in ("environ", "mem", "maps"):
            assert probe(daemon, "read", f"/proc/{pid}/{file}").startswith("FAILED"), (pid, file)
        for descriptor in (1, 3, 5):
            assert probe(daemon, "read", f"/proc/{pid}/fd/{descriptor}").startswith("FAILED"), (pid, descriptor)
        for part in ("cwd", "root"):
            assert probe(daemon, "list", f"/proc/{pid}/{part}/").startswith("FAILED"), (pid, part)


def test_no_descriptor_is_the_daemons(daemon):
    links = probe(daemon, "descriptors").split("\n")
    for link in links:
        assert "access.log" not in link and "sluice.yaml" not in link and "inotify" not in link, links
    listening = {line.split()[9] for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"}
    assert not {link[len("socket:["):-1] for link in links if link.startswith("socket:[")} & listening


def test_the_daemon_is_not_dumpable(daemon):
    owner = pathlib.Path(f"/proc/{daemon.process.pid}/environ").stat().st_uid
    assert owner == 0
    if os.getuid() == 0:
        pytest.skip("root may read it all the same")
    with pytest.raises(PermissionError):
        pathlib.Path(f"/proc/{daemon.process.pid}/environ").read_bytes()


def test_explain_and_logs_hold_no_secret_of_a_function(daemon, sluice):
    done = sluice("explain", "--config", daemon.folder / "sluice.yaml", daemon.folder / "functions.yaml", "GET", "/other")
    assert "from-a-file" not in done.out + done.err + daemon.log_file.read_text() + daemon.stderr()
    assert "from-a-file" not in json.dumps(daemon.admin("GET", "/gateways")[1].decode())
