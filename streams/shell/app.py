"""The Faust application: made by a factory, with everything off that would write, listen or commit by itself."""

from __future__ import annotations

from typing import Any, cast

import faust
from faust.assignor.partition_assignor import PartitionAssignor
from faust.serializers import codecs
from faust.types import AppT

from streams.settings import Settings
from streams.shell.connection import faust_credentials
from streams.shell.host import Host
from streams.shell.transport import MergedTransport

_SLICES = "backontrack-slices"
_QUEUED_SLICES = 16


class _AsItIs(codecs.Codec):
    """Slices are handed over as the objects that they are."""

    def loads(self, s: Any) -> Any:
        return s

    def _loads(self, s: Any) -> Any:
        return s

    def _dumps(self, s: Any) -> Any:
        return s


class WorkerAssignor(PartitionAssignor):
    """Faust's co-partitioning assignor with the standbys that were asked for, which may be none.

    With any, it fills workers up to their largest share, so that of three with four partitions one may get nothing.
    """

    def __init__(self, app: AppT, replicas: int = 0) -> None:
        del replicas  # one at least, so that Faust takes this assignor and not one of aiokafka's
        super().__init__(app, replicas=cast("WorkerApp", app).settings.standby_replicas)


class WorkerApp(faust.App):
    """A Faust app on the merged transport, which needs no directory of its own."""

    host: Host
    """What the consumer asks and tells."""
    settings: Settings
    """What it was made with."""
    mundane_level = "debug"

    def _new_transport(self) -> MergedTransport:
        return MergedTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """None: all state is on Kafka."""

    def slices(self, *topics: str) -> Any:
        """Channel of the merged slices of these topics; its messages take no part in Faust's acknowledging."""
        return self.topic(
            *topics, key_type=bytes, value_type=None, key_serializer="raw", value_serializer=_SLICES, acks=False
        )


def create_app(settings: Settings, host: Host) -> WorkerApp:
    """A new application. Nothing is connected before it starts."""
    codecs.register(_SLICES, _AsItIs())
    session_s = settings.session_timeout / 1000
    app = WorkerApp(
        settings.app_id,
        # Faust would let variables of its own overrule what is given here.
        env={},
        broker_credentials=faust_credentials(settings),
        broker=";".join(f"kafka://{server.strip()}" for server in settings.bootstrap_servers.split(",")),
        broker_session_timeout=session_s,
        broker_heartbeat_interval=min(3.0, session_s / 4),
        broker_request_timeout=max(90.0, session_s),
        # A hanging worker is found by /livez, which knows more; a long recovery must not look like one.
        broker_max_poll_interval=86_400.0,
        broker_rebalance_timeout=max(60.0, session_s),
        # Faust's own commits have nothing to commit; its stall detector would only misread what it sees.
        broker_commit_interval=86_400.0,
        broker_max_poll_records=4_000,
        # No jump, ever: every position is set from the recovered state.
        consumer_auto_offset_reset="none",
        stream_buffer_maxsize=_QUEUED_SLICES,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        store="memory://",
        # One even when nobody stands by: installs the co-partitioning assignor.
        table_standby_replicas=max(1, settings.standby_replicas),
        PartitionAssignor=WorkerAssignor,
        consumer_group_instance_id=settings.group_instance_id or None,
        # Members tell it to each other, and refuse an assignment made when theirs was another: after a restart the host
        # may have another name.
        canonical_url="http://worker",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.host = host
    app.settings = settings
    return app
