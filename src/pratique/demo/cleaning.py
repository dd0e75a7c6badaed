"""Takes the demo's images out of the registry again, as any client with the right to delete does."""

import ssl
from urllib.parse import quote

import httpx2

from pratique.core.errors import NotFound
from pratique.demo.client import Account, RegistryClient
from pratique.demo.story import APP, WEB


def delete_images(management: httpx2.Client, address: str, trust: ssl.SSLContext, account: Account) -> int:
    """Delete every manifest of the demo's repositories and return how many there were."""
    client = RegistryClient(address, trust, account)
    deleted = 0
    try:
        for repository in (WEB, APP):
            for digest in _digests(management, repository):
                deleted += client.delete(repository, digest)
    finally:
        client.close()
    return deleted


def _digests(management: httpx2.Client, repository: str) -> list[str]:
    try:
        answer = management.get(f"/api/v1/repositories/{quote(repository)}/manifests", params={"limit": 500})
    except NotFound:
        return []
    return [str(item["digest"]) for item in answer.json().get("items", ())]
