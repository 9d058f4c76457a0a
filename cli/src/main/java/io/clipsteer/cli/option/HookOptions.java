// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.TowerKind;
import java.util.List;
import picocli.CommandLine.Option;

/** Which activations {@code harvest} stores and {@code train} reads. */
public final class HookOptions {
  @Option(
      names = {"--layers", "--layer"},
      required = true,
      paramLabel = "LIST",
      description = "Layers whose activations are read, counted from 0: 8, 2,8 or 0-11.")
  private String layers;

  @Option(
      names = "--site",
      defaultValue = "hook_resid_post",
      paramLabel = "SITE",
      description =
          "Site in the layer: ${COMPLETION-CANDIDATES} (residual stream after the layer, output of"
              + " its MLP).")
  private Site site;

  @Option(
      names = "--tokens-selection",
      defaultValue = "all",
      paramLabel = "TOKENS",
      description = "Tokens that are read: ${COMPLETION-CANDIDATES}.")
  private TokenSelection tokens;

  /** Hook points of one tower, each once, ascending. */
  public List<HookPoint> points(TowerKind tower) {
    return LayerOptions.points(layers, tower, site);
  }

  /** Which tokens of an image are read. */
  public TokenSelection tokens() {
    return tokens;
  }
}
