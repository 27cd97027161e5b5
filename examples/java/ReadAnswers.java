import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Keeps the latest lists of every listener, and prints each change: java -cp "lib/*" ReadAnswers.java KAFKA. */
public class ReadAnswers {
    /** One track of a list; its score is relative to the first. */
    record RankedTrack(String trackId, double score) {}

    /** What a listener may play next (short-term), or discover (long-term), best first. */
    record Recommendation(
            String userId,
            String horizon,
            List<RankedTrack> tracks,
            String release,
            long playsSeen,
            int sourcePartition,
            long sourceOffset,
            long playedAt,
            long emittedAt) {}

    record Place(String listener, String topic) {}

    private static final List<String> TOPICS = List.of("recommendations.short-term", "recommendations.long-term");

    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES) // later versions may have more
            .build();

    public static void main(String[] arguments) throws Exception {
        var output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        var latest = new HashMap<Place, Recommendation>();
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", arguments[0],
                "isolation.level", "read_committed", // else it sees lists that a worker took back
                "enable.auto.commit", false); // no group: every instance of this program keeps all lists
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(TOPICS.stream()
                    .flatMap(topic -> consumer.partitionsFor(topic).stream())
                    .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
                    .toList());
            consumer.seekToBeginning(consumer.assignment()); // both topics are compacted: that is everybody's latest
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    var place = new Place(record.key(), record.topic());
                    Stream<String> shown;
                    if (record.value() == null) { // forgotten: delete their lists wherever you keep them
                        latest.remove(place);
                        shown = Stream.of("forgotten");
                    } else { // a listener's records are in order, in one partition
                        var answer = JSON.readValue(record.value(), Recommendation.class);
                        latest.put(place, answer);
                        shown = answer.tracks().stream().map(RankedTrack::trackId);
                    }
                    output.println(Stream.concat(Stream.of(place.listener(), place.topic()), shown)
                            .collect(Collectors.joining("\t")));
                }
            }
        }
    }
}
