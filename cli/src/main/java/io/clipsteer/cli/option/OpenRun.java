// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.Hashes;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.util.Map;

/**
 * A training run with its model and SAEs loaded; closing it closes both.
 *
 * @param trained the run with the SAEs that are loaded
 */
public record OpenRun(RunFolder folder, RunFolder.Run trained, ClipModel clip, RunSaes saes)
    implements AutoCloseable {
  /** What a TopK SAE means for an export. */
  public static final String TOPK_EXPORT =
      "features of a TopK SAE compete: an edit of them is exported with the SAE's whole encoder, or"
          + " with fitted thresholds (export --topk); those of the other kinds need their own rows"
          + " only";

  /** Loads the SAEs; the model is closed where one does not fit it. */
  public static OpenRun of(
      RunFolder folder, RunFolder.Run trained, ClipModel clip, TowerKind tower) {
    try {
      return new OpenRun(folder, trained, clip, RunSaes.open(folder, trained, clip, tower));
    } catch (RuntimeException e) {
      clip.close();
      throw e;
    }
  }

  /** SHA-256 of the model's weights, and of each SAE's by its folder; empty where it has none. */
  public Map<String, String> hashes() {
    Map<String, String> hashes = RunOptions.saes(folder, trained);
    hashes.put("model", Hashes.sha256(clip.source().weights()));
    return hashes;
  }

  /** Says on stderr what the kind of the SAEs means for an export, before the work. */
  public void noteExport() {
    if (saes.all().stream().anyMatch(one -> one.sae().activation().competes())) {
      System.err.println(TOPK_EXPORT);
    }
  }

  @Override
  public void close() {
    saes.close();
    clip.close();
  }
}
