// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.Engine;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A stage of a long job: one of the program's own commands, run in this process.
 *
 * @param name of its file in the job's {@code stages} folder
 * @param words the command line, without the program
 */
record CommandStage(String name, List<String> words) {
  private static final String STAGES = "stages";

  /** Of a job's folder: a finished job prints its results again. */
  static final WorkFolder.FolderLayout LAYOUT = new WorkFolder.FolderLayout(null, List.of(STAGES));

  /** Commands that resume their own folder. */
  private static final Set<String> RESUMED =
      Set.of("harvest", "train", "steerability", "suppress", "study");

  /**
   * A finished stage.
   *
   * @param command its command line
   * @param result what the command printed
   */
  record StageResult(List<String> command, double seconds, long peakBytes, JsonNode result) {}

  CommandStage {
    words = List.copyOf(words);
  }

  /** Where it notes in a job's folder that it is finished, and what it printed. */
  Path file(Path folder) {
    return folder.resolve(STAGES).resolve(name + ".json");
  }

  /**
   * Runs it, or resumes it where it was stopped.
   *
   * @param file where it notes what it printed
   * @return its exit code
   */
  int run(Path file) {
    List<String> run = new ArrayList<>(line());
    Path made = makes();
    if (made != null) {
      boolean resumed = RESUMED.contains(words.getFirst()) && WorkFolder.isStopped(made);
      if (resumed) run.add("--resume");
      else Folders.delete(made); // What a stopped command left in the job's folder.
    }
    StringWriter printed = new StringWriter();
    long start = System.nanoTime();
    int code = Main.execute(new PrintWriter(printed, true), run.toArray(String[]::new));
    if (code != 0) return code;
    double seconds = (System.nanoTime() - start) * 1e-9;
    JsonNode result = JsonFile.MAPPER.readTree(printed.toString());
    AtomicFiles.writeJson(file, new StageResult(line(), seconds, Engine.peakBytes(), result));
    return 0;
  }

  /** What a finished stage noted. */
  StageResult finished(Path file) {
    String remedy = "Delete it, and its stage is done again";
    StageResult finished = JsonFile.read(file, StageResult.class, remedy);
    if (finished.command().equals(line())) return finished;
    throw new InputException(file, "its stage was another command", remedy);
  }

  private List<String> line() {
    return Stream.concat(words.stream(), Stream.of("--json")).toList();
  }

  /** What {@code --out} names; null where it names nothing. */
  @Nullable Path out() {
    int at = words.indexOf("--out");
    return at < 0 ? null : Path.of(words.get(at + 1));
  }

  /** The folder that the command makes; null where it makes none. */
  private @Nullable Path makes() {
    return words.getFirst().equals("report") ? null : out();
  }
}
