// Print every rejected play with the reason, for those who fix the producer: node dist/read-dead-letters.js KAFKA

import { randomUUID } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";

const [kafka = "localhost:9092"] = process.argv.slice(2);

const consumer = new Kafka({ brokers: kafka.split(","), logLevel: logLevel.WARN }).consumer({
  groupId: `dead-letters-${randomUUID()}`,
  readUncommitted: false,
});
await consumer.connect();
await consumer.subscribe({ topics: ["plays.dead-letter"], fromBeginning: true });
await consumer.run({
  autoCommit: false,
  eachMessage: async ({ message: { value, headers = {} } }) => {
    if (value === null || !headers["error"]) return; // the letter was sent again, discarded or forgotten
    const source = `${headers["source-partition"]}:${headers["source-offset"]}`;
    console.log([headers["error"], source, headers["reason"]].join("\t"));
  },
});
