"""Many threads may use the SDK and the core for the first time at once."""

from __future__ import annotations

import pytest

from tests.core.conftest import Install, install_offline, installed_homes
from tests.qualification.first_use import JOBS, run_first_use

__all__ = ["install_offline", "installed_homes"]


@pytest.mark.parametrize(
    ("job", "n_threads"),
    [
        ("train", 8),
        *(
            pytest.param(job, n_threads, marks=pytest.mark.qualification)
            for job in JOBS
            for n_threads in (2, 16, 100)
        ),
    ],
)
def test_threads_share_the_first_use(install_offline: Install, job: str, n_threads: int) -> None:
    """In a fresh process every thread gets its result, whichever of them imports a module first."""
    install_offline("research")
    assert run_first_use(job, n_threads) == ""


@pytest.mark.qualification
@pytest.mark.parametrize("n_threads", [2, 16, 100])
def test_threads_share_the_first_installation(
    key: str, monkeypatch: pytest.MonkeyPatch, n_threads: int
) -> None:
    """Threads that install at once in a fresh process all get the core and can load models."""
    monkeypatch.setenv("NIMBUS_API_KEY", key)
    assert run_first_use("install", n_threads) == ""
