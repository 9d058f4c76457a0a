// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Every SAE of a run, loaded, and checked to fit a model.
 *
 * @param all in the run's order
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record RunSaes(List<One> all) implements AutoCloseable {
  /**
   * One SAE with its entry in the run.
   *
   * @param entry as {@code run.json} names it
   */
  public record One(RunFolder.SaeEntry entry, Sae sae) {
    /** The hook point that it reads. */
    public HookPoint point() {
      return entry.point();
    }

    /** The tokens that it reads. */
    public TokenSelection selection() {
      return entry.selection();
    }
  }

  public RunSaes {
    all = List.copyOf(all);
  }

  /**
   * Loads a run's SAEs of the vision tower; the caller closes them.
   *
   * @throws InputException when one is damaged, or was not made for this model
   */
  public static RunSaes open(RunFolder folder, RunFolder.Run run, ClipModel model) {
    return open(folder, run, model, TowerKind.VISION);
  }

  /**
   * Loads a run's SAEs of one tower; the caller closes them.
   *
   * @throws InputException when one is damaged, or was not made for this tower
   */
  public static RunSaes open(
      RunFolder folder, RunFolder.Run run, ClipModel model, TowerKind tower) {
    TextTower text = model.text();
    boolean vision = tower == TowerKind.VISION;
    if (!vision && text == null) throw unfit(model, "has no text tower");
    VisionConfig config = model.vision().config();
    int width = vision || text == null ? config.width() : text.config().width();
    int layers = vision || text == null ? config.layers() : text.config().layers();
    List<One> all = new ArrayList<>();
    try {
      for (RunFolder.SaeEntry entry : run.saes()) {
        Path path = folder.sae(entry);
        check(entry, path, model, tower, layers);
        Sae sae = SaeFiles.read(path);
        all.add(new One(entry, sae));
        if (sae.width() != width) {
          throw unfit(model, "has width " + width + ", the SAE " + sae.width());
        }
      }
      return new RunSaes(all);
    } catch (RuntimeException e) {
      for (One one : all) one.sae.close();
      throw e;
    }
  }

  private static void check(
      RunFolder.SaeEntry entry, Path path, ClipModel model, TowerKind tower, int layers) {
    HookPoint point = entry.point();
    SaeFiles.checkHook(path, entry.hookPoint());
    if (point.tower() != tower) {
      boolean text = point.tower() == TowerKind.TEXT;
      throw new InputException(
          path,
          "reads the " + (text ? "text" : "vision") + " tower (" + point + ")",
          text
              ? "Take SAEs of the vision tower; evaluate --texts measures these"
              : "Take SAEs of the text tower; evaluate --images measures these");
    }
    if (point.layer() >= layers) {
      throw unfit(model, "has blocks 0 to " + (layers - 1) + ", the SAE reads " + point);
    }
    boolean vision = tower == TowerKind.VISION;
    boolean cls = !vision || model.vision().config().prefixTokens() > 0;
    if (entry.selection() == TokenSelection.CLS && !cls) {
      throw unfit(model, "has no class token, which the SAE at " + point + " reads");
    }
    if (entry.selection() == TokenSelection.PATCHES && !vision) {
      throw unfit(model, "has no patches in its text tower, which the SAE at " + point + " reads");
    }
  }

  private static InputException unfit(ClipModel model, String what) {
    return new InputException(
        model.source().path(), what, "Name the model that the run was trained on");
  }

  @Override
  public void close() {
    for (One one : all) one.sae.close();
  }
}
