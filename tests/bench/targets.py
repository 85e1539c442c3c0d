"""What the house promises about its speed: each ratio with its target, and the table at the end of `make bench`."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio that must be at least, or at most, `bound`; `what` says of what to what."""

    what: str
    bound: float
    at_least: bool = True

    def met_by(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


TARGETS: dict[str, Target] = {
    "spread": Target("(b)/(a) booking, spread / the same without a database, 64 connections", 0.75),
    "hot": Target("(b)/(a) booking, one slot / the same without a database, 64 connections", 0.75),
    "empty": Target("(b)/(a0) booking, spread / an empty FastAPI endpoint, 64 connections", 0.60),
    "pgbench hot": Target("(b)/(c) booking, one slot / pgbench on one slot", 3.5),
    "naive": Target("(b)/(d) booking, spread / the naive version, 64 connections", 8.0),
    "postgres cpu": Target("(b)/(c) PostgreSQL's CPU a booking / a pgbench transaction, spread", 0.25, at_least=False),
    "rush p99": Target("rush: p99 / p99 without a database, 512 connections", 1.5, at_least=False),
    "two processes": Target("two API processes / one, spread, 512 connections", 1.0),
    "availability search": Target("search p99, 1,000,000 slots / 10,000", 1.5, at_least=False),
}

ALSO: dict[str, str] = {
    "spread 512": "(b)/(a) booking, spread / the same without a database, 512 connections",
    "hot 512": "(b)/(a) booking, one slot / the same without a database, 512 connections",
    "stub empty": "(a)/(a0) without a database / an empty FastAPI endpoint, 64 connections",
    "pgbench spread": "(b)/(c) booking, spread / pgbench, spread",
    "postgres cpu hot": "(b)/(c) PostgreSQL's CPU a booking / a pgbench transaction, one slot",
    "rush": "rush: answers / answers without a database, 512 connections",
    "availability service": "one service p99, 1,000,000 slots / 10,000: ten days of 42 times each, or of one",
    "api cpu": "(b)/(a) the API's CPU a request, spread, 64 connections",
}
"""Ratios that are printed and promised by nobody."""


@dataclass(slots=True)
class Table:
    """The ratios that were measured; `faults` are what an audit found."""

    measured: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def missed(self) -> list[str]:
        """Return the names of targets that were not met, or not measured, and the faults."""
        names = [
            name
            for name, target in TARGETS.items()
            if name not in self.measured or not target.met_by(self.measured[name])
        ]
        return names + self.faults

    def lines(self) -> Sequence[str]:
        """Return the table."""
        lines = [f"  {'ratio':82} {'measured':>9} {'target':>8}"]
        for name, target in TARGETS.items():
            sign = ">=" if target.at_least else "<="
            value = self.measured.get(name)
            shown = "nothing" if value is None else f"{value:.2f}"
            met = "yes" if value is not None and target.met_by(value) else "NO"
            lines.append(f"  {target.what:82} {shown:>9} {sign:>3} {target.bound:4.2f}  {met}")
        lines += [f"  {what:82} {self.measured[name]:9.2f}" for name, what in ALSO.items() if name in self.measured]
        return lines + [f"  FAULT: {fault}" for fault in self.faults]
