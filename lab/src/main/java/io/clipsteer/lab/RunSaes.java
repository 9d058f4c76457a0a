// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Every SAE of a run, loaded and known to fit a model.
 *
 * @param all in the run's order
 */
public record RunSaes(List<One> all) implements AutoCloseable {
  /**
   * One SAE with its place.
   *
   * @param entry as {@code run.json} names it
   */
  public record One(RunFolder.SaeEntry entry, Sae sae) {
    /** Where it reads. */
    public HookPoint point() {
      return entry.point();
    }

    /** Which tokens it reads. */
    public TokenSelection selection() {
      return entry.selection();
    }
  }

  public RunSaes {
    all = List.copyOf(all);
  }

  /**
   * Loads a run's SAEs; the caller closes them.
   *
   * @throws InputException when one is damaged, or was not made for this model
   */
  public static RunSaes open(RunFolder folder, RunFolder.Run run, ClipModel model) {
    List<One> all = new ArrayList<>();
    try {
      for (RunFolder.SaeEntry entry : run.saes()) {
        Path path = folder.sae(entry);
        checkPlace(entry, path, model);
        Sae sae = SaeFiles.read(path);
        all.add(new One(entry, sae));
        if (sae.width() != model.vision().config().width()) {
          throw unfit(
              model, "has width " + model.vision().config().width() + ", the SAE " + sae.width());
        }
      }
      return new RunSaes(all);
    } catch (RuntimeException e) {
      for (One one : all) one.sae.close();
      throw e;
    }
  }

  private static void checkPlace(RunFolder.SaeEntry entry, Path path, ClipModel model) {
    HookPoint point = entry.point();
    SaeFiles.checkHook(path, entry.hookPoint());
    if (point.tower() != TowerKind.VISION) {
      throw new InputException(
          path, "reads the text tower (" + point + ")", "Evaluate SAEs of the vision tower");
    }
    int layers = model.vision().config().layers();
    if (point.layer() >= layers) {
      throw unfit(model, "has blocks 0 to " + (layers - 1) + ", the SAE reads " + point);
    }
    if (entry.selection() == TokenSelection.CLS && model.vision().config().prefixTokens() == 0) {
      throw unfit(model, "has no class token, which the SAE at " + point + " reads");
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
