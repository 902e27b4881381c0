import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/** Kafka's own clients: `produce BROKER TOPIC CODEC COUNT` or `consume BROKER TOPIC COUNT` (one value a line, in Base64). */
public class KafkaForeign {
  public static void main(String[] args) throws Exception {
    if (args[0].equals("produce")) produce(args[1], args[2], args[3], Integer.parseInt(args[4]));
    else consume(args[1], args[2], Integer.parseInt(args[3]));
  }

  static void produce(String broker, String topic, String codec, int count) throws Exception {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", broker);
    config.put("compression.type", codec);
    config.put("linger.ms", 500);
    config.put("batch.size", 900000);
    try (Producer<byte[], byte[]> producer =
        new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int n = 0; n < count; n++) {
        byte[] value = (n + " " + "metric.name ".repeat(n % 400)).getBytes(StandardCharsets.UTF_8);
        producer.send(new ProducerRecord<>(topic, 0, "key".getBytes(StandardCharsets.UTF_8), value));
      }
      producer.flush();
    }
  }

  static void consume(String broker, String topic, int count) {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", broker);
    config.put("auto.offset.reset", "earliest");
    try (Consumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      TopicPartition partition = new TopicPartition(topic, 0);
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      for (int seen = 0; seen < count; ) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          System.out.println(Base64.getEncoder().encodeToString(record.value()));
          seen++;
        }
      }
    }
  }
}
