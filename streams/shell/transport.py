"""The transport that makes Faust use the merged consumer."""

from __future__ import annotations

from typing import ClassVar

from faust.transport.drivers import aiokafka as driver
from faust.types.transports import ConsumerT

from streams.shell.consumer import MergedConsumer


class MergedTransport(driver.Transport):
    """aiokafka's transport with merged slices."""

    Consumer: ClassVar[type[ConsumerT]] = MergedConsumer
