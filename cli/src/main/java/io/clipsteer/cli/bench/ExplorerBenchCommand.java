// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.bench;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ExplorerOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.explorer.ExploredRun;
import io.clipsteer.explorer.Explorer;
import io.clipsteer.explorer.ExplorerBench;
import io.clipsteer.lab.run.Counted;
import java.lang.management.ManagementFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code bench explorer}: requests of the page. */
@Command(
    name = "explorer",
    description = {
      "Time what the explorer's page asks for, on an indexed run: opening an image, text search,"
          + " a selection of patches, a slider's answers and maps."
    },
    footer = "Example: clipsteer bench explorer --run runs/all --images photos --json")
final class ExplorerBenchCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private ExplorerOptions explored;

  @Option(names = "--repeats", defaultValue = "50", description = "Requests of each kind.")
  private int repeats;

  @Override
  public void run() {
    common.applyOnCpu();
    CommonOptions.within("--repeats", repeats, 1, 100_000);
    var settings = explored.settings(images, common.device(), "127.0.0.1", 0, true, next -> {});
    try (Explorer explorer = Explorer.start(settings, ExplorerBenchCommand::unindexed)) {
      double ready = ManagementFactory.getRuntimeMXBean().getUptime() / 1000.0;
      var times = ExplorerBench.run(explorer, ready, repeats, common.seed());
      String text =
          Lines.of(
              "ready after %.1f s; %s, %s; a selection has up to %d bytes; peak memory %.2f GB%n",
              times.readySeconds(),
              Counted.of(times.features(), "feature"),
              Counted.of(times.images(), "image"),
              times.payloadBytes(),
              times.peakBytes() / 1e9);
      common.print(times, text + ExplorerBench.text(times));
    }
  }

  private static void unindexed(ExploredRun run, Progress progress) {
    throw new InputException(
        run.folder().path(), "is not indexed", "Index it with clipsteer index");
  }
}
