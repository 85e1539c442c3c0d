"""What readers have bound to the channels that need it: browsers, WeChat and WeCom accounts, and their consents."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, LargeBinary, Table, Text, UniqueConstraint, Uuid, text

from services.notify.tables.base import metadata, moment

push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False, unique=True, comment="Keyed, of the endpoint."),
    Column("sealed", Text, nullable=False, comment="Endpoint and keys: whoever has them can write to the device."),
    Column("host", Text, nullable=False, comment="The push service's name, for its reader to tell devices apart."),
    Column("created_at", moment, nullable=False),
    Column("refused_at", moment, nullable=True, comment="When its push service first forbade us to write to it."),
    Index("push_subscriptions_by_account", "account_id", "id"),
    comment="Browsers that take Web Push for an account.",
)

bindings = Table(
    "bindings",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False, comment="Keyed, of the address."),
    Column("sealed", Text, nullable=False, comment="The address there: an openid, a WeCom user id."),
    Column("bound_at", moment, nullable=False),
    Column(
        "left_at", moment, nullable=True, comment="When its reader left the official account; null while they follow."
    ),
    Column("told_at", moment, nullable=True, comment="The provider's time of the newest word on that."),
    UniqueConstraint("channel", "fingerprint", name="uq_bindings_address"),
    comment="One address for each account and channel; an address belongs to one account at a time.",
)

consents = Table(
    "consents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("template", Text, nullable=False, comment="The provider's template id that the reader agreed to."),
    Column("lasting", Boolean, nullable=False, comment="Good for any number of messages, not for one."),
    Column("given_at", moment, nullable=False),
    Column("spent_by", Uuid, nullable=True, comment="The message that used it up."),
    Column("void_at", moment, nullable=True, comment="When the provider said that it does not hold (any more)."),
    CheckConstraint("NOT lasting OR spent_by IS NULL", name="lasting_is_never_spent"),
    Index(
        "consents_open",
        *("account_id", "channel", "template", "given_at"),
        postgresql_where=text("spent_by IS NULL AND void_at IS NULL"),
    ),
    Index("consents_by_message", "spent_by", postgresql_where=text("spent_by IS NOT NULL")),
    comment="The ledger of consents: one for each message, unless it is lasting.",
)

provider_tokens = Table(
    "provider_tokens",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("sealed", Text, nullable=True, comment="The access token."),
    Column("expires_at", moment, nullable=True),
    Column("lease_token", Uuid, nullable=True),
    Column("lease_until", moment, nullable=True),
    comment="Access tokens that all workers share; whoever holds the lease asks for the next one.",
)
