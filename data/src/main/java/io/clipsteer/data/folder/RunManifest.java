// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * How a folder was made: enough to repeat it and to tell whether two runs may be compared. Every
 * folder that a command writes has one as {@code manifest.json}.
 *
 * @param command the command line, one word each
 * @param config every setting in effect, defaults included
 * @param seeds random seeds by what they are for
 * @param hashes SHA-256 of what went in, such as {@code model}, {@code data}, {@code sae}
 * @param versions of clipsteer, Java, libtorch and what else matters
 * @param machine where it ran
 * @param started when it began, in UTC
 * @param ended when it finished; null while it runs or when it was stopped
 */
public record RunManifest(
    List<String> command,
    Map<String, Object> config,
    Map<String, Long> seeds,
    Map<String, String> hashes,
    Map<String, String> versions,
    Machine machine,
    Instant started,
    @Nullable Instant ended) {

  /** The manifest's name in a command's folder. */
  public static final String FILE = "manifest.json";

  private static final long MAX_SIZE = 16 << 20;
  private static final JsonMapper JSON =
      JsonFile.MAPPER.rebuild().enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES).build();

  /**
   * Keeps copies: settings in their order, the rest sorted, so that equal runs give equal files.
   */
  public RunManifest {
    command = List.copyOf(command);
    config = Collections.unmodifiableMap(new LinkedHashMap<>(config));
    seeds = Collections.unmodifiableMap(new TreeMap<>(seeds));
    hashes = Collections.unmodifiableMap(new TreeMap<>(hashes));
    versions = Collections.unmodifiableMap(new TreeMap<>(versions));
  }

  /**
   * A machine.
   *
   * @param cpu the processor's model
   * @param cores logical cores that Java may use
   * @param gpu the accelerator in words; null when none was used
   * @param jvm name and build of the Java machine
   * @param os operating system, version and architecture
   */
  public record Machine(String cpu, int cores, @Nullable String gpu, String jvm, String os) {

    /** This machine. */
    public static Machine here(@Nullable String gpu) {
      return new Machine(
          cpuModel(),
          Runtime.getRuntime().availableProcessors(),
          gpu,
          System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"),
          System.getProperty("os.name")
              + " "
              + System.getProperty("os.version")
              + " "
              + System.getProperty("os.arch"));
    }

    /** Linux has it in a file, Windows in a variable; other systems give the architecture. */
    private static String cpuModel() {
      try (var lines = Files.lines(Path.of("/proc/cpuinfo"))) {
        var model = lines.filter(l -> l.startsWith("model name")).findFirst();
        if (model.isPresent()) return model.get().substring(model.get().indexOf(':') + 1).strip();
      } catch (IOException | java.io.UncheckedIOException e) {
        // Not Linux: fall through to what every system knows.
      }
      String windows = System.getenv("PROCESSOR_IDENTIFIER");
      return windows != null ? windows : System.getProperty("os.arch");
    }
  }

  /**
   * The manifest of a run that starts now on this machine.
   *
   * @param command the command line; {@code --resume} is dropped, so that it makes the run again
   * @param versions of clipsteer and its libraries; Java's is added
   * @param gpu the accelerator; null when none is used
   */
  public static RunManifest begin(
      List<String> command,
      Map<String, Object> config,
      Map<String, Long> seeds,
      Map<String, String> hashes,
      Map<String, String> versions,
      @Nullable String gpu) {
    Map<String, String> all = new TreeMap<>(versions);
    all.put("java", System.getProperty("java.version"));
    List<String> words = command.stream().filter(word -> !word.equals("--resume")).toList();
    return new RunManifest(words, config, seeds, hashes, all, Machine.here(gpu), now(), null);
  }

  /** The command's name. */
  public String name() {
    return command.isEmpty() ? "" : command.getFirst();
  }

  /** Equal for two runs of the same command with the same settings, seeds and inputs. */
  public String fingerprint() {
    String all = JsonFile.line(List.of(name(), config, seeds, hashes));
    return Hashes.sha256(all.getBytes(StandardCharsets.UTF_8));
  }

  /** The same run, started earlier. */
  RunManifest startedAt(Instant time) {
    return new RunManifest(command, config, seeds, hashes, versions, machine, time, ended);
  }

  /**
   * The same run, finished now.
   *
   * @param results SHA-256 of what came out, added to the hashes
   */
  public RunManifest finish(Map<String, String> results) {
    Map<String, String> all = new TreeMap<>(hashes);
    all.putAll(results);
    return new RunManifest(command, config, seeds, all, versions, machine, started, now());
  }

  /**
   * Writes {@code manifest.json} into {@code folder}, which is made when missing.
   *
   * @throws InputException when the disk refuses
   */
  public void writeTo(Path folder) {
    AtomicFiles.writeJson(folder.resolve(FILE), this);
  }

  /**
   * Reads the manifest of a folder that a command wrote.
   *
   * @throws InputException when there is none or it is no manifest
   */
  public static RunManifest read(Path folder) {
    RunManifest manifest = find(folder.resolve(FILE));
    if (manifest != null) return manifest;
    throw new InputException(folder, "is no run directory: it has no " + FILE, "Name one");
  }

  /**
   * Reads a manifest.
   *
   * @param file under its own name, where it lies beside others
   * @return null where there is none
   * @throws InputException when it is no manifest
   */
  public static @Nullable RunManifest find(Path file) {
    if (!Files.isRegularFile(file)) return null;
    try {
      if (Files.size(file) > MAX_SIZE) {
        throw new InputException(file, "is larger than 16 MiB", "It is no run's manifest");
      }
      RunManifest manifest = JSON.readValue(Files.readAllBytes(file), RunManifest.class);
      if (manifest == null) throw new InputException(file, "is no manifest", "Run again");
      return manifest;
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    } catch (JacksonException e) {
      throw new InputException(
          file, "is no manifest: " + Reasons.of(e), "Restore it or run again", e);
    }
  }

  private static Instant now() {
    return Instant.now().truncatedTo(ChronoUnit.MILLIS);
  }
}
