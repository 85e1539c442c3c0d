"""Bookings and claims: the half of a foreign key that costs nothing when one is written; and each account's holds.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEYS = (
    ("bookings", "slot_id", "slots"),
    ("claims", "booking_id", "bookings"),
    ("claims", "person_id", "persons"),
)
"""Table, column, and the table whose `id` it names."""


def upgrade() -> None:
    """Keep what is named from being deleted, and look it up no more when it is named."""
    op.execute("""
        CREATE FUNCTION refuse_to_strand() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            named boolean;
        BEGIN
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I = $1)', TG_ARGV[0], TG_ARGV[1])
                INTO named USING OLD.id;
            IF named THEN
                RAISE EXCEPTION '% % is still named by %.%', TG_TABLE_NAME, OLD.id, TG_ARGV[0], TG_ARGV[1]
                    USING ERRCODE = 'foreign_key_violation';
            END IF;
            IF TG_OP = 'DELETE' THEN
                RETURN OLD;
            END IF;
            RETURN NEW;
        END $$
    """)
    # a code of our own: PostgreSQL's `serialization_failure` would be taken for a busy database, and the batch turned away
    op.execute("""
        CREATE FUNCTION must_be(counted bigint, wanted bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
        BEGIN
            IF counted <> wanted THEN
                RAISE EXCEPTION '% rows instead of %', counted, wanted USING ERRCODE = 'YU001';
            END IF;
            RETURN true;
        END $$
    """)
    for table, column, other in KEYS:
        op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")
        op.execute(
            f"CREATE TRIGGER {other}_named_by_{table} BEFORE DELETE OR UPDATE OF id ON {other}"
            f" FOR EACH ROW EXECUTE FUNCTION refuse_to_strand('{table}', '{column}')"
        )
    op.create_index(
        "bookings_held_of_account",
        "bookings",
        ["account_id"],
        postgresql_where=sa.text("state = 'held'"),
    )


def downgrade() -> None:
    """Look up what is named again."""
    op.drop_index("bookings_held_of_account", table_name="bookings")
    for table, column, other in KEYS:
        op.execute(f"DROP TRIGGER {other}_named_by_{table} ON {other}")
        op.create_foreign_key(f"fk_{table}_{column}", table, other, [column], ["id"])
    op.execute("DROP FUNCTION refuse_to_strand()")
    op.execute("DROP FUNCTION must_be(bigint, bigint)")
