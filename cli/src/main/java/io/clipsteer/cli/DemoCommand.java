// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.AtomicFiles;
import io.clipsteer.data.FolderLock;
import io.clipsteer.data.InputException;
import io.clipsteer.data.NewFolder;
import io.clipsteer.data.Reasons;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.Versions;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The main job on the demo world: the program's own commands, one after the other. */
@Command(
    name = "demo",
    description = {
      "The whole job on the demo world, whose pictures are drawn and whose CLIP comes with the"
          + " program: SAEs on several layers, how well they reconstruct, what their features"
          + " are, how far they steer, and the three things this CLIP wrongly leans on taken away"
          + " (hair colour, background, written words). Ends with one page, OUT/report.html.",
      "Each stage is a command that you can type yourself; it is shown before it runs."
    },
    footer = {"", "Example: clipsteer demo --out runs/demo"})
final class DemoCommand implements Callable<Integer> {
  private static final String FILE = "demo.json";

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
      description = "Go on in --out with the first stage that is not finished.")
  private boolean resume;

  /** A finished stage. */
  private record Done(String name, double seconds, long peakBytes, JsonNode result) {}

  @Override
  public Integer call() {
    common.applyOnCpu();
    Path folder = folder();
    try (FolderLock lock = FolderLock.take(folder)) {
      return run(folder);
    }
  }

  private int run(Path folder) {
    List<DemoStage> stages =
        DemoStage.all(folder, common.seed(), quick ? DemoStage.Size.QUICK : DemoStage.Size.WHOLE);
    Map<String, Done> done = new LinkedHashMap<>();
    for (DemoStage stage : stages) {
      Path file = folder.resolve("stages").resolve(stage.name() + ".json");
      if (!Files.exists(file)) {
        System.err.println(
            "["
                + (done.size() + 1)
                + "/"
                + stages.size()
                + "] clipsteer "
                + String.join(" ", stage.words()));
        int code = run(stage, file);
        if (code != 0) {
          System.err.println("clipsteer: to go on: clipsteer demo --out " + folder + " --resume");
          return code;
        }
      }
      done.put(stage.name(), read(stage, file));
    }
    DemoResult result = new DemoResult(folder, quick, results(done), seconds(done), peak(done));
    common.print(result.json(), result.text());
    return 0;
  }

  // ---- stages ----------------------------------------------------------------------------------

  /** Runs a stage from its beginning and notes what it printed. */
  private int run(DemoStage stage, Path file) {
    if (stage.makes() != null) delete(stage.makes());
    List<String> words = new ArrayList<>(stage.words());
    words.add("--json");
    StringWriter printed = new StringWriter();
    long start = System.nanoTime();
    int code = Main.execute(new PrintWriter(printed, true), words.toArray(String[]::new));
    if (code != 0) return code;
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("command", words);
    json.put("seconds", (System.nanoTime() - start) * 1e-9);
    json.put("peak_bytes", Engine.peakBytes());
    json.put("result", JsonMapper.shared().readTree(printed.toString()));
    AtomicFiles.writeJson(file, json);
    return 0;
  }

  private static Done read(DemoStage stage, Path file) {
    try {
      JsonNode json = JsonMapper.shared().readTree(Files.readAllBytes(file));
      List<String> wanted = new ArrayList<>(stage.words());
      wanted.add("--json");
      if (!json.path("command").equals(JsonMapper.shared().valueToTree(wanted))) {
        throw new InputException(
            file,
            "its stage was another command when this demo was begun",
            "Delete it, and its stage is done again, or begin a new demo");
      }
      return new Done(
          stage.name(),
          json.path("seconds").asDouble(0),
          json.path("peak_bytes").asLong(0),
          json.path("result"));
    } catch (JacksonException | IOException e) {
      throw new InputException(file, "cannot be read", "Delete it, and its stage is done again", e);
    }
  }

  /** What an unfinished stage left; it is in the demo's own folder. */
  private static void delete(Path made) {
    if (!Files.exists(made)) return;
    try (Stream<Path> all = Files.walk(made)) {
      for (Path path : all.sorted((a, b) -> b.compareTo(a)).toList()) Files.delete(path);
    } catch (IOException e) {
      throw new InputException(made, "cannot be deleted: " + Reasons.of(e), "Delete it", e);
    }
  }

  private static Map<String, JsonNode> results(Map<String, Done> done) {
    Map<String, JsonNode> results = new LinkedHashMap<>();
    done.forEach((name, stage) -> results.put(name, stage.result));
    return results;
  }

  private static double seconds(Map<String, Done> done) {
    return done.values().stream().mapToDouble(Done::seconds).sum();
  }

  private static long peak(Map<String, Done> done) {
    return done.values().stream().mapToLong(Done::peakBytes).max().orElse(0);
  }

  // ---- the folder ------------------------------------------------------------------------------

  /** What all stages depend on. */
  private Map<String, Object> settings() {
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("clipsteer", Versions.CLIPSTEER);
    settings.put("seed", common.seed());
    settings.put("quick", quick);
    return settings;
  }

  private Path folder() {
    if (out == null) {
      if (resume) {
        throw new InputException(
            "--resume", "there is nothing to go on with", "Name it with --out");
      }
      try {
        return begun(Files.createTempDirectory("clipsteer-demo-"));
      } catch (IOException e) {
        throw new InputException("--out", "no temporary folder: " + Reasons.of(e), "Name one", e);
      }
    }
    if (!resume) {
      NewFolder.require(out);
      return begun(out);
    }
    Path file = out.resolve(FILE);
    try {
      JsonNode begun = JsonMapper.shared().readTree(Files.readAllBytes(file));
      String wanted = JsonMapper.shared().writeValueAsString(settings());
      if (!begun.toString().equals(wanted)) {
        throw new InputException(
            file, "was begun with other settings: " + begun, "Go on with the same ones");
      }
    } catch (JacksonException | IOException e) {
      throw new InputException(out, "holds no demo to go on with", "Leave --resume out", e);
    }
    return out;
  }

  private Path begun(Path folder) {
    AtomicFiles.writeJson(folder.resolve(FILE), settings());
    return folder;
  }
}
