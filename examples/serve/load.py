"""Runs many programs at a time: python3 load.py [RUNS] [AT A TIME]."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from boxer import ask


def run(n):
    """Gives the time that a run took, in seconds, and None or what went wrong."""
    begin = time.perf_counter()
    try:
        result = ask("/v1/runs", {"code": f"print({n} ** 2)"})
        wrong = None if (result["outcome"], result["stdout"]) == ("ok", f"{n * n}\n") else str(result)
    except RuntimeError as refusal:
        wrong = str(refusal)
    return time.perf_counter() - begin, wrong


def main(runs=100, at_a_time=8):
    begin = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        results = list(pool.map(run, range(runs)))
    total = time.perf_counter() - begin
    times = sorted(took for took, _ in results)
    wrong = [what for _, what in results if what]
    print(f"{runs} runs, {len(wrong)} failed, {runs / total:.0f} a second")
    print(f"half of them within {times[runs // 2] * 1000:.1f} ms, the slowest {times[-1] * 1000:.1f} ms")
    sys.exit("\n".join(wrong[:3]) or 0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
