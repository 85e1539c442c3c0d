"""A worker that does nothing, for the tests of what runs a worker."""

import asyncio


class Settings:
    """Nothing to set."""


async def run(_settings: Settings) -> None:
    """Print that it began, and wait."""
    print("began", flush=True)
    await asyncio.Event().wait()
