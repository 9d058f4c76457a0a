// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * An {@code edit.json}: features of one SAE that become fixed values, or no more than these.
 *
 * @param model the checkpoint it was found on
 * @param modelHash SHA-256 of its weights
 * @param sae the SAE's folder
 * @param saeHash SHA-256 of its weights, or empty
 * @param point where the SAE reads
 * @param tokens which tokens are changed
 * @param features numbers
 * @param values what each becomes, in units of the normalised activation
 * @param cap whether activations below their values stay
 */
public record StoredEdit(
    Path model,
    String modelHash,
    Path sae,
    String saeHash,
    HookPoint point,
    TokenSelection tokens,
    int[] features,
    float[] values,
    boolean cap) {
  /**
   * {@code protocol} of fixed values, and of caps, which what knows the first alone must refuse.
   */
  static final int FIXED = 1;

  static final int CAPPED = 2;

  private static final long LARGEST = 1 << 20;

  /**
   * Reads an edit folder, or its {@code edit.json}.
   *
   * @throws InputException when there is none, or it is damaged
   */
  public static StoredEdit read(Path path) {
    Path file = Files.isDirectory(path) ? path.resolve(EditFolder.EDIT) : path;
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          file, "is not there", "Name what clipsteer suppress --out wrote, where an edit helped");
    }
    try {
      if (Files.size(file) > LARGEST) throw damaged(file);
      JsonNode json = JsonMapper.shared().readTree(Files.readAllBytes(file));
      JsonNode chosen = json.path("features");
      int protocol = json.path("protocol").asInt(0);
      boolean cap = protocol == CAPPED;
      if (!cap && protocol != FIXED || !chosen.isArray() || chosen.isEmpty()) {
        throw damaged(file);
      }
      int[] features = new int[chosen.size()];
      float[] values = new float[chosen.size()];
      for (int k = 0; k < features.length; k++) {
        features[k] = chosen.get(k).path("id").asInt(-1);
        values[k] = (float) chosen.get(k).path("value").asDouble(Double.NaN);
        if (features[k] < 0 || !Float.isFinite(values[k])) throw damaged(file);
        // An activation is never below 0, so that no cap is.
        if (cap && values[k] < 0) throw damaged(file);
      }
      if (Arrays.stream(features).distinct().count() < features.length) throw damaged(file);
      return new StoredEdit(
          Path.of(json.path("model").asString("")),
          json.path("model_sha256").asString(""),
          Path.of(json.path("sae").asString("")),
          json.path("sae_sha256").asString(""),
          HookPoint.parse(json.path("hook_point").asString("")),
          TokenSelection.parse(json.path("tokens").asString("")),
          features,
          values,
          cap);
    } catch (IOException | JacksonException e) {
      throw new InputException(file, "cannot be read as JSON", "Suppress again", e);
    }
  }

  /**
   * The edit of an SAE.
   *
   * @param prefixTokens the tower's tokens before the patches
   */
  public Edit edit(Sae opened, int prefixTokens) {
    return new Edit(
        EditSite.of(point, tokens, prefixTokens),
        new Edit.Features(opened, features),
        cap ? new Rule.Cap(values) : new Rule.Set(values));
  }

  private static InputException damaged(Path file) {
    return new InputException(file, "is no edit", "Suppress again");
  }

  /** Refuses an SAE with other weights than the edit was found with. */
  public void checkSae(Path folder) {
    Path weights = folder.resolve(SaeFiles.WEIGHTS);
    if (saeHash.isEmpty() || !Files.isRegularFile(weights)) return;
    if (!Hashes.sha256(weights).equals(saeHash)) {
      throw new InputException(
          folder, "is not the SAE that the edit was found with", "Name that one with --sae");
    }
  }

  /**
   * Refuses a model with other weights.
   *
   * @param weights the model's file
   */
  public void checkModel(Path weights) {
    if (!modelHash.isEmpty() && !Hashes.sha256(weights).equals(modelHash)) {
      throw new InputException(
          weights, "is not the model that the edit was found on", "Name that one with --model");
    }
  }
}
