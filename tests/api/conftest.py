from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.support.admin import Admin

from leadhub.resources import Resources


@pytest.fixture
def admin(resources: Resources) -> Admin:
    return Admin(resources)


@pytest.fixture
async def client(admin: Admin) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that may do everything."""
    async with admin.client("admin") as opened:
        yield opened
