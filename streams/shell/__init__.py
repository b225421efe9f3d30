"""The thin shell: Faust, Kafka, Avro and the checkpoint around the core."""
