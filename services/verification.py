"""Check what was published, a draw or a proof of notice: by anybody, anywhere, without an account or a database."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from services.booking.domain.draw import first_difference
from services.notify.domain.proof import first_fault
from shared.http import Client, HttpError

DOCUMENT_MOST = 64 * 1024 * 1024
"""Bytes of the largest round's document, and more."""


@click.command("verify-draw")
@click.argument("source", metavar="FILE|URL")
def verify_draw(source: str) -> None:
    """Work the order of a draw out again from its published document, GET /api/v1/draws/{id}.

    Says "equal" and ends well, or names the first thing that does not follow from the seed and the requests.
    """
    document = _parsed(asyncio.run(_fetched(source)) if source.startswith(("http://", "https://")) else _read(source))
    try:
        difference = first_difference(document)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if difference is not None:
        raise click.ClickException(f"DIFFERENT: {difference}")
    click.echo(f"equal: {document['requests']} requests, digest {document['digest']}")


@click.command("verify-notice")
@click.argument("source", metavar="FILE|URL")
def verify_notice(source: str) -> None:
    """Check a booking's proof of notice, GET /api/v1/bookings/{id}/proof of the notify service.

    Says "whole" and ends well, or names the first record that does not follow from the one before it.
    """
    document = _parsed(asyncio.run(_fetched(source)) if source.startswith(("http://", "https://")) else _read(source))
    try:
        fault = first_fault(document)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if fault is not None:
        raise click.ClickException(f"BROKEN: {fault}")
    click.echo(f"whole: {len(document['records'])} records, head {document['head']}")


def _read(source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{source}: {error.strerror}") from error


async def _fetched(url: str) -> bytes:
    received = bytearray()
    try:
        async with Client() as client, client.stream("GET", url) as answer:
            if answer.status_code != 200:
                raise click.ClickException(f"{url}: answered {answer.status_code}")
            async for piece in answer.aiter_bytes():
                received += piece
                if len(received) > DOCUMENT_MOST:
                    raise click.ClickException(f"{url}: more than any draw's document")
    except HttpError as error:
        raise click.ClickException(f"{url}: {error}") from error
    return bytes(received)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise click.ClickException(f"this is no JSON document: {error}") from error
    if not isinstance(document, dict):
        raise click.ClickException("this is not the document of a round that was drawn")
    return document
