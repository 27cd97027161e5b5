import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints every rejected play with the reason, for those who fix the producer: java -cp "lib/*" ReadDeadLetters.java
 * KAFKA.
 */
public class ReadDeadLetters {
    private static String header(ConsumerRecord<String, String> record, String name) {
        return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) {
        var output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", arguments[0],
                "isolation.level", "read_committed",
                "enable.auto.commit", false);
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(consumer.partitionsFor("plays.dead-letter").stream()
                    .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
                    .toList());
            consumer.seekToBeginning(consumer.assignment());
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    if (record.value() == null || record.headers().lastHeader("error") == null) {
                        continue; // the letter was sent again, discarded or forgotten
                    }
                    var source = header(record, "source-partition") + ":" + header(record, "source-offset");
                    output.println(String.join("\t", header(record, "error"), source, header(record, "reason")));
                }
            }
        }
    }
}
