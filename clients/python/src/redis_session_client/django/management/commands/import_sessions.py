"""`manage.py import_sessions --from ENGINE`: takes over what another session engine has in store."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import NoPermissionError

from ....keys import acceptable, new_id
from ... import migrate
from ...configuration import ENGINE
from ...connections import Connections, connections
from ...sources import CannotList, Found, sessions_of
from ...terms import Policy


class Command(BaseCommand):
    """Takes sessions over under the ids that they have, so that nobody is logged out. It may be run again."""

    help = "Imports the sessions of another session engine. May be run again: what is there already is left alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which engine, and what becomes of its sessions."""
        parser.add_argument(
            "--from",
            dest="engine",
            required=True,
            help="the engine that has them, such as django.contrib.sessions.backends.db",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count what there is to import")
        parser.add_argument(
            "--keep",
            action="store_true",
            help="leave them in the old engine, too; a later import would bring back those that ended here meanwhile",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Imports, and says how many."""
        engine, dry_run = options["engine"], options["dry_run"]
        if engine == ENGINE:
            raise CommandError("--from names the engine that the site used before, not this one")
        asked = connections()
        if options["keep"] and engine == asked.configuration.migrate_from:
            raise CommandError(
                '--keep does not go with "migrate_from": what is signed out here would come back from there'
            )
        _fail_without_rights(asked)
        counts: Counter[str] = Counter()
        self.unwritable: list[migrate.CannotWrite] = []
        try:
            for found in sessions_of(engine):
                counts[self._import(asked, found, engine, dry_run=dry_run, ends=not options["keep"])] += 1
        except CannotList as error:
            raise CommandError(
                f'{error}. SESSION_REDIS["migrate_from"] takes sessions over when they are asked for.'
            ) from error
        except (ImportError, AttributeError) as error:
            raise CommandError(f"{engine} is no session engine: {error}") from error
        would = "would be imported" if dry_run else "imported"
        self.stdout.write(
            f"{counts['imported']} {would}, {counts['there']} there already, {counts['skipped']} skipped (no valid id)."
        )
        if self.unwritable:
            left = "would be left" if dry_run else "left"
            raise CommandError(f"{counts['left']} {left} where they are. The first of them: {self.unwritable[0]}")

    def _import(self, asked: Connections, found: Found, engine: str, *, dry_run: bool, ends: bool) -> str:
        if not acceptable(found.key):
            return "skipped"
        there = asked.run(asked.operations.exists(found.key))
        if not there:
            try:
                migrate.fail_unwritable(asked, found.data)
            except migrate.CannotWrite as error:
                self.unwritable.append(error)
                return "left"
        if dry_run:
            return "there" if there else "imported"
        if not there:
            there = not self._begin(asked, found)
        if ends:
            import_module(engine).SessionStore(found.key).delete(found.key)
        return "there" if there else "imported"

    @staticmethod
    def _begin(asked: Connections, found: Found) -> bool:
        options = asked.configuration.options
        policy = Policy(settings.SESSION_COOKIE_AGE if options.idle is None else options.idle, options.lifetime)
        if migrate.begin(asked, found.key, found.data, policy) is None:
            return False
        if found.expires is not None:
            # Until it is used again, it ends when it would have ended in the old engine.
            key = asked.operations.keys.key(found.key)
            asked.server.client.pexpireat(key, round(found.expires.timestamp() * 1000))
        return True


def _fail_without_rights(asked: Connections) -> None:
    """Raises CommandError where the import would break off at the first session: websites do not need this command."""
    try:
        asked.server.client.pexpireat(asked.operations.keys.key(new_id()), 1)  # there is no such session
    except NoPermissionError as error:
        raise CommandError(
            f"The server's user needs the command PEXPIREAT while sessions are imported (ACL SETUSER web +pexpireat, "
            f"and -pexpireat afterwards): {error}"
        ) from error
