// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.cli.show.ConsoleProgress;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.run.Versions;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The options of every command, and how every command prints its result. */
public final class CommonOptions {
  /** Options that no result depends on; the seed is recorded apart. */
  private static final Set<String> NO_SETTINGS =
      Set.of(
          "--out",
          "--resume",
          "--json",
          "--seed",
          "--decode-threads",
          "--master",
          "--cluster-conf");

  @Spec(Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--json",
      description = "Print the result as one JSON object on stdout, all else on stderr.")
  private boolean json;

  @Option(names = "--seed", defaultValue = "1", description = "Seed of all random numbers.")
  private long seed;

  @Option(
      names = "--device",
      defaultValue = "cpu",
      paramLabel = "DEVICE",
      description = "cpu, cuda or cuda:N.")
  private String device;

  @Option(
      names = "--threads",
      description = "Threads of a tensor operation (default: all processors).")
  private @Nullable Integer threads;

  @Mixin private HelpOption help;

  public long seed() {
    return seed;
  }

  public Device device() {
    return Device.parse(device);
  }

  /** The command line as it was typed, without the program's name. */
  public List<String> commandLine() {
    return command.root().commandLine().getParseResult().originalArgs();
  }

  /** Wrong usage that concerns several options: the program exits with 2. */
  public ParameterException usage(String message) {
    return new ParameterException(command.commandLine(), message);
  }

  /** Applies the process-wide options. */
  public void apply() {
    if (threads == null) return;
    within("--threads", threads, 1, 4096);
    Engine.threads(threads);
  }

  /** Threads of a tensor operation, where the machine's own number says nothing. */
  public int givenThreads() {
    if (threads != null) return threads;
    throw usage(
        "How many threads has a block? Give --threads N with --master: results depend on it in"
            + " their last bits");
  }

  /** As {@link #apply}, for a command that computes on the CPU alone: it takes no other device. */
  public void applyOnCpu() {
    if (!device.equals("cpu")) {
      throw new InputException("--device " + device, "this command uses the CPU alone", "Omit it");
    }
    apply();
  }

  /** Refuses a number that is not from {@code low} to {@code high}. */
  public static void within(String option, long value, long low, long high) {
    if (value >= low && value <= high) return;
    String range = high == Long.MAX_VALUE ? "below " + low : "not from " + low + " to " + high;
    throw new InputException(option + " " + value, range, "Use another number");
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
    Map<String, String> read = new LinkedHashMap<>(hashes);
    read.values().removeIf(String::isEmpty); // Where no images were named.
    Map<String, Object> settings = settings();
    for (String option : extended) settings.remove(key(option));
    return Versions.manifest(
        commandLine(),
        settings,
        Map.of(command.name(), seed),
        read,
        device.equals("cpu") ? null : device);
  }

  /** Every option that a result may depend on, as given or by default. */
  private Map<String, Object> settings() {
    ParseResult parsed = command.commandLine().getParseResult();
    Map<String, Object> settings = new LinkedHashMap<>();
    for (PositionalParamSpec one : parsed.matchedPositionals()) {
      settings.put(key(one.paramLabel()), value(one));
    }
    for (OptionSpec one : command.options()) {
      String name = one.longestName();
      if (one.usageHelp() || NO_SETTINGS.contains(name)) continue;
      boolean given = parsed.hasMatchedOption(one);
      if (one.arity().max() == 0) {
        settings.put(key(name), given);
      } else if (given) {
        settings.put(key(name), value(one));
      } else if (one.defaultValue() != null) {
        settings.put(key(name), number(one.defaultValue()));
      }
    }
    return settings;
  }

  private static String key(String name) {
    return name.replaceFirst("^--", "").replace('-', '_').toLowerCase(Locale.ROOT);
  }

  /** Paths are absolute: a command may be resumed in another folder. */
  private static Object value(ArgSpec given) {
    if (given.getValue() instanceof Path path) return path.toAbsolutePath().normalize().toString();
    return number(String.join(",", given.originalStringValues()));
  }

  private static Object number(String text) {
    if (text.matches("-?\\d{1,18}")) return Long.valueOf(text);
    return text.matches("-?\\d+\\.\\d+") ? Double.valueOf(text) : (Object) text;
  }

  /**
   * Prints the result.
   *
   * @param result what {@code --json} prints: a record, or a map with keys in snake_case
   * @param text what is printed without it
   */
  public void print(Object result, String text) {
    PrintWriter out = command.commandLine().getOut();
    out.println(json ? JsonFile.indented(result) : text.stripTrailing());
    if (out.checkError()) {
      throw new InputException("stdout", "cannot be written", "Check the disk or the pipe");
    }
  }
}
