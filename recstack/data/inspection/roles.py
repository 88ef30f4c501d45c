"""Which file of a folder is the log and which the catalogue, and which column means what."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from recstack.data.inspection.columns import Column
from recstack.data.inspection.log_columns import Doubt, doubts_of_log, log_roles
from recstack.data.inspection.matching import Role
from recstack.data.inspection.names import ITEM, RATING, STRENGTH, TIME, USER
from recstack.data.inspection.related_tables import agree_on_items, find_catalogue, find_users
from recstack.data.inspection.tables import TableSample


@dataclass(frozen=True)
class Roles:
    """The tables of a folder and the columns that matter."""

    log: TableSample
    of_log: dict[str, Role]
    items: TableSample | None = None
    of_items: dict[str, Role] = field(default_factory=dict)
    items_reason: str = ""
    users: TableSample | None = None
    user_key: Column | None = None
    """Column of the ids in `users`."""
    twins: tuple[str, ...] = ()
    """Files with the same columns as the log: further parts of it."""
    unused: tuple[str, ...] = ()
    """Names of the other files."""
    doubts: tuple[Doubt, ...] = ()


def guess_roles(tables: Sequence[TableSample]) -> Roles:
    """Roles in the tables of a folder; the log is the table with the surest user, item and time.

    Args:
        tables: one or more.
    """
    ranked = sorted(tables, key=lambda table: -_likeness_of_log(table))
    log = ranked[0]
    of_log = log_roles(log)
    names = [column.name for column in log.columns]
    twins = [each for each in ranked[1:] if [column.name for column in each.columns] == names]
    others = [each for each in ranked[1:] if each not in twins]
    items, of_items, reason = find_catalogue(of_log.get(ITEM), others)
    if items is not None:
        of_log = agree_on_items(log, of_log, of_items[ITEM].column)
    others = [each for each in others if each is not items]
    users, key = find_users(of_log.get(USER), others)
    unused = tuple(each.name for each in others if each is not users)
    same = tuple(each.name for each in twins)
    return Roles(log, of_log, items, of_items, reason, users, key, same, unused, tuple(doubts_of_log(log, of_log)))


def _likeness_of_log(table: TableSample) -> float:
    roles = log_roles(table)
    named = sum(role in roles and roles[role].reason == "by its name" for role in (USER, ITEM, TIME, RATING, STRENGTH))
    user = USER in roles and (not roles[USER].column.unique or roles[USER].column.cells == 1)
    both = USER in roles and ITEM in roles
    size = min(1.0, (table.estimated_rows or 10**6) / 10**6)
    return 2.0 * both * user + named + (TIME in roles) + size
