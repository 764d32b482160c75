#!/usr/bin/env python3
"""A million requests: memory after them is at most 5 % above what it was after the first hundred thousand.

    soak.py [REQUESTS]     static and proxied ones, plain and TLS, kept-alive and fresh connections, in turn
"""
import pathlib
import sys
import tempfile

import machine
import peers

GROWTH_MUST = 1.05
BLOCK = 50_000


def main() -> int:
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    machine.need(machine.SLUICE, machine.LOAD, machine.SERVER)
    with tempfile.TemporaryDirectory(prefix="sluice-soak-") as name:
        folder = pathlib.Path(name)
        machine.certificate(folder)
        port = machine.free_ports(1)[0]
        upstream = machine.Process([machine.SERVER, port], machine.LOAD_CORE, folder / "upstream.log")
        sluice = peers.Sluice(folder, port)
        try:
            upstream.wait_for(port)
            sluice.start()
            kinds = [("closed", sluice.port, "/static"), ("closed", sluice.port, "/proxy/small"),
                     ("closed", sluice.tls_port, "/static"), ("fresh", sluice.port, "/proxy/small"),
                     ("closed", sluice.tls_port, "/proxy/small")]
            sent, early, mark = 0, 0, total // 10
            while sent < total:
                mode, to, path = kinds[sent // BLOCK % len(kinds)] if sent >= mark else kinds[sent // (mark // 5) % len(kinds)]
                count = BLOCK if sent >= mark else mark // 5
                tls = ["--tls"] if to == sluice.tls_port else []
                machine.load(mode, to, "--path", path, "--requests", count, *tls)
                sent += count
                if sent >= mark and not early:
                    early = sluice.process.memory()
                print(f"[soak] {sent} of {total} requests, {sluice.process.memory() / 1e6:.1f} MB", flush=True)
            late = sluice.process.memory()
        finally:
            sluice.stop()
            upstream.stop()
    growth = late / early
    verdict = "PASS" if growth <= GROWTH_MUST else "FAIL"
    print(f"{verdict} {early / 1e6:.2f} MB after {mark} requests, {late / 1e6:.2f} MB after {sent}: × {growth:.3f}, at most {GROWTH_MUST}")
    return 0 if verdict == "PASS" else 1


if __name__ == "__main__":
    sys.exit(main())
