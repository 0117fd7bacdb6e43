"""asyncio without sockets, and clear words for what one thread in one process cannot do."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor


class Loop(unittest.IsolatedAsyncioTestCase):
    async def test_tasks_and_timers(self):
        order = []

        async def worker(name, delay):
            await asyncio.sleep(delay)
            order.append(name)
            return name

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(worker(n, d)) for n, d in (("b", 0.02), ("a", 0.01), ("c", 0.03))]
        self.assertEqual([task.result() for task in tasks], ["b", "a", "c"])
        self.assertEqual(order, ["a", "b", "c"])

    async def test_queue(self):
        queue = asyncio.Queue(1)

        async def produce():
            for i in range(5):
                await queue.put(i)

        producer = asyncio.create_task(produce())
        self.assertEqual([await queue.get() for _ in range(5)], list(range(5)))
        await producer

    async def test_timeout(self):
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()

    async def test_pipes(self):
        r, w = os.pipe()
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(r, "rb", 0))
        transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(w, "wb", 0))
        transport.write(b"one\ntwo\n")
        self.assertEqual(await reader.readline(), b"one\n")
        self.assertEqual(await reader.readline(), b"two\n")
        transport.close()
        self.assertEqual(await reader.read(), b"")

    async def test_more_than_a_pipe_holds(self):
        r, w = os.pipe()
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(r, "rb", 0))
        transport, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(w, "wb", 0))
        transport.write(b"x" * 1_000_000)
        transport.close()
        self.assertEqual(len(await reader.read()), 1_000_000)

    async def test_signal_handler(self):
        loop = asyncio.get_running_loop()
        got = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, got.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(1):
            await got.wait()
        self.assertTrue(loop.remove_signal_handler(signal.SIGUSR1))


class NoThreads(unittest.TestCase):
    def test_thread(self):
        with self.assertRaisesRegex(RuntimeError, "one thread only"):
            threading.Thread(target=print).start()

    def test_pool(self):
        with self.assertRaisesRegex(RuntimeError, "one thread only"):
            ThreadPoolExecutor().submit(print)

    def test_to_thread(self):
        with self.assertRaisesRegex(RuntimeError, "one thread only"):
            asyncio.run(asyncio.to_thread(print))


class NoProcesses(unittest.TestCase):
    def test_subprocess(self):
        with self.assertRaisesRegex(OSError, "does not support processes"):
            subprocess.run([sys.executable, "-V"])

    def test_multiprocessing(self):
        with self.assertRaisesRegex(OSError, "does not support processes"):
            multiprocessing.Process(target=print).start()


if __name__ == "__main__":
    unittest.main()
