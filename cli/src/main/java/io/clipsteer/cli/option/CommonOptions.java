// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.cli.show.ConsoleProgress;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Engine;
import java.io.PrintWriter;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** The options of every command, and how every command prints its result. */
public final class CommonOptions {
  @Spec(Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--json",
      description = "Print the result as one JSON object on stdout, all else on stderr.")
  private boolean json;

  @Option(
      names = "--seed",
      defaultValue = "1",
      paramLabel = "N",
      description = "Seed of all random numbers (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--device",
      defaultValue = "cpu",
      paramLabel = "DEVICE",
      description = "cpu, cuda or cuda:N (default: ${DEFAULT-VALUE}).")
  private String device;

  @Option(
      names = "--threads",
      paramLabel = "N",
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

  /** The same for a command that computes on the CPU alone: it takes no other device. */
  public void applyOnCpu() {
    if (!device.equals("cpu")) {
      throw new InputException("--device " + device, "this command uses the CPU alone", "Omit it");
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
   * Prints the result.
   *
   * @param result what {@code --json} prints: a record, or a map with keys in snake_case
   * @param text what is printed without it
   */
  public void print(Object result, String text) {
    PrintWriter out = command.commandLine().getOut();
    out.println(json ? JsonFile.indented(result) : text.stripTrailing());
    out.flush();
  }
}
