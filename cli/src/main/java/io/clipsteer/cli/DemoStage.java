// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.suppress.PrefixSettings;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A stage of the demo: one of the program's own commands.
 *
 * @param name of its file in the demo's {@code stages} folder
 * @param words the command line, without the program
 */
record DemoStage(String name, List<String> words) {
  /** Name and command of each stage; words in capitals stand for what {@link #all} puts there. */
  private static final String SCRIPT =
      """
      model         world model --out OUT/model
      world         world evaluate --model OUT/model --count KNOWN --seed SEED
      draw-1        world generate --set mixed --split train --count TRAINING --seed SEED --out OUT/images/mixed-train
      draw-2        world generate --set mixed --split validation --count INDEXED --seed SEED --out OUT/images/mixed
      draw-3        world generate --set objects --split test --count THINGS --seed SEED --out OUT/images/objects
      draw-4        world generate --set portraits --split train --count GROUPS --seed SEED --out OUT/images/portraits-train
      draw-5        world generate --set portraits --split validation --count CHOOSING --seed SEED --out OUT/images/portraits-validation
      draw-6        world generate --set portraits --split test --count GROUPS --seed SEED --out OUT/images/portraits
      draw-7        world generate --set birds --split train --count GROUPS --seed SEED --out OUT/images/birds-train
      draw-8        world generate --set birds --split validation --count CHOOSING --seed SEED --out OUT/images/birds-validation
      draw-9        world generate --set birds --split test --count GROUPS --seed SEED --out OUT/images/birds
      draw-10       world generate --set typographic --split train --count WRITTEN --seed SEED --out OUT/images/typographic-train
      draw-11       world generate --set typographic --split validation --count WRITTEN --seed SEED --out OUT/images/typographic-validation
      draw-12       world generate --set typographic --split test --count ATTACKED --seed SEED --out OUT/images/typographic
      train         train --model OUT/model --images OUT/images/mixed-train --layers LAYERS --sae batchtopk:k=16 --expansion 8 --lr 2e-3 --train-tokens TOKENS --seed SEED --out OUT/run
      evaluate      evaluate --run OUT/run --image-batch 128 --images OUT/images/objects --limit KNOWN
      index         index --run OUT/run --image-batch 128 --images OUT/images/mixed --labels OUT/images/mixed/factors.jsonl --vocabulary OUT/model/words.txt
      steerability  steerability --run OUT/run --images OUT/images/mixed --limit STEERED --vocabulary OUT/model/words.txt --screen --dose DOSE --seed SEED --out OUT/steerability
      portraits     suppress --run OUT/run --image-batch 128 --data celeba:OUT/images/portraits --train celeba:OUT/images/portraits-train --validation celeba:OUT/images/portraits-validation --layers TRIED --select SELECT --edit mean --draws DRAWS --seed SEED --out OUT/edits/portraits
      birds         suppress --run OUT/run --image-batch 128 --data waterbirds:OUT/images/birds --train waterbirds:OUT/images/birds-train --validation waterbirds:OUT/images/birds-validation --layers TRIED --select SELECT --edit mean --draws DRAWS --seed SEED --out OUT/edits/birds
      typographic   suppress --run OUT/run --image-batch 128 --data typographic:OUT/images/typographic --train typographic:OUT/images/typographic-train --validation typographic:OUT/images/typographic-validation --clean OUT/images/objects --layers READ --at patches --select energy --edit cap:0.1 --max-clean-loss 0.5 --draws DRAWS --defense-prefix PREFIXED --seed SEED --out OUT/edits/typographic
      report        report --run OUT/run --steerability OUT/steerability --edit OUT/edits/portraits --edit OUT/edits/birds --edit OUT/edits/typographic --seed SEED --out OUT/report.html
      """;

  private static final String STAGES = "stages";

  /** Of a demo: a finished one prints its results again. */
  static final WorkFolder.FolderLayout LAYOUT = new WorkFolder.FolderLayout(null, List.of(STAGES));

  /**
   * A finished stage.
   *
   * @param command its command line
   * @param result what the command printed
   */
  record StageResult(List<String> command, double seconds, long peakBytes, JsonNode result) {}

  /** Commands that resume their own folder. */
  private static final Set<String> RESUMED = Set.of("train", "steerability", "suppress");

  DemoStage {
    words = List.copyOf(words);
  }

  /**
   * How large the demo is.
   *
   * @param training images that the SAEs learn from
   * @param tokens that they are shown
   * @param indexed images that features are known by
   * @param groups images of portraits, and of birds, to rank on and to report on; the four groups
   *     together
   * @param choosing the same to choose on
   * @param things images without writing: a quarter to rank on, a quarter to choose on, half to
   *     report on; as many again with writing
   * @param steered images of steerability
   * @param dose features of each SAE evaluated at several strengths
   * @param known images of each set when the model is evaluated, and of things when the SAEs are
   * @param layers with SAEs
   * @param tried of these, where suppression looks
   * @param read of these, where it looks for written words: before the class token has read them
   * @param select how it ranks features of portraits and birds
   * @param draws random features and directions that it is compared with; fewer than six could not
   *     show that they help, if they did
   * @param prefixed steps in which Defense-Prefix is learnt
   */
  record Size(
      int training,
      int tokens,
      int indexed,
      int groups,
      int choosing,
      int things,
      int steered,
      int dose,
      int known,
      String layers,
      String tried,
      String read,
      String select,
      int draws,
      int prefixed) {
    static final Size WHOLE =
        new Size(
            6000,
            1_000_000,
            2000,
            4000,
            1200,
            4000,
            32,
            10,
            500,
            "2-7",
            "3-6",
            "2-4",
            "causal",
            6,
            PrefixSettings.STEPS);

    /** A minute's worth: that everything runs, not what comes out. */
    static final Size QUICK =
        new Size(
            600, 60_000, 300, 240, 240, 320, 4, 0, 20, "5,7", "5", "5", "mean-difference", 2, 50);
  }

  /** All stages, in their order. */
  static List<DemoStage> all(Path out, long seed, Size size) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("OUT", out);
    values.put("SEED", seed);
    values.put("TRAINING", size.training);
    values.put("TOKENS", size.tokens);
    values.put("INDEXED", size.indexed);
    values.put("GROUPS", size.groups);
    values.put("CHOOSING", size.choosing);
    values.put("THINGS", size.things);
    values.put("STEERED", size.steered);
    values.put("DOSE", size.dose);
    values.put("KNOWN", size.known);
    values.put("LAYERS", size.layers);
    values.put("SELECT", size.select);
    values.put("TRIED", size.tried);
    values.put("READ", size.read);
    values.put("DRAWS", size.draws);
    values.put("PREFIXED", size.prefixed);
    values.put("WRITTEN", size.things / 4);
    values.put("ATTACKED", size.things / 2);
    return SCRIPT.lines().map(line -> of(line.strip().split(" +"), values)).toList();
  }

  private static DemoStage of(String[] line, Map<String, Object> values) {
    List<String> words = Arrays.stream(line).skip(1).map(word -> filled(word, values)).toList();
    return new DemoStage(line[0], words);
  }

  private static String filled(String word, Map<String, Object> values) {
    for (Map.Entry<String, Object> value : values.entrySet()) {
      String name = value.getKey();
      if (word.equals(name)) return value.getValue().toString();
      int at = word.startsWith(name + "/") ? 0 : word.indexOf(":" + name + "/") + 1;
      if (at > 0 || word.startsWith(name + "/")) {
        return word.substring(0, at) + value.getValue() + word.substring(at + name.length());
      }
    }
    return word;
  }

  /** Where it notes in a demo's folder that it is finished, and what it printed. */
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
      else Folders.delete(made); // What a stopped command left in the demo's folder.
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

  /** The folder that the command makes; null where it makes none. */
  private @Nullable Path makes() {
    if (words.getFirst().equals("report")) return null;
    int at = words.indexOf("--out");
    return at < 0 ? null : Path.of(words.get(at + 1));
  }
}
