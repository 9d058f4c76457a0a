// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import io.clipsteer.data.Progress;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.stats.Share;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.world.Background;
import io.clipsteer.world.Biases;
import io.clipsteer.world.Colour;
import io.clipsteer.world.DrawnImage;
import io.clipsteer.world.Factors;
import io.clipsteer.world.ObjectKind;
import io.clipsteer.world.Sampler;
import io.clipsteer.world.WrittenWords;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What a CLIP makes of the world's unbiased test images, zero-shot: what it knows, and how far it
 * relies on hair colour, background and written words.
 */
public final class Evaluation {
  /** Templates of things. */
  public static final List<String> TEMPLATES =
      List.of("{}", "a photo of {}", "a picture of {}", "an image of {}");

  /** Templates of portraits. */
  public static final List<String> PORTRAIT_TEMPLATES =
      List.of("{}", "a photo of {}", "a portrait of {}", "a picture of {}");

  /** Templates of written words. */
  public static final List<String> WORD_TEMPLATES =
      List.of("the word {}", "a photo of the word {}", "a sign that says {}");

  private static final int BATCH = 64;

  private final ClipModel model;
  private final Sampler sampler;
  private final int count;
  private final Progress.Task task;
  private final Map<String, Share> shares = new LinkedHashMap<>();

  private Evaluation(ClipModel model, Sampler sampler, int count, Progress.Task task) {
    this.model = model;
    this.sampler = sampler;
    this.count = count;
    this.task = task;
  }

  /**
   * Asks the model.
   *
   * @param count images of each set; of portraits and birds, of each group
   * @param seed of the test images
   * @return accuracies with Wilson intervals by key
   */
  public static Map<String, Share> run(ClipModel model, int count, long seed, Progress progress) {
    Sampler sampler = new Sampler(Sampler.seedOf(seed, "test"), Biases.NONE);
    try (var task = progress.start("evaluating", 12L * count, "images")) {
      Evaluation evaluation = new Evaluation(model, sampler, count, task);
      evaluation.things();
      evaluation.words();
      evaluation.portraits();
      evaluation.birds();
      evaluation.typographic();
      return evaluation.shares;
    }
  }

  // ---- the sets -------------------------------------------------------------------------------

  private void things() {
    ObjectKind[] kinds = ObjectKind.values();
    List<DrawnImage> images = images(i -> sampler.plainThings(i, kinds[i % kinds.length]), 0);
    Tensor embeddings = embed(images);
    put("object_accuracy", images, embeddings, objects(), p -> thing(p).kind().ordinal());
    put(
        "colour_accuracy",
        images,
        embeddings,
        library(
            Stream.of(Colour.values()).map(c -> article(c.word()) + " object").toList(), TEMPLATES),
        p -> thing(p).colour().ordinal());
    put(
        "background_accuracy",
        images,
        embeddings,
        library(
            Stream.of(Background.values()).map(b -> "something " + b.phrase()).toList(), TEMPLATES),
        p -> thing(p).background().ordinal());
    embeddings.close();
  }

  private void words() {
    int words = WrittenWords.WRITTEN.size();
    List<DrawnImage> images = images(i -> sampler.worded(i, i % words), 1);
    Tensor embeddings = embed(images);
    put(
        "word_accuracy",
        images,
        embeddings,
        library(WrittenWords.WRITTEN, WORD_TEMPLATES),
        Evaluation::word);
    embeddings.close();
  }

  private void portraits() {
    TextLibrary genders = library(List.of("a woman", "a man"), PORTRAIT_TEMPLATES);
    List<Share> groups = new ArrayList<>();
    int agreeing = 0;
    for (int group = 0; group < 4; group++) {
      Factors.Gender gender = Factors.Gender.values()[group / 2];
      boolean blond = group % 2 == 1;
      List<DrawnImage> images = images(i -> sampler.portrait(i, gender, blond), 2 + group);
      int right = right(images, genders, p -> gender.ordinal());
      groups.add(Share.of(right, count));
      if (blond == (gender == Factors.Gender.WOMAN)) agreeing += right;
    }
    shares.put("gender_accuracy_agreeing", Share.of(agreeing, 2 * count));
    extremes("portraits", groups);
  }

  private void birds() {
    TextLibrary kinds = library(List.of("a landbird", "a waterbird"), TEMPLATES);
    List<Share> groups = new ArrayList<>();
    for (int group = 0; group < 4; group++) {
      boolean waterbird = group / 2 == 1;
      boolean onWater = group % 2 == 1;
      List<DrawnImage> images = images(i -> sampler.bird(i, waterbird, onWater), 6 + group);
      groups.add(Share.of(right(images, kinds, p -> waterbird ? 1 : 0), count));
    }
    extremes("birds", groups);
  }

  private void typographic() {
    TextLibrary objects = objects();
    for (boolean attacked : new boolean[] {false, true}) {
      List<DrawnImage> images = images(i -> sampler.typographic(i, attacked), 10);
      try (Tensor embeddings = embed(images)) {
        put(
            attacked ? "typographic_attacked" : "typographic_clean",
            images,
            embeddings,
            objects,
            p -> thing(p).kind().ordinal());
        if (attacked) put("typographic_fooled", images, embeddings, objects, Evaluation::word);
      }
    }
  }

  // ---- how ------------------------------------------------------------------------------------

  private static Factors.Things thing(DrawnImage image) {
    return (Factors.Things) image.factors();
  }

  /**
   * The written word's place in {@link WrittenWords#WRITTEN}, and among the objects if it is one.
   */
  private static int word(DrawnImage image) {
    Factors.Written written = thing(image).written();
    return written == null ? -1 : WrittenWords.WRITTEN.indexOf(written.text());
  }

  private static String article(String word) {
    return ("aeiou".indexOf(word.charAt(0)) >= 0 ? "an " : "a ") + word;
  }

  private TextLibrary objects() {
    return library(Stream.of(ObjectKind.values()).map(ObjectKind::phrase).toList(), TEMPLATES);
  }

  private TextLibrary library(List<String> classes, List<String> templates) {
    return ZeroShot.library(model, classes, templates, Progress.SILENT);
  }

  /** Each set has a stretch of the stream of its own. */
  private List<DrawnImage> images(IntFunction<DrawnImage> source, int set) {
    int start = set * 1_000_000;
    return IntStream.range(start, start + count).mapToObj(source).toList();
  }

  private void extremes(String set, List<Share> groups) {
    Comparator<Share> byValue = Comparator.comparingDouble(Share::value);
    shares.put(set + "_worst_group", groups.stream().min(byValue).orElseThrow());
    shares.put(set + "_best_group", groups.stream().max(byValue).orElseThrow());
  }

  private void put(
      String key,
      List<DrawnImage> images,
      Tensor embeddings,
      TextLibrary library,
      ToIntFunction<DrawnImage> truth) {
    shares.put(key, Share.of(right(images, embeddings, library, truth), images.size()));
  }

  private int right(List<DrawnImage> images, TextLibrary library, ToIntFunction<DrawnImage> truth) {
    try (Tensor embeddings = embed(images)) {
      return right(images, embeddings, library, truth);
    }
  }

  private int right(
      List<DrawnImage> images,
      Tensor embeddings,
      TextLibrary library,
      ToIntFunction<DrawnImage> truth) {
    var answers = ZeroShot.answers(embeddings, ZeroShot.head(model, library), 1);
    int right = 0;
    for (int i = 0; i < images.size(); i++) {
      if (answers.get(i).getFirst().index() == truth.applyAsInt(images.get(i))) right++;
    }
    return right;
  }

  /** Unit embeddings [n,e], the caller's to close. */
  private Tensor embed(List<DrawnImage> images) {
    var preprocessing = model.preprocessing();
    int size = Math.max(preprocessing.width(), preprocessing.height());
    try (Scope scope = Scope.open()) {
      List<Tensor> parts = new ArrayList<>();
      for (int at = 0; at < images.size(); at += BATCH) {
        List<DrawnImage> batch = images.subList(at, Math.min(at + BATCH, images.size()));
        float[] pixels = new float[batch.size() * preprocessing.floats()];
        for (int i = 0; i < batch.size(); i++) {
          RgbImage painted = batch.get(i).paint(size);
          preprocessing.applyInto(painted, pixels, i * preprocessing.floats());
        }
        try (Scope step = Scope.open()) {
          Tensor input =
              Tensor.of(pixels, batch.size(), 3, preprocessing.height(), preprocessing.width());
          parts.add(step.keep(model.vision().run(input, Hooks.NONE).embedding()));
        }
        task.advance(batch.size(), model.vision().flopsPerImage() * batch.size());
      }
      return scope.release(Tensor.concat(parts, 0));
    }
  }
}
