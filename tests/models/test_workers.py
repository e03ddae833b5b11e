import asyncio

import pytest

from conflictscope.models.asking import work_off


def test_works_off_every_job_a_few_at_a_time():
    done, under_way, most = [], 0, 0

    async def job(i):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        done.append(i)

    asyncio.run(work_off((job(i) for i in range(50)), 4))
    assert sorted(done) == list(range(50)) and most == 4


def test_the_first_exception_stops_the_rest():
    started = []

    async def job(i):
        started.append(i)
        await asyncio.sleep(0.001)
        if i == 5:
            raise ValueError("five")

    with pytest.raises(ValueError, match="five"):
        asyncio.run(work_off((job(i) for i in range(1000)), 4))
    assert len(started) < 20
