// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.Counted;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code cluster plan}. */
@Command(
    name = "plan",
    description = {
      "Say what a command will cost on a cluster before it runs: tasks, bytes, operations, memory,"
          + " minutes.",
      "Write the command behind plan's own options. Rates are measured here, on one batch, with the"
          + " command's --threads: let nothing else run meanwhile. Nothing is left on disk."
    },
    footer =
        "Example: clipsteer cluster plan --executors 100 harvest --model models/clip --images"
            + " photos --layers 0-11 --threads 4 --out stores/clip")
final class ClusterPlanCommand implements Runnable {
  @Mixin private CommonOptions common;

  @Option(
      names = "--executors",
      defaultValue = "2",
      paramLabel = "N",
      description = "Tasks at once, each on --threads processors of this machine's kind.")
  private int executors;

  @Parameters(arity = "1..*", paramLabel = "COMMAND", description = "A command with its options.")
  private List<String> words;

  /** What {@code --json} prints. */
  private record Json(
      String command, int threads, int executors, double seconds, @JsonUnwrapped WorkPlan plan) {}

  @Override
  public void run() {
    CommonOptions.within("--executors", executors, 1, 1_000_000);
    if (!(ClusterCommands.parsed(words) instanceof PlannedCommand command)) {
      throw new InputException(
          words.getFirst(),
          "has no plan",
          "Plan harvest, train, evaluate, index, steerability, suppress or defend");
    }
    WorkPlan plan = command.plan();
    String line = String.join(" ", words);
    var json = new Json(line, Engine.threads(), executors, plan.seconds(executors), plan);
    common.print(json, text(json));
  }

  private String text(Json json) {
    Lines text = new Lines();
    text.add(
        "%-28s %8s %10s %10s %9s %12s %12s%n",
        "stage", "tasks", "GB read", "GB written", "TFLOP", "1 executor", executors + " executors");
    for (WorkPlan.PlannedStage stage : json.plan.stages()) {
      Double written = stage.writtenBytes();
      text.add(
          "%-28s %8s %10.2f %10s %9.1f %12s %12s%n",
          stage.name(),
          stage.cluster() ? stage.tasks() : "driver",
          stage.readBytes() * 1e-9,
          Lines.orDash("%.2f", written == null ? null : written * 1e-9),
          stage.flops() * 1e-12,
          Lines.duration(stage.seconds(1)),
          Lines.duration(stage.seconds(executors)));
    }
    text.add(
        "%s in all with %s of %s, and 10 to 20 s for Spark's start; %s with one%n",
        Lines.duration(json.seconds),
        Counted.of(executors, "executor"),
        Counted.of(json.threads, "thread"),
        Lines.duration(json.plan.seconds(1)));
    text.add(
        "memory of an executor: %.1f GiB beside Java's own%n",
        json.plan.memoryBytes() / (double) (1L << 30));
    for (String note : json.plan.notes()) text.add("%s%n", note);
    return text.toString();
  }
}
