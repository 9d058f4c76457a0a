// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.answer;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TowerOutput;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/** Answers of a head, and zero-shot ones: softmax of scaled cosines between an image and words. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class ZeroShot {
  /** The default template. */
  public static final List<String> DEFAULT_TEMPLATES = List.of("a photo of a {}.");

  private static final int TEXT_BATCH = 64;

  /**
   * One word as an answer.
   *
   * @param index row of the head
   * @param word of that row
   * @param probability softmax over all words, 0 to 1
   * @param sigmoid of a model trained with a sigmoid: the probability that this word fits, 0 to 1,
   *     whatever the other words; null for other models
   */
  public record Answer(
      int index,
      String word,
      double probability,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Double sigmoid) {}

  private ZeroShot() {}

  /** Templates from a file, one on each line, with {@code {}} in the place of the class name. */
  public static List<String> readTemplates(Path file) {
    List<String> templates = TextFile.lines(file);
    for (String template : templates) {
      if (!template.contains("{}")) {
        throw new InputException(
            file, "\"" + template + "\" has no {}", "Write {} where the class name goes");
      }
    }
    return templates;
  }

  /**
   * Text embeddings of classes: for each the mean of unit embeddings over the templates, rescaled
   * to unit length (as in OpenAI's and open_clip's zero-shot classifiers).
   */
  public static TextLibrary library(
      ClipModel model, List<String> classes, List<String> templates, Progress progress) {
    return library(
        model,
        classes,
        templates,
        (tower, ids) -> tower.run(ids, Hooks.NONE).embedding().toFloats(),
        progress);
  }

  /**
   * The same with another computation of the embeddings, as of an edited tower.
   *
   * @param reader unit embeddings of texts, row-major [texts,e], from token ids
   */
  public static TextLibrary library(
      ClipModel model,
      List<String> classes,
      List<String> templates,
      BiFunction<TextTower, long[][], float[]> reader,
      Progress progress) {
    TextTower tower = model.text();
    Tokenizer tokenizer = model.tokenizer();
    if (tower == null) {
      throw new InputException(
          model.source().path(),
          "has no text tower",
          "Give --library DIR with text_embeddings.safetensors and words.txt");
    }
    if (tokenizer == null) {
      throw new InputException(
          model.source().path(),
          "no tokenizer lies beside the weights",
          "Put tokenizer.json, or vocab.json and merges.txt, into the folder, or give --library");
    }
    int e = tower.config().embedDim();
    float[] rows = new float[Math.multiplyExact(classes.size(), e)];
    List<String> texts = new ArrayList<>();
    for (String name : classes) {
      for (String template : templates) texts.add(template.replace("{}", name));
    }
    try (var task = progress.start("embedding prompts", texts.size(), "texts")) {
      for (int from = 0; from < texts.size(); from += TEXT_BATCH) {
        List<String> batch = texts.subList(from, Math.min(from + TEXT_BATCH, texts.size()));
        try (Scope scope = Scope.open()) {
          float[] unit = reader.apply(tower, shortest(tower, tokenizer, batch));
          for (int i = 0; i < batch.size(); i++) {
            int row = (from + i) / templates.size() * e;
            for (int j = 0; j < e; j++) rows[row + j] += unit[i * e + j];
          }
        }
        task.advance(batch.size(), 0);
      }
    }
    normalise(rows, e);
    return new TextLibrary(classes, rows, e);
  }

  /**
   * Rows as long as the longest text. A causal tower's end token does not attend to the padding
   * after it, so the padding is cut: single words then cost a tenth.
   */
  private static long[][] shortest(TextTower tower, Tokenizer tokenizer, List<String> texts) {
    long[][] ids = tokenizer.encode(texts);
    boolean ends =
        switch (tower.config().end().rule()) {
          case LARGEST_ID -> tokenizer.endId() == tower.config().vocabulary() - 1;
          case FIRST_END -> tokenizer.endId() == tower.config().end().id();
          case FIRST, LAST -> false;
        };
    if (!ends || !tower.config().causal()) return ids;
    int longest = 1;
    for (long[] row : ids) {
      int end = 0;
      while (end < row.length - 1 && row[end] != tokenizer.endId()) end++;
      longest = Math.max(longest, end + 1);
    }
    for (int i = 0; i < ids.length; i++) ids[i] = Arrays.copyOf(ids[i], longest);
    return ids;
  }

  private static void normalise(float[] rows, int width) {
    for (int at = 0; at < rows.length; at += width) {
      double square = 0;
      for (int j = at; j < at + width; j++) square += (double) rows[j] * rows[j];
      float factor = (float) (1 / Math.sqrt(square));
      for (int j = at; j < at + width; j++) rows[j] *= factor;
    }
  }

  /** Throws unless the library's width is the model's embedding width. */
  public static void checkFits(ClipModel model, TextLibrary library) {
    int e = model.vision().config().embedDim();
    if (library.width() != e) {
      throw new InputException(
          model.source().path(),
          "its embeddings have width " + e + ", the library's " + library.width(),
          "Use a library made for this model");
    }
  }

  /**
   * The library as a head of a model.
   *
   * @throws InputException where its width is not the model's
   */
  public static AnswerHead head(ClipModel model, TextLibrary library) {
    checkFits(model, library);
    return AnswerHead.zeroShot(library, model.logitScale(), model.logitBias());
  }

  /**
   * The most probable words for each image, best first; equal ones by row.
   *
   * @param top number of words
   */
  public static List<List<Answer>> answers(TowerOutput output, AnswerHead head, int top) {
    return answers(head.reads(output).to(Device.CPU).to(DType.F32), head, top);
  }

  /**
   * The same of outputs.
   *
   * @param outputs what the head reads, F32 [b,width]
   */
  public static List<List<Answer>> answers(Tensor outputs, AnswerHead head, int top) {
    int words = head.words().size();
    float[] logits;
    try (Scope scope = Scope.open()) {
      logits = head.scores(outputs).mulInPlace(head.scale()).toFloats();
    }
    List<List<Answer>> all = new ArrayList<>();
    for (int at = 0; at < logits.length; at += words) {
      all.add(best(Arrays.copyOfRange(logits, at, at + words), head, top));
    }
    return all;
  }

  private static List<Answer> best(float[] logits, AnswerHead head, int top) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      if (!Float.isFinite(logit)) {
        throw new InputException(
            "answers", "a logit is not finite", "Check weights and logit_scale, or steer less far");
      }
      max = Math.max(max, logit);
    }
    double sum = 0;
    for (float logit : logits) sum += Math.exp(logit - max);
    List<Answer> answers = new ArrayList<>();
    boolean[] taken = new boolean[logits.length];
    for (int rank = 0; rank < Math.min(top, logits.length); rank++) {
      int best = -1;
      for (int i = 0; i < logits.length; i++) {
        if (!taken[i] && (best < 0 || logits[i] > logits[best])) best = i;
      }
      taken[best] = true;
      Double bias = head.sigmoidBias();
      Double sigmoid = bias == null ? null : 1 / (1 + Math.exp(-logits[best] - bias));
      double probability = Math.exp(logits[best] - max) / sum;
      answers.add(new Answer(best, head.words().get(best), probability, sigmoid));
    }
    return answers;
  }
}
