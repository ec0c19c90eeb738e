import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Sends records through Kafka Connect's own converters and transforms. Each line of the input is a record with its
 * transform as JSON, each line of the output what became of it.
 */
public final class Transforms {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer;
            try {
                answer = transformed(JSON.readTree(line));
            } catch (Exception error) {
                answer = JSON.createObjectNode().put("error", error.toString());
            }
            out.println(JSON.writeValueAsString(answer));
        }
        out.flush();
    }

    private static ObjectNode transformed(JsonNode given) throws Exception {
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", given.get("schemas").asText()), false);
        SchemaAndValue key = converter.toConnectData("t", bytes(given.get("key")));
        SchemaAndValue value = converter.toConnectData("t", bytes(given.get("value")));
        SinkRecord record = new SinkRecord(
            given.get("topic").asText(), 2, key.schema(), key.value(), value.schema(), value.value(), 3L,
            given.get("timestamp").asLong(), TimestampType.CREATE_TIME);
        Map<String, String> options = new HashMap<>();
        given.get("options").fields().forEachRemaining(it -> options.put(it.getKey(), it.getValue().asText()));
        @SuppressWarnings("unchecked")
        Transformation<SinkRecord> transform = (Transformation<SinkRecord>)
            Class.forName(given.get("class").asText()).getDeclaredConstructor().newInstance();
        transform.configure(options);
        record = transform.apply(record);
        ObjectNode answer = JSON.createObjectNode();
        if (record == null) {
            return answer.put("dropped", true);
        }
        answer.put("topic", record.topic());
        answer.put("key", text(converter.fromConnectData("t", record.keySchema(), record.key())));
        answer.put("value", text(converter.fromConnectData("t", record.valueSchema(), record.value())));
        ArrayNode headers = answer.putArray("headers");
        try (SimpleHeaderConverter simple = new SimpleHeaderConverter()) {
            for (Header header : record.headers()) {
                headers.addArray().add(header.key())
                    .add(text(simple.fromConnectHeader("t", header.key(), header.schema(), header.value())));
            }
        }
        return answer;
    }

    private static byte[] bytes(JsonNode base64) {
        return base64.isNull() ? null : Base64.getDecoder().decode(base64.asText());
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }
}
