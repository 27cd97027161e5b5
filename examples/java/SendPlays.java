import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Sends plays, one JSON object a line, or forgets a listener.
 *
 * <pre>
 * java -cp "lib/*" SendPlays.java KAFKA &lt; plays.jsonl
 * java -cp "lib/*" SendPlays.java KAFKA forget USER
 * </pre>
 */
public class SendPlays {
    /** A listener played a track; docs/schemas/play.json describes each field. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Play(
            String userId,
            String trackId,
            long playedAt, // milliseconds since 1970
            String context,
            Long msPlayed,
            Long durationMs,
            Boolean skipped) {}

    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .build();

    static Producer<String, String> playProducer(String kafka) {
        // Java's own partitioner is murmur2 for records with a key: set no other.
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", kafka,
                "acks", "all",
                "enable.idempotence", true); // no retry writes a play twice
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    static Future<RecordMetadata> send(Producer<String, String> producer, Play play) throws JsonProcessingException {
        return producer.send(new ProducerRecord<>("plays", play.userId(), JSON.writeValueAsString(play)));
    }

    static Future<RecordMetadata> forget(Producer<String, String> producer, String userId) {
        return producer.send(new ProducerRecord<>("plays", userId, null));
    }

    public static void main(String[] arguments) throws Exception {
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var written = new ArrayList<Future<RecordMetadata>>();
        try (var producer = playProducer(arguments[0])) {
            if (arguments.length > 1) {
                written.add(forget(producer, arguments[2]));
            } else {
                for (String line; (line = input.readLine()) != null; ) {
                    written.add(send(producer, JSON.readValue(line, Play.class)));
                }
            }
            producer.flush();
            for (var each : written) each.get(); // throws if Kafka did not take it
        }
    }
}
