// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A run that is explored, with what belongs to it; the explorer closes model and SAEs.
 *
 * @param library words in the place of the text tower; null for the tower
 * @param templates of zero-shot words
 * @param heads of whole images, by name
 * @param pixelProbes heads of patches
 * @param probes folders of the heads, by name
 * @param steered by folder of the SAE, then feature; empty where steerability is not given
 */
public record ExploredRun(
    RunFolder folder,
    ClipModel model,
    RunSaes saes,
    @Nullable TextLibrary library,
    List<String> templates,
    Map<String, AnswerHead> heads,
    List<NamedProbe> pixelProbes,
    Map<String, Path> probes,
    Map<String, Map<Integer, SteeredFeature>> steered) {
  /** A head of patches. */
  public record NamedProbe(String name, Probe probe) {}

  /** How images become the model's input: squashed where a probe of patches reads them so. */
  public Preprocessing shape() {
    Preprocessing own = model.preprocessing();
    boolean squashed = pixelProbes.stream().anyMatch(one -> one.probe().reads().squashed());
    return squashed ? own.squashed() : own;
  }

  /** The folder of a probe, by its name; empty for the words. */
  String probe(String name) {
    Path path = probes.get(name);
    return path == null ? "" : path.toString();
  }

  /** Closes model and SAEs. */
  public void close() {
    saes.close();
    model.close();
  }
}
