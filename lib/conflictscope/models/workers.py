"""Work through a long list with a few tasks, so that a hundred thousand calls are not a hundred thousand tasks."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any


async def work_off(jobs: Iterator[Coroutine[Any, Any, None]], workers: int) -> None:
    """Await every job, at most `workers` at a time; the first exception stops the rest and is raised."""

    async def work() -> None:
        for job in jobs:
            await job

    tasks = []
    try:
        for _ in range(workers):
            tasks.append(asyncio.create_task(work()))
            # one starts while those before it are under way; all at once, none would send before all were prepared
            await asyncio.sleep(0)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
