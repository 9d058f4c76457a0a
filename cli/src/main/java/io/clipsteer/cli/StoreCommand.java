// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.lab.run.Counted;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code store verify}. */
@Command(
    name = "store",
    description = "Activation stores that harvest wrote.",
    footer = {"", "Example: clipsteer store verify stores/photos"},
    subcommands = StoreCommand.VerifyCommand.class)
final class StoreCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Mixin private HelpOption help;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "Name what to do: verify.");
  }

  /** Holds a store's files of hook points against their checksums, and looks for NaN. */
  static void check(ActivationStore store, Path path, List<String> hookPoints, Progress progress) {
    List<Path> damaged;
    try (var task = progress.start("checking the store", store.bytes(hookPoints.size()), "bytes")) {
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
        "is not what was harvested: its checksum differs"
            + (others > 0 ? " (so do " + Counted.of(others, "other file") + ")" : ""),
        "harvest with --resume makes such files of " + path + " again");
  }

  private static void checkFinite(ActivationStore store, Path path, String point) {
    long token = store.firstNotFinite(store.hookPoint(point));
    if (token < 0) return;
    throw new InputException(
        path,
        "the activations of " + store.origin(token).image() + " at " + point + " hold NaN",
        "The model gave them: load it again to see which tensor, and harvest anew");
  }

  /** Whether a store is whole. */
  @Command(
      name = "verify",
      description = "Reads every file of a store, compares it with its checksum and looks for NaN.",
      footer = {"", "Example: clipsteer store verify stores/photos --json"})
  static final class VerifyCommand implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Parameters(paramLabel = "STORE", description = "A folder that harvest wrote.")
    private Path path;

    @Override
    public Integer call() {
      common.apply();
      try (ActivationStore store = ActivationStore.open(path)) {
        List<String> points = store.format().hookPoints();
        check(store, path, points, common.progress());
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("images", store.images());
        json.put("tokens", store.tokens());
        json.put("hook_points", points);
        json.put("dtype", store.format().dtype());
        json.put("bytes", store.bytes(points.size()));
        json.put("store", path.toString());
        common.print(
            json,
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
