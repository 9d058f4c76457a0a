// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.stats.Share;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.pretrain.AdamW;
import io.clipsteer.engine.pretrain.ClipPretrainer;
import io.clipsteer.engine.pretrain.ClipShape;
import io.clipsteer.lab.run.Versions;
import io.clipsteer.world.Biases;
import io.clipsteer.world.Sampler;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.core.type.TypeReference;

/**
 * Trains a CLIP on the world's endless stream. The folder holds {@code model/} (an ordinary Hugging
 * Face checkpoint in fp16), {@code log.csv}, {@code state.safetensors} (to resume from) and {@code
 * manifest.json}. Stopped at any instant and resumed, it ends with the same bytes.
 */
public final class Pretraining {
  private static final int TOKENIZER_CAPTIONS = 40_000;
  private static final int LOGGED = 200;
  private static final int LOG_EVERY = 20;
  private static final String STATE = "state.safetensors";
  private static final String LOG = "log.csv";
  private static final WorkFolder.FolderLayout LAYOUT =
      new WorkFolder.FolderLayout(null, List.of(STATE));

  /**
   * What came out.
   *
   * @param model the checkpoint's folder
   * @param trained updates of this process: fewer than {@code steps} where it was resumed
   * @param evaluation of the finished model
   * @param seconds of this process alone
   */
  public record Pretrained(
      Path model,
      int steps,
      int trained,
      long parameters,
      Map<String, Share> evaluation,
      double seconds) {}

  private final PretrainConfig config;
  private final Path out;
  private final List<String> command;
  private final Progress progress;
  private final Path model;

  private Pretraining(PretrainConfig config, Path out, List<String> command, Progress progress) {
    this.config = config;
    this.out = out;
    this.command = command;
    this.progress = progress;
    this.model = out.resolve("model");
  }

  /**
   * Trains.
   *
   * @param out absent or empty; with {@code resume} a stopped pretraining's folder
   */
  public static Pretrained run(
      PretrainConfig config, Path out, boolean resume, List<String> command, Progress progress) {
    var pretraining = new Pretraining(config, out, command, progress);
    RunManifest manifest =
        Versions.manifest(
            command, pretraining.settings(), Map.of("pretrain", config.seed()), Map.of(), null);
    try (WorkFolder folder = WorkFolder.open(out, LAYOUT, resume, manifest)) {
      return pretraining.run(folder);
    }
  }

  private Pretrained run(WorkFolder folder) {
    long start = System.nanoTime();
    // Stopped before there was a state, it starts anew.
    boolean resumed = Files.isRegularFile(out.resolve(STATE));
    boolean ended = RunManifest.read(out).ended() != null;
    int vocabulary =
        Tokenizer.train(model, captionWords(config.seed(), TOKENIZER_CAPTIONS), config.context());
    ClipShape shape = shape(vocabulary);
    AdamW clip = AdamW.CLIP;
    AdamW settings =
        new AdamW(clip.beta1(), clip.beta2(), clip.eps(), config.weightDecay(), clip.clip());
    DType dtype = config.dtype().equals("bf16") ? DType.BF16 : DType.F32;
    Map<String, Share> evaluation;
    long parameters;
    int before;
    try (ClipPretrainer trainer = new ClipPretrainer(shape, settings, dtype, config.seed());
        Tokenizer tokenizer = Tokenizer.find(model, config.context())) {
      if (tokenizer == null) throw new IllegalStateException("the tokenizer was not written");
      parameters = trainer.parameterCount();
      StringBuilder log = new StringBuilder(header());
      if (resumed) log = resumed(trainer);
      else save(trainer, log); // from here on a stopped run can be resumed
      before = trainer.steps();
      loop(trainer, tokenizer, shape, log);
      trainer.export(model, DType.F16);
      evaluation = evaluate();
    }
    // A finished one's manifest stays as it is.
    if (!ended) {
      folder.finish(
          Map.of(
              "model", Hashes.sha256(model.resolve("model.safetensors")),
              "tokenizer", Hashes.sha256(model.resolve("tokenizer.json")),
              "log", Hashes.sha256(out.resolve(LOG))));
    }
    return new Pretrained(
        model,
        config.steps(),
        config.steps() - before,
        parameters,
        evaluation,
        (System.nanoTime() - start) * 1e-9);
  }

  private ClipShape shape(int vocabulary) {
    return new ClipShape(
        config.imageSize(),
        config.patch(),
        config.visionWidth(),
        config.visionLayers(),
        config.visionHeads(),
        config.textWidth(),
        config.textLayers(),
        config.textHeads(),
        config.context(),
        vocabulary,
        config.embedDim());
  }

  /**
   * Every word of captions of both kinds of stream, so that a control has the same tokens, and how
   * often it occurs.
   *
   * @param captions how many are read
   */
  public static Map<String, Long> captionWords(long seed, int captions) {
    Map<String, Long> counts = new HashMap<>();
    Sampler sampler = new Sampler(Sampler.seedOf(seed, "tokenizer"), Biases.NONE);
    for (int i = 0; i < captions; i++) {
      for (String caption : sampler.mixed(i).captions(1, Biases.NONE)) {
        for (String word : caption.split(" ")) counts.merge(word, 1L, Long::sum);
      }
    }
    return counts;
  }

  private void loop(
      ClipPretrainer trainer, Tokenizer tokenizer, ClipShape shape, StringBuilder log) {
    try (PairStream stream = new PairStream(config, tokenizer, trainer.steps());
        var task = progress.start("pretraining", config.steps(), "steps")) {
      task.resumed(trainer.steps());
      while (trainer.steps() < config.steps()) {
        double rate = config.rate(trainer.steps());
        PairStream.Pairs pairs = stream.next();
        ClipPretrainer.PretrainStep step;
        try (Scope scope = Scope.open()) {
          int size = config.imageSize();
          Tensor pixels = Tensor.of(pairs.pixels(), config.batch(), 3, size, size);
          step = trainer.step(pixels, pairs.ids(), rate);
        }
        int done = trainer.steps();
        task.advance(1, shape.flopsPerPair(config.context() / 2) * config.batch());
        boolean evaluates = done % config.evaluateEvery() == 0 && done < config.steps();
        if (done <= LOGGED || done % LOG_EVERY == 0 || evaluates) {
          log.append(
              String.format(
                  Locale.ROOT,
                  "%d,%.6f,%.4f,%.3f,%.3e,",
                  done,
                  step.loss(),
                  step.gradientNorm(),
                  step.logitScale(),
                  rate));
          if (evaluates) {
            trainer.export(model, DType.F16);
            row(log, evaluate());
          } else {
            log.append(",".repeat(KEYS.size() - 1)).append('\n');
          }
        }
        if (evaluates) save(trainer, log);
      }
      trainer.export(model, DType.F16);
      if (!endsWithAccuracies(log)) lastRow(log);
      save(trainer, log);
    }
  }

  private static final List<String> KEYS =
      List.of(
          "object_accuracy",
          "colour_accuracy",
          "background_accuracy",
          "word_accuracy",
          "gender_accuracy_agreeing",
          "portraits_worst_group",
          "portraits_best_group",
          "birds_worst_group",
          "birds_best_group",
          "typographic_clean",
          "typographic_attacked",
          "typographic_fooled");

  private static String header() {
    return "step,loss,gradient_norm,logit_scale,learning_rate," + String.join(",", KEYS) + "\n";
  }

  private static void row(StringBuilder log, Map<String, Share> evaluation) {
    StringBuilder row = new StringBuilder();
    for (String key : KEYS) {
      Share share = evaluation.get(key);
      if (share == null) throw new IllegalStateException("no " + key);
      if (!row.isEmpty()) row.append(',');
      row.append(String.format(Locale.ROOT, "%.4f", share.value()));
    }
    log.append(row).append('\n');
  }

  /** The finished model's accuracies go into the last step's row. */
  private void lastRow(StringBuilder log) {
    int end = log.length() - KEYS.size();
    log.setLength(end);
    row(log, evaluate());
  }

  private static boolean endsWithAccuracies(StringBuilder log) {
    return log.length() < 2 || log.charAt(log.length() - 2) != ',';
  }

  private Map<String, Share> evaluate() {
    try (ClipModel clip = ClipModel.load(model)) {
      return Evaluation.run(clip, config.evaluationCount(), config.seed(), Progress.SILENT);
    }
  }

  private Map<String, Object> settings() {
    Map<String, Object> settings =
        JsonFile.MAPPER.convertValue(config, new TypeReference<LinkedHashMap<String, Object>>() {});
    settings.put("steps", config.steps());
    settings.put("threads", Engine.threads());
    return settings;
  }

  /** State and log in one file, so that they are always of the same step. */
  private void save(ClipPretrainer trainer, StringBuilder log) {
    trainer.save(out.resolve(STATE), Map.of("log", log.toString()));
    AtomicFiles.writeText(out.resolve(LOG), log.toString());
  }

  private StringBuilder resumed(ClipPretrainer trainer) {
    Map<String, String> notes = trainer.resume(out.resolve(STATE));
    return new StringBuilder(notes.getOrDefault("log", header()));
  }
}
