// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.lab.run.Counted;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code store verify}. */
@Command(
    name = "store",
    description = "Check an activation store of clipsteer harvest.",
    footer = {"", "Example: clipsteer store verify stores/photos"},
    subcommands = StoreCommand.VerifyCommand.class)
final class StoreCommand {
  @Mixin private HelpOption help;

  /** Compares a store's files of hook points with their checksums, and searches them for NaN. */
  static void check(ActivationStore store, Path path, List<String> hookPoints, Progress progress) {
    List<Path> damaged;
    try (var task =
        progress.start("verifying the store", store.bytes(hookPoints.size()), "bytes")) {
      damaged = store.verify(hookPoints, bytes -> task.advance(bytes, 0));
    }
    if (damaged.isEmpty()) {
      for (String point : hookPoints) checkFinite(store, path, point);
      return;
    }
    Path first = damaged.getFirst();
    int others = damaged.size() - 1;
    throw new InputException(
        first,
        "is damaged: its checksum differs from the harvest's"
            + (others > 0 ? " (so do " + Counted.of(others, "other file") + ")" : ""),
        "clipsteer harvest --out " + path + " --resume writes the damaged files again");
  }

  private static void checkFinite(ActivationStore store, Path path, String point) {
    long token = store.firstNotFinite(store.hookPoint(point));
    if (token < 0) return;
    throw new InputException(
        path,
        "the activations of " + store.image(token) + " at " + point + " hold NaN",
        "The model computed them: check it with clipsteer model inspect, then harvest again");
  }

  /** Whether a store is whole. */
  @Command(
      name = "verify",
      description = "Read every file of a store, compare it with its checksum and search for NaN.",
      footer = {"", "Example: clipsteer store verify stores/photos --json"})
  static final class VerifyCommand implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Parameters(paramLabel = "STORE", description = "The --out of clipsteer harvest.")
    private Path path;

    /** What {@code --json} prints. */
    private record Json(
        long images,
        long tokens,
        List<String> hookPoints,
        String dtype,
        long bytes,
        String store) {}

    @Override
    public Integer call() {
      common.apply();
      try (ActivationStore store = ActivationStore.open(path)) {
        List<String> points = store.format().hookPoints();
        check(store, path, points, common.progress());
        common.print(
            new Json(
                store.images(),
                store.tokens(),
                points,
                store.format().dtype(),
                store.bytes(points.size()),
                path.toString()),
            String.format(
                Locale.ROOT,
                "%s: whole; %s, %s of each of %s, %s, %.1f MB",
                path,
                Counted.of(store.images(), "image"),
                Counted.of(store.tokens(), "token"),
                Counted.of(points.size(), "hook point"),
                store.format().dtype(),
                store.bytes(points.size()) * 1e-6));
      }
      return 0;
    }
  }
}
