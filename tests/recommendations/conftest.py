import pytest
from tests.recommendations.seeding import order, seed

from pratique.core.database import Cursors, Database
from pratique.recommendations.service import RecommendationService


@pytest.fixture
def service(database: Database) -> RecommendationService:
    """The service over the seeded fleet, on each engine."""
    seed(database)
    return RecommendationService(database, Cursors(b"k" * 32), order)
