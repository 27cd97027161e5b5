// Send plays, one JSON object a line, or forget a listener:
//   node dist/send-plays.js KAFKA < plays.jsonl
//   node dist/send-plays.js KAFKA forget USER

import { createInterface } from "node:readline";
import { Kafka, logLevel, Partitioners, type Producer } from "kafkajs";
import type { Play } from "./messages.js";

function playProducer(kafka: string): Producer {
  return new Kafka({ brokers: kafka.split(","), logLevel: logLevel.WARN }).producer({
    createPartitioner: Partitioners.DefaultPartitioner, // murmur2, as Java's; not LegacyPartitioner
    idempotent: true, // no retry writes a play twice; implies acks from all replicas
    maxInFlightRequests: 1,
  });
}

async function send(producer: Producer, plays: Play[]): Promise<void> {
  const messages = plays.map((play) => ({ key: play.user_id, value: JSON.stringify(play) }));
  await producer.send({ topic: "plays", messages });
}

async function forget(producer: Producer, userId: string): Promise<void> {
  await producer.send({ topic: "plays", messages: [{ key: userId, value: null }] });
}

const [kafka = "localhost:9092", command, userId] = process.argv.slice(2);
const producer = playProducer(kafka);
await producer.connect();
if (command === "forget" && userId) {
  await forget(producer, userId);
} else {
  const plays: Play[] = [];
  for await (const line of createInterface(process.stdin)) plays.push(JSON.parse(line));
  await send(producer, plays);
}
await producer.disconnect();
