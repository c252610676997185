"""The demo's own servers: in a folder that is gone afterwards, however the demo ends."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadhub import embedded
from leadhub.embedded import EmbeddedServers

_PREFIX = "leadhub-demo-"
_YOUNG_SECONDS = 120
"""A folder younger than this may belong to a demo that is just starting."""


@contextmanager
def fresh_servers() -> Iterator[EmbeddedServers]:
    """Run servers on a new folder, and clear away the folders of demos that were killed."""
    _clear_away()
    # Directly in the temporary folder: root's servers run as another account, which cannot enter a closed one.
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder,
        embedded.start(Path(folder)) as servers,
    ):
        yield servers


def _clear_away() -> None:
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            is_old = time.time() - old.stat().st_mtime > _YOUNG_SECONDS
            if is_old and embedded.read_run_file(old) is None:
                shutil.rmtree(old, ignore_errors=True)
