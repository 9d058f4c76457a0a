// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.cli.show.ConsoleProgress;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Engine;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/** What every command understands. */
public final class CommonOptions {
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

  /** Prints the result, a record or map: as JSON, or as the given text. */
  public void print(Object result, String text) {
    command.commandLine().getOut().println(json ? JsonFile.indented(result) : text.stripTrailing());
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
