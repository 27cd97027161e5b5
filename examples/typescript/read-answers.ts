// Keep the latest lists of every listener, and print each change: node dist/read-answers.js KAFKA

import { randomUUID } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";
import type { Recommendation } from "./messages.js";

const [kafka = "localhost:9092"] = process.argv.slice(2);
const latest = new Map<string, Recommendation>();

const consumer = new Kafka({ brokers: kafka.split(","), logLevel: logLevel.WARN }).consumer({
  groupId: `answers-${randomUUID()}`, // a group of its own: every instance of this program keeps all lists
  readUncommitted: false, // else it sees lists that a worker took back
});
await consumer.connect();
await consumer.subscribe({
  topics: ["recommendations.short-term", "recommendations.long-term"],
  fromBeginning: true, // both topics are compacted: from the beginning is everybody's latest
});
await consumer.run({
  autoCommit: false,
  eachMessage: async ({ topic, message: { key, value } }) => {
    const listener = String(key);
    const place = JSON.stringify([listener, topic]);
    if (value === null) { // forgotten: delete their lists wherever you keep them
      latest.delete(place);
      console.log([listener, topic, "forgotten"].join("\t"));
      return;
    }
    const answer: Recommendation = JSON.parse(String(value));
    latest.set(place, answer); // a listener's records are in order, in one partition
    console.log([listener, topic, ...answer.tracks.map((track) => track.track_id)].join("\t"));
  },
});
