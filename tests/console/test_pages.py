import pytest
from starlette.testclient import TestClient

from tests.console.serving import Running
from tests.recommendations.seeding import digest

PAGES = (
    "/recommendations", "/help/risk", "/repositories", "/r/team/web", f"/r/team/web/-/{digest(1)}", f"/r/team/shop/-/{digest(3)}",
    "/advisories", "/exemptions", "/exemptions/new", "/jobs", "/account",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_each_page_answers(full: Running, client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert "<h1" in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
