// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.lab.run.Counted;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code store verify}. */
@Command(
    name = "store",
    description = "Check an activation store of clipsteer harvest.",
    footer = "Example: clipsteer store verify stores/photos")
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

  /** What {@code verify --json} prints. */
  private record Json(
      long images, long tokens, List<String> hookPoints, String dtype, long bytes, String store) {}

  /** Whether a store is whole. */
  @Command(
      name = "verify",
      description = "Read every file of a store, compare it with its checksum and search for NaN.",
      footer = "Example: clipsteer store verify stores/photos --json")
  void verify(
      @Mixin CommonOptions common,
      @Parameters(paramLabel = "STORE", description = "The --out of clipsteer harvest.")
          Path path) {
    common.apply();
    try (ActivationStore store = ActivationStore.open(path)) {
      List<String> points = store.format().hookPoints();
      check(store, path, points, common.progress());
      String dtype = store.format().dtype();
      long bytes = store.bytes(points.size());
      common.print(
          new Json(store.images(), store.tokens(), points, dtype, bytes, path.toString()),
          Lines.of(
              "%s: whole; %s, %s of each of %s, %s, %.1f MB",
              path,
              Counted.of(store.images(), "image"),
              Counted.of(store.tokens(), "token"),
              Counted.of(points.size(), "hook point"),
              dtype,
              bytes * 1e-6));
    }
  }
}
