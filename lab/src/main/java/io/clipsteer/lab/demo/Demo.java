// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.image.ImageLoader;
import io.clipsteer.data.image.ImageSet;
import io.clipsteer.data.stats.Share;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeFiles;
import io.clipsteer.engine.sae.SaeVariant;
import io.clipsteer.lab.Pictures;
import io.clipsteer.lab.Progress;
import io.clipsteer.lab.RunFolder;
import io.clipsteer.lab.SaeSpec;
import io.clipsteer.lab.TrainRun;
import io.clipsteer.lab.TrainSource;
import io.clipsteer.lab.Training;
import io.clipsteer.lab.ZeroShot;
import io.clipsteer.lab.steer.Push;
import io.clipsteer.lab.steer.Steer;
import io.clipsteer.lab.steer.Tokens;
import io.clipsteer.lab.steer.UnitEdit;
import io.clipsteer.lab.world.DemoClip;
import io.clipsteer.lab.world.Evaluation;
import io.clipsteer.lab.world.ObjectKind;
import io.clipsteer.lab.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The whole slice, from a checkpoint and pictures to a steered answer, on the demo world. */
public final class Demo {
  private static final int PICTURES = 600;
  private static final int SIZE = 64;
  private static final int LAYER = 6;
  private static final int BATCH = 256;
  private static final int TESTED = 100;
  private static final String PICTURE = "000001.png";
  private static final double STRENGTH = 150;

  /**
   * What it did.
   *
   * @param folder holds model, pictures and run
   * @param evaluation what the model knows and what it leans on
   * @param training the SAE's training; its SAE is closed
   * @param picture the picture that was steered
   * @param steering its answers before and after
   * @param seconds for everything
   */
  public record Result(
      Path folder,
      Map<String, Share> evaluation,
      Training.Result training,
      Path picture,
      Steer.Result steering,
      double seconds) {}

  private Demo() {}

  /**
   * Runs it.
   *
   * @param folder absent or empty
   */
  public static Result run(Path folder, long seed, List<String> command, Progress progress) {
    long start = System.nanoTime();
    checkEmpty(folder);
    Path checkpoint = folder.resolve("model");
    Path images = folder.resolve("pictures");
    DemoClip.unpack(checkpoint);
    WorldSet.MIXED.write(images, WorldSet.Split.VALIDATION, PICTURES, seed, SIZE, progress);
    try (ClipModel model = ClipModel.load(checkpoint)) {
      Map<String, Share> evaluation = Evaluation.run(model, TESTED, seed, progress);
      Pictures pictures =
          new Pictures(ImageSet.open(images), model.preprocessing(), ImageLoader.Options.of(30));
      HookPoint point = HookPoint.residPost(LAYER);
      Training.Config config =
          Training.Config.of(
              new SaeSpec(point, new SaeVariant.TopK(16)),
              TokenSelection.ALL,
              8,
              150_000,
              BATCH,
              2e-3,
              seed,
              64L << 20);
      Path out = folder.resolve("run");
      Training.Result training =
          new TrainRun(new TrainSource.FromPictures(model, pictures), config, command, out)
              .run(progress);
      TextLibrary library =
          ZeroShot.library(
              model,
              Stream.of(ObjectKind.values()).map(ObjectKind::phrase).toList(),
              Evaluation.TEMPLATES,
              progress);
      Path picture = images.resolve(PICTURE);
      RunFolder run = new RunFolder(out);
      Steer.Result steering;
      try (Sae sae = SaeFiles.read(run.sae(run.read().saes().getFirst()))) {
        steering = steer(model, library, sae, point, picture);
      }
      return new Result(
          folder, evaluation, training, picture, steering, (System.nanoTime() - start) * 1e-9);
    }
  }

  /** Sets the picture's strongest feature. */
  private static Steer.Result steer(
      ClipModel model, TextLibrary library, Sae sae, HookPoint point, Path picture) {
    try (Scope scope = Scope.open()) {
      Tensor pixels = Pictures.one(model, picture);
      Steer.Result seen = changing(model, library, sae, point, 0, Push.scale(1)).one(pixels, 1);
      int strongest = seen.strongest().getFirst().feature();
      return changing(model, library, sae, point, strongest, Push.set(STRENGTH)).one(pixels, 3);
    }
  }

  private static Steer changing(
      ClipModel model, TextLibrary library, Sae sae, HookPoint point, int feature, Push push) {
    var edit =
        new UnitEdit(
            sae,
            List.of(feature),
            List.of(),
            List.of(),
            push,
            false,
            false,
            new Tokens("all"),
            model.vision().config().prefixTokens());
    return new Steer(model, library, Map.of(point, edit), new double[0]);
  }

  private static void checkEmpty(Path folder) {
    if (!Files.exists(folder)) return;
    try (var entries = Files.list(folder)) {
      if (entries.findAny().isEmpty()) return;
    } catch (IOException e) {
      throw new InputException(folder, "cannot be listed: " + Reasons.of(e), "Name a folder", e);
    }
    throw new InputException(folder, "is not empty", "Name a new folder with --out");
  }
}
