"""Who: accounts, the codes they sign in with, and the people they book for."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.booking.tables.base import metadata, moment

accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("role", Text, nullable=False),
    Column("venues", ARRAY(Text), nullable=False, server_default="{}"),
    Column("phone_fingerprint", LargeBinary, unique=True, nullable=True),
    Column("phone_sealed", Text, nullable=True),
    Column("login", Text, unique=True, nullable=True),
    Column("password_hash", Text, nullable=True),
    Column("email_sealed", Text, nullable=True),
    Column("name_sealed", Text, nullable=True),
    Column("language", Text, nullable=False),
    Column("contact", Text, nullable=True, comment="Contact data, sealed for the notify service alone."),
    Column("created_at", moment, nullable=False),
    Column("disabled_at", moment, nullable=True),
    Column("erased_at", moment, nullable=True),
    CheckConstraint("role IN ('resident', 'staff', 'scheduler', 'administrator')", name="role_known"),
    CheckConstraint("phone_fingerprint IS NOT NULL OR login IS NOT NULL OR erased_at IS NOT NULL", name="can_sign_in"),
)

sign_in_codes = Table(
    "sign_in_codes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("phone_fingerprint", LargeBinary, nullable=False),
    Column("phone_sealed", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("code_fingerprint", LargeBinary, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", moment, nullable=False),
    Column("expires_at", moment, nullable=False),
    Column("used_at", moment, nullable=True),
    Index("sign_in_codes_by_phone", "phone_fingerprint", "created_at"),
)

family_copies = Table(
    "family_copies",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("reader_fingerprint", LargeBinary, nullable=False, comment="Of the telephone number that was named."),
    Column("reader_sealed", Text, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("sensitive", Boolean, nullable=False),
    Column("asked_at", moment, nullable=False),
    Column("changed_at", moment, nullable=False),
    CheckConstraint("state IN ('asked', 'agreed', 'refused', 'withdrawn')", name="state_known"),
    Index("family_copies_by_account", "account_id", "asked_at"),
    Index("family_copies_by_reader", "reader_fingerprint", "asked_at"),
    Index(
        "family_copies_live",
        *("account_id", "reader_fingerprint"),
        unique=True,
        postgresql_where=text("state IN ('asked', 'agreed')"),
    ),
    comment="Who has asked whom to get copies of their messages, and what became of it.",
)

release_watches = Table(
    "release_watches",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("service_id", Text, ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False, server_default="0", comment="Rises with each reminder."),
    Column("told_for", moment, nullable=True, comment="The release that was told of last."),
    Column("created_at", moment, nullable=False),
    UniqueConstraint("account_id", "service_id", name="uq_release_watches_once"),
    Index("release_watches_by_service", "service_id"),
    comment="Who wants to be reminded when places of a service are released.",
)

contact_proofs = Table(
    "contact_proofs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("address_fingerprint", LargeBinary, nullable=False),
    Column("address_sealed", Text, nullable=False),
    Column("code_fingerprint", LargeBinary, nullable=False),
    Column("link_fingerprint", LargeBinary, unique=True, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("created_at", moment, nullable=False),
    Column("expires_at", moment, nullable=False),
    Column("used_at", moment, nullable=True),
    Column("dropped_at", moment, nullable=True, comment="Its holder took the address back, or gave another."),
    Index("contact_proofs_by_account", "account_id", "created_at"),
    Index("contact_proofs_by_address", "address_fingerprint", "created_at"),
    comment="Mail addresses that were given and are not used before they are proved; neither they nor codes in clear text.",
)

persons = Table(
    "persons",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("document_type", Text, nullable=False),
    Column("document_fingerprint", LargeBinary, unique=True, nullable=False),
    Column("document_sealed", Text, nullable=False),
    Column("birth_date", Date, nullable=False),
    Column("created_at", moment, nullable=False),
    Column(
        "let_go_at",
        moment,
        nullable=True,
        comment="No account has them any more: the document is known only until their strikes are over.",
    ),
    Index("persons_let_go", "let_go_at", postgresql_where=text("let_go_at IS NOT NULL")),
    comment="One row for each identity document, whoever books for it: limits count people, not accounts.",
)

account_people = Table(
    "account_people",
    metadata,
    Column("account_id", Uuid, ForeignKey("accounts.id"), primary_key=True),
    Column("person_id", Uuid, ForeignKey("persons.id"), primary_key=True),
    Column("relation", Text, nullable=False),
    Column("name_sealed", Text, nullable=False),
    Column("name_masked", Text, nullable=False),
    Column("document_masked", Text, nullable=False),
    Column("created_at", moment, nullable=False),
    Column("removed_at", moment, nullable=True),
    comment="The people an account books for, under the name the account gave them.",
)
