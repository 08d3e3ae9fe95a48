"""DuckDB in this process: one request a line on standard input, one answer a line on standard output, both JSON."""

import json
import sys
import time

import duckdb


def peak() -> int:
    """The most bytes that this process has had in memory."""
    with open("/proc/self/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def forget_peak() -> None:
    """Begins to count it anew (proc(5), clear_refs)."""
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as forgotten:
        forgotten.write("5")


def main() -> None:
    connection = duckdb.connect()
    for line in sys.stdin:
        request = json.loads(line)
        if request["fresh"]:
            forget_peak()
        begun = time.perf_counter()
        rows = connection.execute(request["sql"]).fetchall()
        seconds = time.perf_counter() - begun
        answer = {"seconds": seconds, "rows": len(rows), "first": rows[0] if rows else [], "peak": peak()}
        print(json.dumps(answer, default=str), flush=True)


main()
