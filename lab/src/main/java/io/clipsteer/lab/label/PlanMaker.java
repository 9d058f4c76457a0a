// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.JpegEncoder;
import io.clipsteer.data.image.PilResize;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.Labels;
import io.clipsteer.lab.label.LabelPlan.LabelTrial;
import io.clipsteer.lab.label.LabelPlan.ShownImage;
import io.clipsteer.lab.label.LabelledUnit.LabelledKind;
import io.clipsteer.lab.label.SheetDraw.Drawn;
import io.clipsteer.lab.label.TrialDraw.Sheet;
import io.clipsteer.lab.label.UnitDraw.DrawnUnits;
import io.clipsteer.lab.label.UnitDraw.Taken;
import io.clipsteer.lab.label.UnitScan.Scanned;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** Makes the plan of a human evaluation: draws units and images, and writes them to a folder. */
public final class PlanMaker {
  private static final int SIDE = 224;

  /**
   * What is planned.
   *
   * @param run the run's folder, as it was named
   * @param tasks at least one
   * @param features trained ones
   * @param controls units of each kind of control
   * @param perFeature trials of each unit in 2AFC, intruder and verification
   */
  public record PlanSettings(
      String run,
      List<LabelTask> tasks,
      int features,
      int controls,
      int perFeature,
      int annotators,
      long seed) {}

  private final ClipModel model;
  private final Images images;
  private final Labels labels;
  private final PlanSettings settings;

  private PlanMaker(ClipModel model, Images images, Labels labels, PlanSettings settings) {
    this.model = model;
    this.images = images;
    this.labels = labels;
    this.settings = settings;
  }

  /**
   * Makes a plan in an empty folder.
   *
   * @param labels of the images, for queries with the same labels
   * @throws InputException when the index, or the images, give no features
   */
  public static LabelPlan make(
      ClipModel model,
      Images images,
      RunSaes saes,
      IndexFolder index,
      Labels labels,
      PlanSettings settings,
      PlanFolder folder,
      Progress progress) {
    SplittableRandom random = new SplittableRandom(settings.seed());
    var maker = new PlanMaker(model, images, labels, settings);
    try (UnitDraw draw = UnitDraw.of(saes, index, settings, random)) {
      Scanned scanned = UnitScan.run(model.vision(), images, draw.sites(), false, progress);
      List<Set<String>> own = maker.labelSets(scanned);
      DrawnUnits units = draw.take(scanned, own);
      if (units.study().stream().noneMatch(one -> one.kind() == LabelledKind.FEATURE)) {
        throw new InputException(
            images.set().origin(),
            "no feature is active on " + SheetDraw.FEWEST + " of the images",
            "Give more images");
      }
      boolean labelled = own.stream().anyMatch(one -> !one.isEmpty());
      List<Sheet> sheets = TrialDraw.sheets(units, settings, labelled, random);
      LabelPlan plan = maker.plan(folder, sheets, units.all(), scanned, draw, progress);
      AtomicFiles.writeJson(folder.path().resolve(PlanFolder.PLAN), plan);
      return plan;
    }
  }

  /** Labels that more than one image has, by image. */
  private List<Set<String>> labelSets(Scanned scanned) {
    List<Set<String>> all = new ArrayList<>();
    Map<String, Integer> counts = new HashMap<>();
    for (int i = 0; i < scanned.ids().size(); i++) {
      Set<String> own = new HashSet<>();
      for (Labels.Label label : labels.labels(scanned.ids().get(i), scanned.classes().get(i))) {
        own.add(label.factor() + ": " + label.value());
      }
      own.forEach(label -> counts.merge(label, 1, Integer::sum));
      all.add(own);
    }
    for (Set<String> own : all) own.removeIf(label -> counts.getOrDefault(label, 0) < 2);
    return all;
  }

  private LabelPlan plan(
      PlanFolder folder,
      List<Sheet> sheets,
      List<Taken> taken,
      Scanned scanned,
      UnitDraw draw,
      Progress progress) {
    Set<String> shown = new HashSet<>();
    Set<String> mapped = new HashSet<>();
    for (Sheet sheet : sheets) {
      for (Drawn one : sheet.images()) {
        shown.add(scanned.ids().get(one.image()));
        if (sheet.task() == LabelTask.NAMING) mapped.add(scanned.ids().get(one.image()));
      }
    }
    writeImages(folder, shown);
    Map<String, Integer> numbers = new HashMap<>();
    Scanned patches = null;
    if (!mapped.isEmpty()) {
      Images some = new Images(images.set().only(mapped), images.preprocessing(), images.options());
      patches = UnitScan.run(model.vision(), some, draw.sites(), true, progress);
      for (String id : patches.ids()) numbers.put(id, numbers.size());
    }
    List<LabelTrial> trials = new ArrayList<>();
    for (Sheet sheet : sheets) {
      List<ShownImage> all = new ArrayList<>();
      Taken unit = taken.get(sheet.unit());
      for (Drawn one : sheet.images()) {
        String id = scanned.ids().get(one.image());
        String heat =
            sheet.task() == LabelTask.NAMING && patches != null
                ? heat(unit, patches, numbers.getOrDefault(id, -1))
                : null;
        all.add(one.shown(blind(id), heat));
      }
      String id = blind(sheet.task() + " " + sheet.role() + " " + trials.size());
      trials.add(new LabelTrial("t" + id, sheet.task(), sheet.role(), sheet.unit(), all));
    }
    Preprocessing shape = images.preprocessing();
    int patch = model.vision().config().patch();
    return new LabelPlan(
        LabelPlan.FORMAT,
        settings.run(),
        images.set().origin().toString(),
        scanned.ids().size(),
        settings.seed(),
        settings.annotators(),
        shape.height() / patch,
        shape.width() / patch,
        taken.stream().map(Taken::measured).toList(),
        trials);
  }

  private static @Nullable String heat(Taken unit, Scanned patches, int image) {
    UnitDraw.UnitCandidate one = unit.candidate();
    if (image < 0) return null;
    UnitScan.UnitActivations own = patches.bySite().get(one.site()).get(image);
    int count = own.patches().length / own.maxima().length;
    if (count == 0) return null;
    byte[] bytes = new byte[count];
    for (int p = 0; p < count; p++) {
      float value = own.patches()[one.column() * count + p];
      bytes[p] = (byte) Math.round(255 * Math.clamp(value / unit.most(), 0, 1));
    }
    return Base64.getEncoder().encodeToString(bytes);
  }

  private String blind(String id) {
    byte[] text = (settings.seed() + " " + id).getBytes(StandardCharsets.UTF_8);
    return Hashes.sha256(text).substring(0, 16);
  }

  private void writeImages(PlanFolder folder, Set<String> shown) {
    try (ImageCursor cursor = images.set().only(shown).cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        RgbImage seen =
            images
                .preprocessing()
                .resizedAndCropped(
                    ImageDecoder.decode(item.bytes(), item.id(), images.options().decoding()));
        double scale = Math.min(1, (double) SIDE / Math.max(seen.width(), seen.height()));
        int width = Math.max(1, (int) Math.round(seen.width() * scale));
        int height = Math.max(1, (int) Math.round(seen.height() * scale));
        byte[] jpeg =
            JpegEncoder.encode(PilResize.resize(seen, width, height, PilResize.Filter.LANCZOS));
        AtomicFiles.write(folder.image(blind(item.id())), jpeg);
      }
    }
  }
}
