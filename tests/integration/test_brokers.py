"""Both brokers do what the other tests rely on."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]  # not in the declared exports

from tests.support.embedded import PARTITIONS, EmbeddedBroker
from tests.support.kafka import RealBroker
from tests.support.records import produce, read


def test_embedded_stores_a_record(embedded: EmbeddedBroker, prefix: str) -> None:
    topic = f"{prefix}usage"
    embedded.touch(topic)
    produce(embedded.bootstrap, topic, b"value", key=b"account")
    [record] = read(embedded.bootstrap, topic, 1)
    assert (record.key(), record.value()) == (b"account", b"value")


def test_embedded_topic_has_the_stated_partitions(embedded: EmbeddedBroker, prefix: str) -> None:
    topic = f"{prefix}usage"
    embedded.touch(topic)
    produce(embedded.bootstrap, topic, *(str(number).encode() for number in range(200)))
    assert {record.partition() for record in read(embedded.bootstrap, topic, 200)} <= set(range(PARTITIONS))
    embedded.touch(topic)
    assert len(read(embedded.bootstrap, topic, 200)) == 200, "touching again keeps the records"


def test_embedded_close_twice_then_touch_fails() -> None:
    broker = EmbeddedBroker(brokers=3)
    assert broker.bootstrap.count(",") == 2
    broker.close()
    broker.close()
    with pytest.raises(RuntimeError, match="closed"):
        broker.touch("usage")


@pytest.mark.kafka
def test_real_topic_has_partitions_and_config(real_broker: RealBroker, prefix: str) -> None:
    topic = f"{prefix}usage"
    config = {"retention.ms": "-1", "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
    real_broker.create_topic(topic, partitions=4, config=config)
    assert len(real_broker.admin.list_topics(topic, timeout=10).topics[topic].partitions) == 4
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    stored = real_broker.admin.describe_configs([resource])[resource].result(10)
    assert {name: stored[name].value for name in config} == config


@pytest.mark.kafka
@pytest.mark.parametrize("compression", ["none", "gzip", "lz4", "snappy", "zstd"])
async def test_every_compression_is_read_by_the_workers_client(
    real_broker: RealBroker, prefix: str, compression: str
) -> None:
    topic = f"{prefix}usage"
    real_broker.create_topic(topic, partitions=1)
    values = [f"{number} ".encode() * 100 for number in range(50)]
    produce(real_broker.bootstrap, topic, *values, compression=compression)
    consumer = AIOKafkaConsumer(bootstrap_servers=real_broker.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        assert [(await consumer.getone()).value for _ in values] == values
    finally:
        await consumer.stop()


@pytest.mark.kafka
@pytest.mark.slow
def test_real_broker_keeps_records_over_kill_and_restart(tmp_path: Path, prefix: str) -> None:
    topic = f"{prefix}usage"
    with RealBroker(tmp_path / "kafka") as broker:
        broker.create_topic(topic, partitions=1)
        produce(broker.bootstrap, topic, b"before")
        broker.kill()
        broker.restart()
        produce(broker.bootstrap, topic, b"after")
        assert [record.value() for record in read(broker.bootstrap, topic, 2)] == [b"before", b"after"]
