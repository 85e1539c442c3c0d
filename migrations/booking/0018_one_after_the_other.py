"""Two statements in one round trip: what the first has locked is read by the second.

Revision ID: 0018
Revises: 0017
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have a function that runs one and returns what the other finds once the first is done.

    It is volatile, so that the second sees whatever was committed while the first waited for its locks.
    """
    op.execute("""
        CREATE FUNCTION one_after_the_other(one text, other text) RETURNS SETOF record LANGUAGE plpgsql VOLATILE AS $$
        BEGIN
            EXECUTE one;
            RETURN QUERY EXECUTE other;
        END $$
    """)


def downgrade() -> None:
    """Take two round trips again."""
    op.execute("DROP FUNCTION one_after_the_other(text, text)")
