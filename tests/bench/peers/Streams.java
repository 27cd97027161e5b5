import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Properties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The stream without a network: a play is decoded, a record of 3.3 KB read, changed and stored, two lists are sent. */
public class Streams {
    static final int STATE_BYTES = 3296, RING = 64, MARK_EVERY = 1000;
    /** The bytes of lists of 20 and 50 tracks. */
    static final int SHORT_BYTES = 1000, LONG_BYTES = 2200;

    public static class Play {
        public String user_id, track_id;
        public long played_at;
    }

    static class Answering extends ContextualProcessor<String, byte[], String, byte[]> {
        final ObjectReader reader = new ObjectMapper().readerFor(Play.class);
        KeyValueStore<String, byte[]> states;
        long plays;

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            super.init(context);
            states = context.getStateStore("states");
        }

        @Override
        public void process(Record<String, byte[]> record) {
            Play play;
            try {
                play = reader.readValue(record.value());
            } catch (IOException exc) {
                throw new IllegalStateException(exc);
            }
            byte[] state = states.get(play.user_id);
            if (state == null) state = new byte[STATE_BYTES];
            ByteBuffer fields = ByteBuffer.wrap(state).order(ByteOrder.LITTLE_ENDIAN);
            long count = fields.getLong(0);
            fields.putLong(0, count + 1);
            fields.putLong(8 + 8 * (int) (count % RING), play.track_id.hashCode());
            states.put(play.user_id, state);
            send(record, state, SHORT_BYTES, "short");
            send(record, state, LONG_BYTES, "long");
            if (++plays % MARK_EVERY == 0) {
                total(MARK_EVERY);
            }
        }

        void send(Record<String, byte[]> record, byte[] state, int size, String topic) {
            byte[] list = new byte[size];
            System.arraycopy(state, 0, list, 0, size);
            context().forward(record.withValue(list), topic);
        }
    }

    static long done;

    static synchronized void total(int plays) {
        done += plays;
        System.out.println("MARK " + done);
        System.out.flush();
    }

    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("application.id", "kafka-streams");
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("state.dir", arguments[1]);
        settings.put("num.stream.threads", 1);
        settings.put("replication.factor", 1);
        settings.put("auto.offset.reset", "earliest");
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("statestore.cache.max.bytes", 0);
        Topology topology = new Topology();
        topology.addSource("plays", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), "plays");
        topology.addProcessor("answering", Answering::new, "plays");
        topology.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("states"), Serdes.String(),
            Serdes.ByteArray()).withLoggingEnabled(Map.of()).withCachingDisabled(), "answering");
        for (String name : new String[] {"short", "long"}) {
            topology.addSink(name, "kafka-streams." + name, Serdes.String().serializer(),
                Serdes.ByteArray().serializer(), "answering");
        }
        new KafkaStreams(topology, settings).start();
    }
}
