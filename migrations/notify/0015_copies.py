"""Copies to a family member who has agreed.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for arrangements."""
    op.create_table(
        "copies",
        sa.Column("copy_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False, comment="Whose messages."),
        sa.Column("reader_id", sa.Uuid(), nullable=False, comment="Who gets copies of them."),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column(
            "contact", sa.Text(), nullable=True, comment="The reader's, under their own key; gone when it is over."
        ),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("copy_id", name=op.f("pk_copies")),
        comment="The newest version heard of each arrangement; what is over stays, so that past copies can be explained.",
    )
    op.create_index("copies_by_reader", "copies", ["reader_id"])
    op.create_index(
        "copies_agreed",
        "copies",
        ["account_id", "reader_id"],
        unique=True,
        postgresql_where=sa.text("state = 'agreed'"),
    )


def downgrade() -> None:
    """Forget them: nobody gets a copy any more."""
    op.drop_table("copies")
