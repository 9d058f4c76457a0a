// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.cli.show.ConsoleProgress;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.run.Versions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** What every command understands. */
public final class CommonOptions {
  private static final JsonMapper JSON =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  /** Options that say where results go, or how fast they come; the seed has a place of its own. */
  private static final Set<String> NO_SETTINGS =
      Set.of("--out", "--resume", "--json", "--seed", "--decode-threads");

  @Spec(Target.MIXEE)
  private CommandSpec command;

  @Option(names = "--json", description = "One JSON object on stdout, everything else on stderr.")
  private boolean json;

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Seed of everything random (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--device",
      defaultValue = "cpu",
      description = "cpu, cuda or cuda:n (default: ${DEFAULT-VALUE}).")
  private String device;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads of a tensor operation, from 1 (default: all processors).")
  private @Nullable Integer threads;

  @Mixin private HelpOption help;

  public long seed() {
    return seed;
  }

  public Device device() {
    return Device.parse(device);
  }

  boolean json() {
    return json;
  }

  /** Applies the process-wide options. */
  public void apply() {
    if (threads == null) return;
    if (threads < 1 || threads > 4096) {
      throw new InputException("--threads " + threads, "not 1 to 4096", "Leave it out for all");
    }
    Engine.threads(threads);
  }

  /** The same for a command that computes on the CPU alone: it takes no other device. */
  public void applyOnCpu() {
    if (!device.equals("cpu")) {
      throw new InputException(
          "--device " + device, "this command uses the CPU alone", "Leave it out");
    }
    apply();
  }

  /**
   * Reads an option's value.
   *
   * @param read throws an {@link InputException}, which then is of the option
   */
  public static <T> T value(String option, String text, Function<String, T> read) {
    try {
      return read.apply(text);
    } catch (InputException e) {
      throw e.ofOption(option + " " + text);
    }
  }

  public Progress progress() {
    return new ConsoleProgress();
  }

  /**
   * The manifest of this command's work, which starts now: command line, every option in effect,
   * seed, versions and machine.
   *
   * @param hashes SHA-256 of what the command reads, by name
   * @param extended options that may differ when the work is resumed
   */
  public RunManifest manifest(Map<String, String> hashes, String... extended) {
    List<String> words = command.root().commandLine().getParseResult().originalArgs();
    Map<String, String> read = new LinkedHashMap<>(hashes);
    read.values().removeIf(String::isEmpty); // Of an archive's images, which are not listed.
    Map<String, Object> settings = settings();
    for (String option : extended) settings.remove(key(option));
    return Versions.manifest(
        words, settings, Map.of(command.name(), seed), read, device.equals("cpu") ? null : device);
  }

  /** Every option that a result may depend on, as given or by default. */
  private Map<String, Object> settings() {
    ParseResult parsed = command.commandLine().getParseResult();
    Map<String, Object> settings = new LinkedHashMap<>();
    for (PositionalParamSpec one : parsed.matchedPositionals()) {
      settings.put(key(one.paramLabel()), String.join(",", one.originalStringValues()));
    }
    for (OptionSpec one : command.options()) {
      String name = one.longestName();
      if (one.usageHelp() || NO_SETTINGS.contains(name)) continue;
      boolean given = parsed.hasMatchedOption(one);
      if (one.arity().max() == 0) {
        settings.put(key(name), given);
      } else if (given) {
        settings.put(key(name), value(String.join(",", one.originalStringValues())));
      } else if (one.defaultValue() != null) {
        settings.put(key(name), value(one.defaultValue()));
      }
    }
    return settings;
  }

  private static String key(String name) {
    return name.replaceFirst("^--", "").replace('-', '_').toLowerCase(Locale.ROOT);
  }

  private static Object value(String text) {
    if (text.matches("-?\\d{1,18}")) return Long.valueOf(text);
    return text.matches("-?\\d+\\.\\d+") ? Double.valueOf(text) : (Object) text;
  }

  /** Prints the result: as JSON, or as the given text. */
  public void print(Map<String, Object> result, String text) {
    command
        .commandLine()
        .getOut()
        .println(json ? JSON.writeValueAsString(result) : text.stripTrailing());
    command.commandLine().getOut().flush();
  }

  /** Reads {@code fp32} or {@code bf16}. */
  public static DType dtype(String option, String text) {
    return switch (text) {
      case "fp32" -> DType.F32;
      case "bf16" -> DType.BF16;
      default -> throw new InputException(option + " " + text, "not known", "Use fp32 or bf16");
    };
  }
}
