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

  @Override
  public void close() {
    saes.close();
    clip.close();
  }
}
