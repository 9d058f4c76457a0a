// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.show.DemoResult;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;

/** The main job on the demo world: the program's own commands, one after the other. */
@Command(
    name = "demo",
    description = {
      "The whole job on the demo world, whose images are drawn and whose CLIP comes with the"
          + " program: trains SAEs on several layers, evaluates and indexes them, measures"
          + " steerability, and suppresses the three shortcuts this CLIP relies on (hair colour,"
          + " background, written words). The result is one page, OUT/report.html.",
      "Each stage is a command that you can type yourself; it is shown before it runs."
    },
    footer = "Example: clipsteer demo --out runs/demo --explore")
final class DemoCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "New folder for everything (default: a temporary one).")
  private @Nullable Path out;

  @Option(
      names = "--quick",
      description = "Everything small: shows in a minute that it works, its figures are rough.")
  private boolean quick;

  @Option(
      names = "--resume",
      description = "Resume in --out with the first stage that is not finished.")
  private boolean resume;

  @Option(
      names = "--explore",
      description = "When the demo is done, open the explorer on its run; Ctrl-C stops it.")
  private boolean explore;

  @Override
  public Integer call() {
    common.applyOnCpu();
    Path folder = folder();
    RunManifest manifest = common.manifest(Map.of());
    int code;
    try (WorkFolder work = WorkFolder.open(folder, CommandStage.LAYOUT, resume, manifest)) {
      code = run(folder);
      if (code == 0) work.finish();
    }
    return code == 0 && explore ? explore(folder) : code;
  }

  /** The address goes to stderr: stdout has the demo's result. */
  private static int explore(Path folder) {
    Path images = folder.resolve("images/mixed");
    List<String> words = new ArrayList<>();
    words.addAll(List.of("explore", "--run", folder.resolve("run").toString()));
    words.addAll(List.of("--images", images.toString()));
    words.addAll(List.of("--labels", images.resolve("factors.jsonl").toString()));
    words.addAll(List.of("--probe", folder.resolve("probes/scenes").toString()));
    words.addAll(List.of("--steerability", folder.resolve("steerability").toString()));
    return Main.execute(new PrintWriter(System.err, true), words.toArray(String[]::new));
  }

  private int run(Path folder) {
    List<CommandStage> stages = DemoStage.all(folder, common.seed(), quick);
    Map<String, JsonNode> results = new LinkedHashMap<>();
    double seconds = 0;
    long peak = 0;
    for (CommandStage stage : stages) {
      Path file = stage.file(folder);
      if (!Files.exists(file)) {
        System.err.println(
            "["
                + (results.size() + 1)
                + "/"
                + stages.size()
                + "] clipsteer "
                + String.join(" ", stage.words()));
        int code = stage.run(file);
        if (code != 0) {
          if (!results.isEmpty()) {
            System.err.println(
                "clipsteer: to resume: clipsteer demo --out " + folder + " --resume");
          }
          return code;
        }
      }
      CommandStage.StageResult finished = stage.finished(file);
      results.put(stage.name(), finished.result());
      seconds += finished.seconds();
      peak = Math.max(peak, finished.peakBytes());
    }
    DemoResult result = DemoResult.of(folder, quick, results, seconds, peak);
    common.print(result, result.text());
    return 0;
  }

  private Path folder() {
    if (out != null) return out;
    if (resume) {
      throw new InputException("--resume", "there is no folder to resume in", "Name it with --out");
    }
    try {
      return Files.createTempDirectory("clipsteer-demo-");
    } catch (IOException e) {
      throw new InputException("--out", "no temporary folder: " + Reasons.of(e), "Name one", e);
    }
  }
}
