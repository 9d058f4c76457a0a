// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.experiment.MapPicture;
import io.clipsteer.lab.selectivity.SelectivitySettings.FeatureChoice;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Studies classes by number, each in a file of its own. What is written is a function of the class
 * and the study alone, so that many processes can share the classes.
 *
 * @param images the caller's
 * @param untrained SAE of the controls
 * @param tried answers of the training images, where features are chosen by their effect
 * @param folder of the study
 */
record StudyClasses(
    SelectivityRun run,
    StudyImages images,
    Sae untrained,
    @Nullable EditedAnswers tried,
    ClassStudy study,
    Path folder)
    implements BlockWork {

  /** Reads the images with the SAE, and with the untrained one. */
  static StudyClasses of(SelectivityRun run, StudyImages images, Path folder) {
    SelectivitySettings settings = run.settings();
    Sae untrained = ControlDirections.untrained(run.one().sae(), settings.seed());
    EditedAnswers tried =
        settings.select() == FeatureChoice.EFFECT
            ? StudyImages.answers(run, images.training())
            : null;
    ClassStudy study = study(run, images, untrained, tried);
    return new StudyClasses(run, images, untrained, tried, study, folder);
  }

  private static ClassStudy study(
      SelectivityRun run, StudyImages images, Sae untrained, @Nullable EditedAnswers tried) {
    SelectivitySettings settings = run.settings();
    Sae sae = run.one().sae();
    KeptImages training = images.training();
    Items items = Items.of(training, run.whole() == null);
    var selection = new FeatureSelection(settings, run.probe().classes(), tried);
    SaeReading read = selection.read(training, items, images.known(), sae);
    SaeReading random = selection.read(training, items, images.known(), untrained);
    var controls =
        ControlDirections.of(read, random, training, settings.controls(), settings.seed());
    SelectivityRun.LabelledSet test = run.test();
    ItemLabels labels =
        ItemLabels.of(test.data(), test.images(), images.tested(), run.model().vision());
    ItemCodes codes = ItemCodes.of(images.tested(), sae);
    return new ClassStudy(images.answers(), codes, labels, selection, controls);
  }

  /** Studies a class; returns 1. */
  @Override
  public long compute(String stage, int label) {
    SelectivityRun.write(folder, label, study.effects(label, this::drawn));
    return 1;
  }

  private ClassEffect.@Nullable MapExample drawn(
      int label, double scale, ItemChange change, int[] after) {
    return run.whole() != null ? null : draw(label, scale, change, after);
  }

  /** Draws the image with the most targets; null if it cannot be read any more. */
  private ClassEffect.@Nullable MapExample draw(
      int label, double scale, ItemChange change, int[] after) {
    KeptImages tested = images.tested();
    int image = 0;
    for (int i = 1; i < change.target().length; i++) {
      if (change.target()[i] > change.target()[image]) image = i;
    }
    String id = tested.ids().get(image);
    RgbImage seen = decoded(id);
    if (seen == null) return null;
    String name = "maps/%d_%s.png".formatted(label, JsonFile.line(scale));
    LabelMap was = map(images.answers().before(), image, tested.patches());
    LabelMap is = map(after, image, tested.patches());
    MapPicture.write(folder.resolve(name), seen, run.test().images().preprocessing(), was, is);
    return new ClassEffect.MapExample(id, name, MapPicture.legend(was, is, run.probe().classes()));
  }

  private @Nullable RgbImage decoded(String id) {
    try (ImageCursor cursor = run.test().images().set().cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        if (!item.id().equals(id)) continue;
        return ImageDecoder.decode(item.bytes(), id, run.test().images().options().decoding());
      }
    } catch (InputException e) {
      return null;
    }
    return null;
  }

  private LabelMap map(int[] answers, int image, int patches) {
    int columns =
        run.test().images().preprocessing().width() / run.model().vision().config().patch();
    byte[] labels = new byte[patches];
    for (int p = 0; p < patches; p++) labels[p] = (byte) answers[image * patches + p];
    return new LabelMap(columns, patches / columns, labels);
  }

  @Override
  public void close() {
    untrained.close();
    if (tried != null) tried.close();
  }
}
