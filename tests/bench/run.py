#!/usr/bin/env python3
"""Measures Sluice beside nginx and HAProxy: peers and us in turn, round after round, the server on one core, the load
tool and the upstream on another. What counts is CPU time a request (user and system, the whole process tree), as a
ratio of medians; speed itself depends on the machine.

    run.py [--only static,proxy,...] [--rounds 5] [--seconds 2] [--peers nginx,haproxy,sluice] [--json FILE]

Prints a table with what must be reached and writes build/bench.json. Exit 0 whatever the figures are, unless --gate.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import counters
import machine
import peers

MIB = 1 << 20


class Bench:
    """One run: servers that are up, options, and the results as they come."""

    def __init__(self, folder: pathlib.Path, options: argparse.Namespace):
        self.folder, self.options = folder, options
        self.results: dict[str, dict] = {}
        machine.certificate(folder)
        self.upstream_port = machine.free_ports(1)[0]
        self.upstream = machine.Process([machine.SERVER, self.upstream_port], machine.LOAD_CORE, folder / "upstream.log")
        self.upstream.wait_for(self.upstream_port)
        self.peers = [peers.ALL[name](folder, self.upstream_port) for name in options.peers.split(",")]

    def start(self) -> None:
        for peer in self.peers:
            peer.start()

    def stop(self) -> None:
        for peer in self.peers:
            peer.stop()
        self.upstream.stop()

    def rounds(self, name: str, measure, only: tuple | None = None) -> dict[str, list[float]]:
        """measure(peer) for every peer (of `only`), in an order that turns with the round."""
        measured = [peer for peer in self.peers if only is None or peer.name in only]
        values: dict[str, list[float]] = {peer.name: [] for peer in measured}
        for number in range(self.options.rounds):
            turn = number % max(len(measured), 1)
            for peer in measured[turn:] + measured[:turn]:
                values[peer.name].append(measure(peer))
            print(f"  {name}: round {number + 1} of {self.options.rounds}: "
                  + ", ".join(f"{peer} {found[-1]:.1f}" for peer, found in values.items()), flush=True)
        return values

    def cpu(self, name: str, mode: str, tls: bool, *arguments, only: tuple | None = None) -> dict[str, float]:
        """Microseconds of CPU a request, medians."""

        def measure(peer: peers.Peer) -> float:
            port = peer.tls_port if tls else peer.port
            extra = [*arguments, *(["--tls"] if tls else [])]
            machine.load(mode, port, "--seconds", 0.2, *extra)
            before = peer.process.cpu_seconds()
            counted = machine.load(mode, port, "--seconds", self.options.seconds, *extra)
            return 1e6 * (peer.process.cpu_seconds() - before) / counted["requests"]

        return {peer: statistics.median(found) for peer, found in self.rounds(name, measure, only).items()}

    def p99(self, name: str, path: str) -> dict[str, float]:
        """Microseconds at a fixed 2 000 requests a second."""

        def measure(peer: peers.Peer) -> float:
            machine.load("open", peer.port, "--path", path, "--rate", 2000, "--seconds", 0.5)
            counted = machine.load("open", peer.port, "--path", path, "--rate", 2000, "--seconds", max(4, self.options.seconds))
            return counted["latency_us"]["p99"]

        return {peer: statistics.median(found) for peer, found in self.rounds(name, measure).items()}

    def idle(self, name: str, tls: bool, count: int = 2000) -> dict[str, float]:
        """KiB a connection that had one answer and is idle."""

        def measure(peer: peers.Peer) -> float:
            fresh = type(peer)(self.folder, self.upstream_port)
            fresh.start()
            try:
                port = fresh.tls_port if tls else fresh.port
                machine.load("closed", port, "--path", "/static", "--requests", 500, *(["--tls"] if tls else []))
                time.sleep(0.2)
                before = fresh.process.memory()
                with machine.IdleConnections(port, "/static", count, tls):
                    time.sleep(0.5)
                    return (fresh.process.memory() - before) / 1024 / count
            finally:
                fresh.stop()

        return {peer: statistics.median(found) for peer, found in self.rounds(name, measure).items()}

    def start_memory(self, name: str) -> dict[str, float]:
        """MB resident once it listens."""

        def measure(peer: peers.Peer) -> float:
            fresh = type(peer)(self.folder, self.upstream_port)
            fresh.start()
            try:
                time.sleep(0.3)
                return fresh.process.memory("Rss") / 1e6
            finally:
                fresh.stop()

        return {peer: statistics.median(found) for peer, found in self.rounds(name, measure).items()}

    def cold_start(self, name: str) -> dict[str, float]:
        """Milliseconds from the start of the process to its first answer, less those of a bare server."""

        def first_answer(command: list, port: int) -> float:
            began = time.monotonic()
            process = machine.Process(command, machine.SERVER_CORE, self.folder / "cold.log")
            try:
                while time.monotonic() - began < 30:
                    try:
                        machine.load("closed", port, "--path", "/static", "--requests", 1, "--connections", 1)
                        return 1000 * (time.monotonic() - began)
                    except RuntimeError:
                        time.sleep(0.001)
                raise RuntimeError(f"{command[0]} does not answer")
            finally:
                process.stop()

        def measure(peer: peers.Peer) -> float:
            fresh = type(peer)(self.folder, self.upstream_port)
            bare_port = machine.free_ports(1)[0]
            return first_answer(fresh.command(), fresh.port) - first_answer([machine.SERVER, bare_port], bare_port)

        return {peer: statistics.median(found) for peer, found in self.rounds(name, measure).items()}

    def with_functions(self) -> peers.Peer:
        """Running, with warm processes that stay off the daemon's core, as the upstream does."""
        peer = peers.SluiceWithFunctions(self.folder, self.upstream_port)
        peer.start()
        machine.load("closed", peer.port, "--path", "/function", "--requests", 500, "--connections", peer.processes)
        for pid in peer.process.tree():
            if pid != peer.process.pid:
                subprocess.run(["taskset", "-acp", str(machine.LOAD_CORE), str(pid)], check=True, stdout=subprocess.DEVNULL)
        return peer

    def function(self, name: str) -> dict[str, float]:
        """The daemon's own CPU for a warm Node function, over that of proxying the same answer, both at 500 a second: a
        process that answers one event at a time cannot be brought to the rate that fills a proxy, and waking up costs."""
        peer = self.with_functions()
        found: dict[str, list[float]] = {"/function": [], "/proxy/small": []}
        try:
            for _ in range(self.options.rounds):
                for path, values in found.items():
                    machine.load("open", peer.port, "--path", path, "--rate", 500, "--seconds", 0.5)
                    before = peer.process.own_cpu_seconds()
                    counted = machine.load("open", peer.port, "--path", path, "--rate", 500, "--seconds", max(4, self.options.seconds))
                    values.append(1e6 * (peer.process.own_cpu_seconds() - before) / counted["requests"])
        finally:
            peer.stop()
        call, proxied = (statistics.median(values) for values in found.values())
        print(f"  {name}: {call:.1f} µs of the daemon's CPU a call, {proxied:.1f} µs a proxied request", flush=True)
        return {"sluice": call / proxied}

    def function_p99(self, name: str) -> dict[str, float]:
        """Microseconds at 500 calls a second, and at 500 proxied requests beside it."""
        peer = self.with_functions()
        found: dict[str, list[float]] = {"/function": [], "/proxy/small": []}
        try:
            for _ in range(self.options.rounds):
                for path, values in found.items():
                    machine.load("open", peer.port, "--path", path, "--rate", 500, "--seconds", 0.5)
                    counted = machine.load("open", peer.port, "--path", path, "--rate", 500, "--seconds", max(4, self.options.seconds))
                    values.append(counted["latency_us"]["p99"])
        finally:
            peer.stop()
        call, proxied = (statistics.median(values) for values in found.values())
        print(f"  {name}: {call:.0f} µs, proxied {proxied:.0f} µs", flush=True)
        return {"sluice": call}

    def counted(self, measure, path: str) -> dict[str, float]:
        try:
            return {"sluice": measure(self.folder, self.upstream_port, path)}
        except counters.Unavailable as error:
            print(f"  cannot run here: {str(error).strip().splitlines()[-1][:200]}")
            return {}

    def routing(self, name: str) -> dict[str, float]:
        """Nanoseconds to match: 10 000 paths over 10, medians."""
        program = machine.BUILD / "tests" / "bench" / "bench_route"
        found: dict[str, list[float]] = {"10": [], "10000": []}
        for _ in range(self.options.rounds):
            for count, values in found.items():
                done = subprocess.run([program, count], stdout=subprocess.PIPE, text=True, check=True,
                                      preexec_fn=lambda: os.sched_setaffinity(0, {machine.SERVER_CORE}))
                values.append(json.loads(done.stdout)["nanoseconds"])
        small, large = (statistics.median(values) for values in found.values())
        print(f"  {name}: {small:.0f} ns with 10 paths, {large:.0f} ns with 10 000", flush=True)
        return {"sluice": large / small}


# name: (what, unit, measure, what our figure is compared with, must, aim). The comparison: peers whose best is the
# base of a ratio, or none for a plain figure.
def scenarios(bench: Bench) -> dict:
    def cpu(mode, tls, *arguments, only=None):
        return lambda name: bench.cpu(name, mode, tls, *arguments, only=only)

    both = ("nginx", "haproxy")
    return {
        "static": ("static JSON, 64 connections", "µs", cpu("closed", False, "--path", "/static"), ("nginx",), 1.15, 1.00),
        "proxy": ("reverse proxy, small bodies", "µs", cpu("closed", False, "--path", "/proxy/small"), both, 1.10, 0.95),
        "down": ("1 MiB down", "µs", cpu("closed", False, "--path", "/proxy/big", "--connections", 16), both, 1.00, 0.80),
        "up": ("1 MiB up", "µs", cpu("closed", False, "--path", "/proxy/up", "--method", "POST", "--body", MIB, "--connections", 16),
               ("haproxy",), 0.80, 0.55),
        "file-1k": ("a file of 1 KiB", "µs", cpu("closed", False, "--path", "/files/1k.html", only=("nginx", "sluice")), ("nginx",), 1.15, 1.00),
        "file-1m": ("a file of 1 MiB", "µs", cpu("closed", False, "--path", "/files/1m.bin", "--connections", 16, only=("nginx", "sluice")),
                    ("nginx",), 1.00, 0.95),
        "tls": ("TLS 1.3 keep-alive, static", "µs", cpu("closed", True, "--path", "/static"), ("nginx",), 1.15, 1.00),
        "handshakes": ("TLS 1.3 new handshakes", "µs", cpu("fresh", True, "--path", "/static", "--connections", 16), ("nginx",), 1.20, 1.05),
        "p99-static": ("p99 at 2 000 a second, static", "µs", lambda name: bench.p99(name, "/static"), ("nginx",), 1.25, 1.10),
        "p99-proxy": ("p99 at 2 000 a second, proxied", "µs", lambda name: bench.p99(name, "/proxy/small"), ("nginx",), 1.25, 1.10),
        "function": ("warm Node function over proxying", "×", lambda name: bench.function(name), (), 1.5, 1.2),
        "p99-function": ("p99 at 500 a second, Node function", "µs", lambda name: bench.function_p99(name), (), 20000, 5000),
        "idle": ("an idle keep-alive connection", "KiB", lambda name: bench.idle(name, False), (), 4, 1.5),
        "idle-tls": ("an idle TLS connection", "KiB", lambda name: bench.idle(name, True), (), 60, 44),
        "memory": ("resident at start", "MB", lambda name: bench.start_memory(name), (), 20, 12),
        "cold": ("cold start over a bare server", "ms", lambda name: bench.cold_start(name), (), 70, 20),
        "instructions-static": ("instructions a request, static", "", lambda _: bench.counted(counters.instructions, "/static"), (), 9000, 6000),
        "instructions-proxy": ("instructions a request, proxied", "", lambda _: bench.counted(counters.instructions, "/proxy/small"), (), 19000, 14000),
        "calls-static": ("system calls a request, static", "", lambda _: bench.counted(counters.system_calls, "/static"), (), 2.5, 2.2),
        "calls-proxy": ("system calls a request, proxied", "", lambda _: bench.counted(counters.system_calls, "/proxy/small"), (), 5.5, 4.6),
        "routing": ("10 000 paths over 10, to match", "×", lambda name: bench.routing(name), (), 1.5, 1.0),
    }


def judge(values: dict[str, float], compared: tuple, must: float) -> tuple[float | None, str]:
    """Our figure (a ratio where it is compared) and PASS, SHORT or '-'."""
    if "sluice" not in values:
        return None, "-"
    figure = values["sluice"]
    if compared:
        bases = [values[name] for name in compared if name in values]
        if not bases:
            return None, "-"
        figure /= min(bases)
    return figure, "PASS" if figure <= must else "SHORT"


def table(results: dict[str, dict]) -> str:
    lines = [f"{'work':34} {'nginx':>9} {'haproxy':>9} {'sluice':>9} {'unit':4} {'figure':>8} {'must':>8} {'aim':>8}"]
    for result in results.values():
        cells = [f"{result['values'][name]:9.2f}" if name in result["values"] else f"{'':9}" for name in ("nginx", "haproxy", "sluice")]
        figure = f"{result['figure']:8.2f}" if result["figure"] is not None else f"{'':8}"
        lines.append(f"{result['what']:34} {' '.join(cells)} {result['unit']:4} {figure} {result['must']:8g} {result['aim']:8g}  {result['verdict']}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="these scenarios, comma-separated; --list names them")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--peers", default="nginx,haproxy,sluice")
    parser.add_argument("--json", type=pathlib.Path, default=machine.BUILD / "bench.json")
    parser.add_argument("--gate", action="store_true", help="exit 1 where a figure is short")
    options = parser.parse_args()
    if options.list:
        for name, entry in scenarios(None).items():
            print(f"{name:20} {entry[0]}")
        return 0
    names = options.only.split(",") if options.only else list(scenarios(None))
    if unknown := [name for name in names if name not in scenarios(None)]:
        parser.error(f"no scenario {unknown[0]}; --list names them")
    machine.need(machine.LOAD, machine.SERVER, "openssl")
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        bench = Bench(pathlib.Path(folder), options)
        try:
            bench.start()
            for name, (what, unit, measure, compared, must, aim) in scenarios(bench).items():
                if name not in names:
                    continue
                print(f"{what}", flush=True)
                try:
                    values = measure(name)
                except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                    print(f"  failed: {error}", flush=True)
                    values = {}
                figure, verdict = judge(values, compared, must)
                bench.results[name] = {"what": what, "unit": unit, "values": values, "compared_with": list(compared),
                                       "figure": figure, "must": must, "aim": aim, "verdict": verdict}
        finally:
            bench.stop()
    print()
    print(table(bench.results))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": platform.platform(),
                                        "rounds": options.rounds, "results": bench.results}, indent=2) + "\n")
    print(f"\nwritten to {options.json}; the ratios are CPU time a request over the better of the peers named in it")
    short = [name for name, result in bench.results.items() if result["verdict"] != "PASS"]
    return 1 if options.gate and short else 0


if __name__ == "__main__":
    sys.exit(main())
