"""How a scrape of the metrics is served: an instance like any other, without a model. In the warden, before fork."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from noghost.api.connection import serve_connection, uvicorn_config
from noghost.api.equipment import Equipment, equip
from noghost.api.here import Here
from noghost.api.host import hosts_at
from noghost.api.metrics import PATH, make_metrics_app
from noghost.api.rehearse import rehearse_path
from noghost.config import Address, Limits
from noghost.instance.life import Equip, Equipped, Instance
from noghost.instance.newborn import Newborn
from noghost.messages import Outcome


def prepare_scraping(address: Address, limits: Limits, numbers: Callable[[], Sequence[int]]) -> Equip:
    """Import and build what a scrape needs. `numbers`: what the warden noted before its birth."""
    app = make_metrics_app(numbers)
    settings = uvicorn_config(app, limits)
    rehearse_path(app, PATH)
    hosts = hosts_at(address)

    def serve_one(instance: Instance, equipment: Equipment) -> Outcome:
        newborn, line = instance.newborn, instance.line
        now = Here(instance.identity.invocation, newborn.timeline, (), line, limits, 1, lambda: 1, hosts=hosts)
        outcome = serve_connection(settings, app, equipment, now)
        line.last_word(outcome)
        return outcome

    def equip_one(newborn: Newborn) -> Equipped:
        assert newborn.connection is not None
        equipment = equip(newborn.connection, limits.stall_s)
        return Equipped(lambda instance: serve_one(instance, equipment), equipment.descriptors)

    return equip_one
