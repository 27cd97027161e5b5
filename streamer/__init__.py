"""The streaming half of Refrain: everything that meets Kafka, the disk, the clock and the device."""
