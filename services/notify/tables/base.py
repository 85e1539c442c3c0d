"""What all tables of the notify database share: their metadata, and the type of a moment."""

from sqlalchemy import DateTime

from shared.db import metadata as new_metadata

metadata = new_metadata()
moment = DateTime(timezone=True)
