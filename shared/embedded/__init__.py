"""The embedded default: a real PostgreSQL and a real NATS server, run as children, so that one command needs nothing installed.

What this package promises:
- the same servers that a city would run, with the same durability (never `fsync=off`, JetStream synced at every
  message); only who starts them differs;
- nobody but this user reaches them: PostgreSQL listens on a unix socket in a 0700 folder and asks for a password
  (SCRAM-SHA-256), NATS listens on 127.0.0.1 and asks for one;
- a child never outlives its supervisor, not even when the supervisor is killed with -9 (`watchdog`);
- whatever was killed, the next start recovers by itself.
"""
