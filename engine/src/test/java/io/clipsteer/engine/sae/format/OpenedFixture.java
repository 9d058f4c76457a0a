// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.data.tensor.TorchZip;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A golden SAE as its configuration and its tensors, to be changed and written as a new file. */
final class OpenedFixture {
  static final Path FILES = Path.of("src/test/resources/sae/files");
  private static final JsonMapper JSON = JsonMapper.shared();

  /** Files of tensors that are in use again and again: writing one waits for the disk. */
  private static final Map<List<StoredTensor>, byte[]> WRITTEN =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<List<StoredTensor>, byte[]> eldest) {
          return size() > 200;
        }
      };

  private static final Map<String, OpenedFixture> OPENED = new HashMap<>();

  /** Where the configuration lies. */
  enum Carrier {
    CFG_JSON,
    CONFIG_JSON,
    FIRST_LINE,
    PICKLED_CFG,
    PICKLED_STATE
  }

  final String name;
  final Carrier carrier;
  final ObjectNode config;
  final Map<String, StoredTensor> tensors;
  private final String weights;

  private OpenedFixture(
      String name,
      Carrier carrier,
      String weights,
      ObjectNode config,
      Map<String, StoredTensor> tensors) {
    this.name = name;
    this.carrier = carrier;
    this.weights = weights;
    this.config = config;
    this.tensors = tensors;
  }

  /** A golden SAE by the name of its folder. */
  static OpenedFixture of(String name) throws IOException {
    OpenedFixture known = OPENED.get(name);
    if (known == null) {
      known = read(name);
      OPENED.put(name, known);
    }
    return known.copy();
  }

  private static OpenedFixture read(String name) throws IOException {
    Path folder = FILES.resolve(name);
    Carrier carrier = carrier(name);
    String weights = weights(name);
    Path file = folder.resolve(weights);
    Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    try (TensorFile open = weights.endsWith(".pt") ? TorchZip.open(file) : SafeTensors.open(file)) {
      for (StoredTensor tensor : open.tensors().values()) tensors.put(tensor.name(), copy(tensor));
      JsonNode config =
          switch (carrier) {
            case CFG_JSON -> JSON.readTree(Files.readAllBytes(folder.resolve("cfg.json")));
            case CONFIG_JSON -> JSON.readTree(Files.readAllBytes(folder.resolve("config.json")));
            case FIRST_LINE -> JSON.readTree(open.metadata().getOrDefault("preamble", ""));
            case PICKLED_CFG -> JSON.readTree(open.metadata().getOrDefault("cfg fields", ""));
            case PICKLED_STATE -> state(open.metadata());
          };
      return new OpenedFixture(name, carrier, weights, (ObjectNode) config, tensors);
    }
  }

  /** OpenAI's plain values beside the tensors. */
  private static ObjectNode state(Map<String, String> metadata) {
    ObjectNode state = JSON.createObjectNode();
    state.put("activation", metadata.getOrDefault("activation", ""));
    String k = metadata.get("activation_state_dict.k");
    ObjectNode inner = state.putObject("activation_state_dict");
    if (k == null) return state;
    inner.put("k", Integer.parseInt(k));
    inner.put("postact_fn", metadata.getOrDefault("activation_state_dict.postact_fn", ""));
    return state;
  }

  private static Carrier carrier(String name) {
    if (name.startsWith("openai")) return Carrier.PICKLED_STATE;
    if (name.startsWith("saev")) return Carrier.FIRST_LINE;
    if (name.equals("prisma_checkpoint") || name.equals("patchsae")) return Carrier.PICKLED_CFG;
    boolean cfg = name.startsWith("saelens") || name.startsWith("sparsify");
    return cfg ? Carrier.CFG_JSON : Carrier.CONFIG_JSON;
  }

  private static String weights(String name) {
    if (name.startsWith("saelens")) return "sae_weights.safetensors";
    if (name.startsWith("sparsify")) return "sae.safetensors";
    if (name.startsWith("dictionary")) return "ae.pt";
    if (name.startsWith("openai")) return "autoencoder.pt";
    if (name.startsWith("saev")) return "sae.pt";
    return name.startsWith("prisma") ? "n_images_7.pt" : "checkpoint.pt";
  }

  private static StoredTensor copy(StoredTensor from) {
    byte[] bytes = from.bytes().toArray(ValueLayout.JAVA_BYTE);
    return new StoredTensor(from.name(), from.dtype(), from.shape(), MemorySegment.ofArray(bytes));
  }

  /** Another copy. */
  OpenedFixture copy() {
    return new OpenedFixture(
        name, carrier, weights, config.deepCopy(), new LinkedHashMap<>(tensors));
  }

  /** A tensor under a name. */
  void put(String key, DType dtype, long[] shape, byte[] bytes) {
    tensors.put(key, new StoredTensor(key, dtype, shape, MemorySegment.ofArray(bytes)));
  }

  /** A tensor that is there. */
  StoredTensor tensor(String key) {
    return Objects.requireNonNull(tensors.get(key), key);
  }

  /** Gives a tensor another name. */
  void rename(String from, String to) {
    StoredTensor old = tensor(from);
    tensors.remove(from);
    tensors.put(to, new StoredTensor(to, old.dtype(), old.shape(), old.bytes()));
  }

  /** The numbers of a tensor. */
  double[] numbers(String key) {
    StoredTensor tensor = tensor(key);
    double[] numbers = new double[Math.toIntExact(tensor.elements())];
    for (int i = 0; i < numbers.length; i++) numbers[i] = tensor.get(i);
    return numbers;
  }

  /** Writes configuration and tensors into a folder, as the tool would. */
  void write(Path folder) throws IOException {
    Files.createDirectories(folder);
    Path file = folder.resolve(weights);
    byte[] line = {};
    if (carrier == Carrier.FIRST_LINE) {
      line = (JSON.writeValueAsString(config) + "\n").getBytes(StandardCharsets.UTF_8);
    }
    byte[] bytes = WRITTEN.get(List.copyOf(tensors.values()));
    if (bytes == null) {
      if (weights.endsWith(".pt")) TorchZip.write(file, tensors.values(), "");
      else SafeTensors.write(file, tensors.values(), Map.of());
      bytes = Files.readAllBytes(file);
      WRITTEN.put(List.copyOf(tensors.values()), bytes);
    }
    byte[] all = Arrays.copyOf(line, line.length + bytes.length);
    System.arraycopy(bytes, 0, all, line.length, bytes.length);
    Files.write(file, all);
    switch (carrier) {
      case CFG_JSON ->
          Files.writeString(folder.resolve("cfg.json"), JSON.writeValueAsString(config));
      case CONFIG_JSON ->
          Files.writeString(folder.resolve("config.json"), JSON.writeValueAsString(config));
      case FIRST_LINE -> {}
      case PICKLED_CFG, PICKLED_STATE -> repickle(file);
    }
  }

  // ---- Python's values inside a checkpoint ----------------------------------------------------

  private void repickle(Path file) throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    try (ZipFile zip = new ZipFile(file.toFile())) {
      for (ZipEntry entry : zip.stream().toList()) {
        entries.put(entry.getName(), zip.getInputStream(entry).readAllBytes());
      }
    }
    try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(file))) {
      for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
        boolean pickle = entry.getKey().endsWith("data.pkl");
        byte[] bytes = pickle ? around(entry.getValue()) : entry.getValue();
        ZipEntry stored = new ZipEntry(entry.getKey());
        CRC32 crc = new CRC32();
        crc.update(bytes);
        stored.setMethod(ZipEntry.STORED);
        stored.setSize(bytes.length);
        stored.setCrc(crc.getValue());
        out.putNextEntry(stored);
        out.write(bytes);
      }
    }
  }

  /** The pickled state with the configuration beside it, or among it. */
  private byte[] around(byte[] state) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    if (carrier == Carrier.PICKLED_STATE) {
      out.write(state, 0, state.length - 1);
      items(out, config);
    } else {
      out.writeBytes(new byte[] {(byte) 0x80, 2, '}', '('});
      pickle(out, "cfg");
      pickle(out, config);
      pickle(out, "state_dict");
      out.write(state, 2, state.length - 3);
      out.write('u');
    }
    out.write('.');
    return out.toByteArray();
  }

  private static void items(ByteArrayOutputStream out, JsonNode object) {
    out.write('(');
    object
        .properties()
        .forEach(
            field -> {
              pickle(out, field.getKey());
              pickle(out, field.getValue());
            });
    out.write('u');
  }

  private static void pickle(ByteArrayOutputStream out, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    out.write('X');
    out.writeBytes(
        ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(utf8.length).array());
    out.writeBytes(utf8);
  }

  private static void pickle(ByteArrayOutputStream out, JsonNode value) {
    if (value.isNull()) {
      out.write('N');
    } else if (value.isBoolean()) {
      out.write(value.asBoolean() ? 0x88 : 0x89);
    } else if (value.isIntegralNumber()) {
      out.writeBytes(new byte[] {(byte) 0x8a, 8});
      out.writeBytes(
          ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value.asLong()).array());
    } else if (value.isNumber()) {
      out.write('G');
      out.writeBytes(ByteBuffer.allocate(8).putDouble(value.asDouble()).array());
    } else if (value.isString()) {
      pickle(out, value.asString());
    } else if (value.isArray()) {
      out.writeBytes(new byte[] {']', '('});
      value.forEach(item -> pickle(out, item));
      out.write('e');
    } else {
      out.write('}');
      items(out, value);
    }
  }
}
