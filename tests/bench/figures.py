#!/usr/bin/env python3
"""Holds instructions and system calls a request within 10 % of tests/bench/recorded.json.

    figures.py             a line PASS, FAIL or SKIP a figure; exit 1 on a FAIL
    figures.py --record    writes the file, after a change that is meant
"""
import json
import pathlib
import sys
import tempfile

import counters
import machine

RECORDED = pathlib.Path(__file__).parent / "recorded.json"
ALLOWED = 1.10
KINDS = {"instructions": counters.instructions, "system_calls": counters.system_calls}


def main() -> int:
    machine.need(machine.SLUICE, machine.LOAD, machine.SERVER)
    record = "--record" in sys.argv
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    failed = 0
    with tempfile.TemporaryDirectory(prefix="sluice-figures-") as name:
        folder = pathlib.Path(name)
        machine.certificate(folder)
        port = machine.free_ports(1)[0]
        upstream = machine.Process([machine.SERVER, port], machine.LOAD_CORE, folder / "upstream.log")
        try:
            upstream.wait_for(port)
            for kind, measure in KINDS.items():
                for work, path in counters.PATHS.items():
                    what = f"{kind.replace('_', ' ')} a request, {work}"
                    try:
                        value = measure(folder, port, path)
                    except counters.Unavailable as error:
                        print(f"SKIP {what}: the tool cannot run here: {str(error).strip().splitlines()[-1][:200]}", flush=True)
                        continue
                    before = recorded.get(kind, {}).get(work)
                    if record:
                        recorded.setdefault(kind, {})[work] = round(value, 2)
                        print(f"PASS {what}: {value:.2f} recorded", flush=True)
                    elif before is None:
                        failed += 1
                        print(f"FAIL {what}: {value:.2f}, nothing is recorded; run tests/bench/figures.py --record", flush=True)
                    elif value > before * ALLOWED:
                        failed += 1
                        print(f"FAIL {what}: {value:.2f}, recorded {before:.2f}: more than 10 % above", flush=True)
                    else:
                        better = "; better, worth recording" if value < before / ALLOWED else ""
                        print(f"PASS {what}: {value:.2f}, recorded {before:.2f}{better}", flush=True)
        finally:
            upstream.stop()
    if record:
        RECORDED.write_text(json.dumps(recorded, indent=2) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
