"""The end of the service: nobody who came in at the last moment keeps it."""

import asyncio

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
