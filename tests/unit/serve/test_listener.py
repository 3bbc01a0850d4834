"""The lock: when it is lost, and when nobody can say."""

import contextlib
import errno
import os

from kadrd.serve.listener import Lock


def test_lock_on_a_disk_that_fails(fuse, tmp_path):
    """A disk that answers with an error does not end the daemon; a lock that is gone does."""
    disk = fuse("disk")
    with contextlib.ExitStack() as held:
        lock = Lock(str(disk.folder / "lock"))
        held.callback(lock.release)
        assert lock.holds()
        lock.path = str(disk.place / "lock")
        disk.error(errno.EIO)
        assert lock.holds()
        disk.healthy()
        os.unlink(disk.folder / "lock")
        assert not lock.holds()
