"""asyncio: tasks, timers, queues, locks, events, async generators and context managers; contextvars."""
import asyncio
import contextlib
import contextvars
import queue

request = contextvars.ContextVar("request", default=0)


async def fetch(n):
    request.set(n)
    await asyncio.sleep(0.0005 if n % 10 == 0 else 0)
    return request.get() * 2


async def produce(channel, count):
    for n in range(count):
        await channel.put(n)
    await channel.put(None)


async def consume(channel):
    total = 0
    while (item := await channel.get()) is not None:
        total += item
    return total


async def ticks(count):
    for n in range(count):
        await asyncio.sleep(0)
        yield n


@contextlib.asynccontextmanager
async def held(lock):
    await lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


async def main():
    print(sum(await asyncio.gather(*(fetch(n) for n in range(600)))))
    channel = asyncio.Queue(maxsize=16)
    async with asyncio.TaskGroup() as group:
        group.create_task(produce(channel, 1_500))
        consumer = group.create_task(consume(channel))
    print(consumer.result(), sum([n async for n in ticks(800)]))
    lock, counter = asyncio.Lock(), 0

    async def increment():
        nonlocal counter
        for _ in range(20):
            async with held(lock):
                counter += 1
                await asyncio.sleep(0)

    await asyncio.gather(*(increment() for _ in range(20)))
    try:
        async with asyncio.timeout(0.002):
            await asyncio.sleep(30)
    except TimeoutError:
        print("timed out", counter)
    event = asyncio.Event()
    waiting = [asyncio.create_task(event.wait()) for _ in range(50)]
    asyncio.get_running_loop().call_later(0.001, event.set)
    done, _ = await asyncio.wait(waiting)
    task = asyncio.create_task(asyncio.sleep(30))
    await asyncio.sleep(0)
    task.cancel()
    results = await asyncio.gather(task, *(asyncio.wait_for(fetch(n), 5) for n in range(100)), return_exceptions=True)
    print(len(done), type(results[0]).__name__, len(results))


asyncio.run(main())
plain = queue.Queue()
for n in range(1_000):
    plain.put(n)
print(sum(plain.get() for _ in range(1_000)))
