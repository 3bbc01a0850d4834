"""The end of the service: nobody who came in at the last moment keeps it."""

import asyncio
import os
import threading

import pytest

from kadrd import service as services
from kadrd.service import Service


class Session:
    stopped = False

    def stop(self):
        self.stopped = True


def test_who_arrives_while_others_are_sent_away():
    """A client that connects while the daemon ends is sent away like the others: the daemon does not wait for it."""
    service = Service.__new__(Service)  # the end of its sessions needs none of its parts
    service._sessions, seen = {}, []

    async def visit(following):
        task, session = asyncio.current_task(), Session()
        service._sessions[task] = session
        seen.append(session)
        try:
            await asyncio.Event().wait()
        finally:
            if following:
                others.append(asyncio.create_task(visit(following - 1)))
                await asyncio.sleep(0)
            del service._sessions[task]

    others = []

    async def live():
        others.append(asyncio.create_task(visit(3)))
        await asyncio.sleep(0)
        async with asyncio.timeout(45):
            await service._end_sessions()

    asyncio.run(live())
    assert [session.stopped for session in seen] == [True] * 4


@pytest.mark.parametrize(("told", "code"), [(True, 0), (False, 1)])
def test_indexing_that_never_stops(monkeypatch, told, code):
    """A thread that hangs on the disk of the catalogue does not keep the daemon from ending; one that begins anew is started again."""
    monkeypatch.setattr(services, "STOP_SECONDS", 0.01)
    service = Service.__new__(Service)  # the end of its indexing needs none of its parts
    service._told, hanging = asyncio.Event(), threading.Event()
    if told:
        service._told.set()

    class Stuck(threading.Thread):
        worker = type("Worker", (), {"kill": staticmethod(lambda: None)})

        def run(self):
            hanging.wait()

        def stop(self):
            pass

    service._ingest = Stuck()
    service._ingest.start()
    child = os.fork()
    if not child:
        service._ingest = Stuck()
        service._ingest.start()
        try:
            service._stop_ingest()
        finally:
            os._exit(99)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    finally:
        hanging.set()
        service._ingest.join()
