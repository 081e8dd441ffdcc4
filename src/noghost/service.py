"""The one place that knows both sides: it wires warden, reaper, instance, engine and api together.

    serve   warden (this process), reaper, and an instance for each connection
    ask     the same three roles in one command; the command's own process is traced and wiped as well

The reaper is forked first, before an engine or a web framework is imported, so that it stays small. Everything
that an instance needs is imported and loaded in the warden, so that an instance opens no file.
"""

from __future__ import annotations

import gc
import hashlib
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from noghost import __version__
from noghost.board import Board
from noghost.config import Config, cores, ledger_dir
from noghost.engine.batches import BATCH_RULE
from noghost.host import build_digest, host_class, processor
from noghost.instance.fitness import make_fences, try_fences
from noghost.instance.life import Equip, Equipped, Instance, live
from noghost.instance.line import Line
from noghost.instance.memory import keep_malloc_pages, keep_one_arena
from noghost.instance.newborn import Newborn
from noghost.instance.question import Question
from noghost.instance.sandbox import STEPS, Fences
from noghost.instance.seccomp import load_tries
from noghost.instance.share import Share
from noghost.messages import MAX_BYTES, Gone, Outcome, Told, unpack
from noghost.models import Found, find_models, load_served, most_loading_bytes, settle
from noghost.reaper.duty import Duty, Stated
from noghost.reaper.spawn import Spawned
from noghost.voice.wiring import find_voices, minds_for, start_others, thinker_for, told_of
from noghost.warden.births import Nursery, bear
from noghost.warden.command import be_traced, wait_until_gone
from noghost.warden.network import leave_network, leave_network_as_root
from noghost.warden.process import allow_descriptors, prepare_process, settle_memory

if TYPE_CHECKING:
    import ssl

    from noghost.api.certificate import Secured
    from noghost.keys.ring import Ring
    from noghost.models import Loading
    from noghost.reaper.arenas import Zeroer
    from noghost.reaper.wipe import Wiper
    from noghost.voice.find import Voiced
    from noghost.voice.minds import Think
    from noghost.warden.door import Door
    from noghost.warden.hatch import Hatch


@dataclass(frozen=True, slots=True)
class Serving:
    """A service that is loaded: what its warden needs."""

    equip: Equip  # how an instance that serves is made ready
    think: Think | None  # how a mind is
    rehearse: Callable[[], object]  # what every instance but the first is spared
    settle: Callable[[], None]  # what can wait until nobody is here


# Address; SHA-256 of the certificate where there is TLS; where the metrics are, if anywhere.
Ready = Callable[[str, str | None, str | None], None]


def serve(
    config: Config,
    ready: Ready,
    *,
    listener: socket.socket | None = None,
    wiper: Wiper | None = None,
    zeroer: Zeroer | None = None,
) -> None:
    """Run a service until SIGTERM or SIGINT, or until nobody came for so long; `ready` is called once it answers.

    `listener` is a socket that was taken over, at the address of `config` (warden/activation.py).
    `wiper` and `zeroer` are for tests of the promises alone: they show what is found when nothing is wiped.
    Raises ConfigError, WeightsError or HostError before it is ready, and HostError when the reaper ends.
    """
    from noghost.warden.activation import adopted
    from noghost.warden.door import open_door, open_hatch

    gc.disable()  # until all is loaded: it would look again and again at what stays
    prepare_process("noghost: warden")
    allow_descriptors(config.limits, voice=config.voice)
    with ExitStack() as doors:
        door = doors.enter_context(closing(open_door(config) if listener is None else adopted(config, listener)))
        side = doors.enter_context(closing(open_hatch(config.metrics))) if config.metrics else None
        serve_at(door, side, config, ready, wiper, zeroer)


def serve_at(
    door: Door, side: Door | None, config: Config, ready: Ready, wiper: Wiper | None, zeroer: Zeroer | None
) -> None:
    """The same, at doors that are open already; `side` is for the metrics."""
    from noghost.keys.ring import Ring
    from noghost.keys.store import default_path
    from noghost.warden.activation import follow_keeper, tell_keeper
    from noghost.warden.connector import start_connector
    from noghost.warden.listen import Warden, bear_probe

    voices = find_voices(config)
    ring = Ring(default_path()) if config.asks_keys else None
    models = find_models(config)
    board = Board()
    shut = (*door.sockets, *(side.sockets if side else ()))
    connector = start_connector(config.upstreams, shut)
    exporter = start_exporter(config, side.listener) if side and config.otlp else ()
    own_network = leave_network() if "network" not in config.without else False
    follow_keeper()  # only now: the kernel forgets this with a change of namespace
    fences = make_fences(
        config.without, outward=bool(config.upstreams), loading=bool(config.on_demand), voice=config.voice
    )
    try_fences(fences)
    stated = state(config, models, fences, own_network, voices)
    duty = duty_of(config, stated, models, wiper, zeroer)
    shut = (*shut, *exporter)
    births, reaper_pid, wait_for_voices, asked = start_others(config, duty, board, shut, connector, voices)
    try:
        nursery = Nursery(births, reaper_pid, live_with(equip_for_nothing, config, fences))
        wait_for_probe = bear_probe(nursery)
        secured = secure_late(config)
        tls = secured.context if secured else None
        serving = prepare_serving(config, models, board, ring, tls, voices=voices)
        roomy = with_room(config, most_loading_bytes(config, models))
        hatch = hatch_at(side, config, board, nursery, fences) if side else None
        settle_memory()
        wait_for_voices()
        wait_for_probe()
        warden = Warden(
            door,
            Nursery(births, reaper_pid, live_with(serving.equip, roomy, fences), ring.refresh if ring else None),
            config.limits,
            counts=board.counts,
            hatch=hatch,
            cores=cores(),
            computing=board.taken,
            idle_exit_s=config.idle_exit_s,
            minds=minds_for(asked, reaper_pid, serving.think, roomy, fences) if asked and serving.think else None,
            rehearse=serving.rehearse,
            at_leisure=serving.settle,
        )
        warden.rehearse_unless_asked()
        ready(door.address, secured.fingerprint if secured else None, side.address if side else None)
        tell_keeper()
        warden.run()
    finally:
        for held in (births, *exporter):
            held.close()
        with suppress(ChildProcessError):  # SIGCHLD is ignored: this waits until the last child is gone
            os.waitpid(reaper_pid, 0)


def duty_of(
    config: Config, stated: Stated, models: tuple[Found, ...], wiper: Wiper | None, zeroer: Zeroer | None
) -> Duty:
    """What the reaper of a service is to do."""
    return Duty(
        ledger_dir(config),
        stated,
        config.most_seats,
        queue=config.limits.queue,
        most_refusals=config.limits.refusals,
        unverified=config.unverified,
        on_demand=tuple(number for number, found in enumerate(models) if found.on_demand),
        tries=load_tries() if config.on_demand else (),
        voices=config.most_voices,
        wiper=wiper,
        zeroer=zeroer,
    )


def start_exporter(config: Config, metrics: socket.socket) -> tuple[socket.socket]:
    """What pushes the metrics, a program of its own; it ends when what is returned is closed."""
    from noghost.otlp.start import start

    assert config.otlp is not None
    return (start(config.otlp, config.otlp_interval_s, metrics),)


def hatch_at(side: Door, config: Config, board: Board, nursery: Nursery, fences: Fences) -> Hatch:
    """Where the metrics are scraped, with what a scrape needs imported."""
    from noghost.scraping import prepare_scraping
    from noghost.warden.hatch import Hatch

    assert config.metrics is not None
    equip = prepare_scraping(config.metrics, config.limits, lambda: board.counts.noted)
    return Hatch(side.listener, replace(nursery, live=live_with(equip, config, fences)))


def secure_late(config: Config) -> Secured | None:
    """TLS where it is asked for. After the reaper's fork: the key is not its affair."""
    if config.tls is None:
        return None
    from noghost.api.certificate import secure

    return secure(config)


def equip_for_nothing(_newborn: Newborn) -> Equipped:
    """The probe's whole life."""
    return Equipped(lambda _instance: Outcome.ANSWERED, ())


def state(
    config: Config,
    models: tuple[Found, ...],
    fences: Fences,
    own_network: bool,
    voices: tuple[Voiced, ...] = (),
) -> Stated:
    """What every receipt of this service says about it."""
    limits = config.limits
    policy = (
        f"release={__version__} unverified={config.unverified} steps={','.join(step.name for step in STEPS)} "
        f"invocation_s={limits.invocation_s} session_s={limits.session_s} body_bytes={limits.body_bytes}"
    )
    confinement = (
        f"network={'own' if own_network else 'host'},memory={'locked' if fences.lock else 'unlocked'},"
        f"without={'.'.join(sorted(set(config.without))) or 'none'}"
    )
    digest = hashlib.sha256(policy.encode()).hexdigest()
    host = f"{host_class()},{confinement}"
    return Stated(
        (
            *(model.digest for model in models),
            *(upstream.mark for upstream in config.upstreams),
            *(voice.digest for voice in voices),
        ),
        __version__,
        build_digest(),
        digest,
        host,
        processor(),
        str(config.context_tokens),
        BATCH_RULE,
        tuple(source.digest for source in config.templates),
    )


def with_room(config: Config, more_bytes: int) -> Config:
    """The same, with instances that may map so much more."""
    return replace(config, limits=replace(config.limits, memory_bytes=config.limits.memory_bytes + more_bytes))


def live_with(equip: Equip, config: Config, fences: Fences) -> Callable[[Newborn], NoReturn]:
    """How an instance of this service lives."""

    def live_served(newborn: Newborn) -> NoReturn:
        live(newborn, equip, limits=config.limits, silent=True, fences=fences)

    return live_served


def prepare_serving(
    config: Config,
    models: tuple[Found, ...],
    board: Board,
    ring: Ring | None = None,
    tls: ssl.SSLContext | None = None,
    voices: tuple[Voiced, ...] = (),
) -> Serving:
    """Import and load what instances need. After the reaper's fork."""
    keep_one_arena()
    loading = [found.begin(config.context_tokens) for found in models if not found.on_demand]
    from noghost.api.equipment import Equipment, equip
    from noghost.api.here import Here
    from noghost.api.spoken import spoken_by

    spoken = spoken_by(config, [model.file.name for model in models], ring.now if ring else None, tls)
    served = load_served(config, models, loading)
    dormant = [model.dormant for model in served if model.dormant is not None]
    share, build = Share(config.most_threads, board), build_digest()

    def now_of(instance: Instance) -> Here:
        return Here(
            invocation=instance.identity.invocation,
            timeline=instance.newborn.timeline,
            models=served,
            recorder=instance.line,
            limits=config.limits,
            most_threads=config.most_threads,
            threads=share.threads,
            templates=tuple(source.name for source in config.templates),
            build=build,
            remotes=spoken.remotes,
        )

    def serve_one(instance: Instance, equipment: Equipment) -> Outcome:
        now = replace(
            now_of(instance),
            busy=instance.newborn.busy,
            keys=ring.now if ring else None,
            hosts=spoken.hosts,
            pads=config.pads,
            pads_sealed=config.pad is not False,
            **told_of(voices),
        )
        outcome = spoken.serve(equipment, now)
        instance.line.last_word(outcome, *now.tally.last)
        return outcome

    def keep() -> tuple[int, ...]:
        return (share.descriptor, *(one.reopen() for one in dormant))

    def equip_one(newborn: Newborn) -> Equipped:
        assert newborn.connection is not None
        equipment = equip(newborn.connection, config.limits.stall_s)
        return Equipped(lambda instance: serve_one(instance, equipment), (*keep(), *equipment.descriptors))

    think = thinker_for(spoken.app, now_of, keep) if spoken.app and voices else None
    return Serving(equip_one, think, spoken.rehearse, partial(settle, served))


# --- ask ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lived:
    """What is known of one `noghost ask` once its instance is gone. Times in milliseconds."""

    gone: Gone
    told: Told | None  # None where the instance ended before it could tell
    knock_ns: int

    @property
    def answered(self) -> bool:
        """The instance told its figures and ended by itself."""
        return self.told is not None and self.gone.outcome == Outcome.ANSWERED


def ask(config: Config, question: Question, reaper: Spawned, found: Found, loading: Loading) -> Lived:
    """Answer one question in an instance of its own, recorded, wiped and verified; standard output gets the answer.

    The command's own process holds the question too: the reaper traces it and wipes it when it ends. So that the
    reaper itself holds none of it, it is a program of its own here and not a fork. It was started already, and so was
    the loading of the weights (engine/ahead.py). Raises WeightsError, LedgerError or HostError before it is asked.
    """
    from noghost.engine.loaded import made_ready
    from noghost.instance.terminal import Threads, answer

    prepare_process("noghost: ask")
    own_network = leave_network_as_root() if "network" not in config.without else False
    fences = make_fences(config.without)
    stated = state(config, (found,), fences, own_network)
    limits = config.limits
    duty = Duty(
        ledger_dir(config),
        stated,
        1,
        queue=limits.queue,
        most_refusals=limits.refusals,
        unverified=config.unverified,
        exact=True,
    )
    births, reaper_pid = reaper.births, reaper.pid
    reaper.charge(duty)
    own_line = Line(be_traced(births, reaper_pid))
    loaded = made_ready(*loading())
    share = Share(config.most_threads, Board())
    now = share.threads if not config.threads else lambda: config.threads
    threads = Threads(config.most_threads, now, config.threads or None)
    keep_malloc_pages()
    gc.enable()
    ear, mouth = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gc.freeze()

    def live_asked(newborn: Newborn) -> NoReturn:
        keep = (mouth.fileno(), share.descriptor)
        equipped = Equipped(lambda instance: answer(instance, loaded, question, mouth, threads), keep)
        live(newborn, lambda _newborn: equipped, limits=limits, silent=False, fences=fences)

    own_line.wait_at_gate()
    knock_ns = time.monotonic_ns()
    pid = bear(None, Nursery(births, reaper_pid, live_asked))
    mouth.close()
    gone = wait_until_gone(births, pid)
    data = ear.recv(MAX_BYTES)
    return Lived(gone, unpack(data, Told) if data else None, knock_ns)
