// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.edit;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.run.Versions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * An {@code edit.json}: features of one SAE, neurons or a direction, and what becomes of their
 * activations.
 *
 * @param model the checkpoint it was made on
 * @param modelHash SHA-256 of its weights
 * @param sae folder of the features' SAE; null for other units
 * @param saeHash SHA-256 of its weights, or empty
 * @param point where the edit applies
 * @param tokens which tokens are changed
 * @param rule the units' new activations, in units of the normalised activation for features and of
 *     the residual for others
 */
public record StoredEdit(
    Path model,
    String modelHash,
    @Nullable Path sae,
    String saeHash,
    HookPoint point,
    TokenSelection tokens,
    EditedUnits units,
    Rule rule) {
  /** The file in an edit's folder. */
  public static final String FILE = "edit.json";

  private static final int PROTOCOL = 3;

  /** EditedUnits that are edited. */
  public sealed interface EditedUnits {
    /** How many. */
    default int count() {
      return switch (this) {
        case FeatureIds(int[] ids) -> ids.length;
        case NeuronIds(int[] ids) -> ids.length;
        case Line line -> 1;
      };
    }

    /** The singular noun. */
    default String noun() {
      return switch (this) {
        case FeatureIds features -> "feature";
        case NeuronIds neurons -> "neuron";
        case Line line -> "direction";
      };
    }
  }

  /** Features of the SAE, each once. */
  public record FeatureIds(int[] ids) implements EditedUnits {}

  /** Coordinates of the residual, each once. */
  public record NeuronIds(int[] ids) implements EditedUnits {}

  /**
   * A direction: the activation is {@code (x − centre)·direction}.
   *
   * @param direction [d]
   * @param centre [d]
   */
  public record Line(float[] direction, float[] centre) implements EditedUnits {}

  private record Json(
      int protocol,
      String clipsteer,
      String model,
      String modelSha256,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable String sae,
      @JsonInclude(JsonInclude.Include.NON_EMPTY) String saeSha256,
      String hookPoint,
      String tokens,
      String rule,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable List<UnitValue> features,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable List<UnitValue> neurons,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable LineValue direction,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Found found) {}

  /**
   * A unit.
   *
   * @param strength part of the change; absent where it is 1
   */
  private record UnitValue(
      int id, float value, @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Float strength) {}

  private record LineValue(float[] direction, float[] centre, float value) {}

  /**
   * How an edit was selected.
   *
   * @param edit the rule in words, as {@code mean}
   * @param select the ranking of features
   * @param data the images
   */
  public record Found(String edit, String select, String data) {}

  /**
   * Writes the edit into its folder.
   *
   * @param found how it was selected; null where a person named the units
   */
  public void write(Path folder, @Nullable Found found) {
    float[] values = rule.values(units.count());
    float[] strengths = rule.strengths(units.count());
    AtomicFiles.writeJson(
        folder.resolve(FILE),
        new Json(
            PROTOCOL,
            Versions.CLIPSTEER,
            model.toString(),
            modelHash,
            sae == null ? null : sae.toString(),
            saeHash,
            point.peerName(),
            tokens.toString(),
            rule.kind().name().toLowerCase(Locale.ROOT),
            units instanceof FeatureIds(int[] ids) ? values(ids, values, strengths) : null,
            units instanceof NeuronIds(int[] ids) ? values(ids, values, strengths) : null,
            units instanceof Line(float[] along, float[] centre)
                ? new LineValue(along, centre, values[0])
                : null,
            found));
  }

  private static List<UnitValue> values(int[] ids, float[] values, float[] strengths) {
    return IntStream.range(0, ids.length)
        .mapToObj(i -> new UnitValue(ids[i], values[i], strengths[i] == 1 ? null : strengths[i]))
        .toList();
  }

  /**
   * Reads an edit folder, or its {@code edit.json}.
   *
   * @throws InputException when there is none, or it is damaged
   */
  public static StoredEdit read(Path path) {
    Path file = Files.isDirectory(path) ? path.resolve(FILE) : path;
    JsonNode json =
        JsonFile.tree(file, "Name a folder that clipsteer suppress or edit wrote with an edit");
    if (json.path("protocol").asInt(0) != PROTOCOL) {
      throw new InputException(
          file, "is no edit of this version", "Make it again with clipsteer suppress or edit");
    }
    List<String> kinds = Stream.of("features", "neurons", "direction").filter(json::has).toList();
    if (kinds.size() != 1) {
      String found = kinds.isEmpty() ? "none" : String.join(" and ", kinds);
      throw damaged(file, "it needs one of features, neurons and direction, and has " + found);
    }
    String kind = kinds.getFirst();
    JsonNode listed = json.get(kind);
    float[] values;
    float[] strengths = {1};
    EditedUnits units;
    if (kind.equals("direction")) {
      units = new Line(floats(file, listed, "direction"), floats(file, listed, "centre"));
      values = new float[] {number(file, listed, "value")};
    } else {
      int[] ids = new int[listed.size()];
      values = new float[ids.length];
      strengths = new float[ids.length];
      for (int k = 0; k < ids.length; k++) {
        JsonNode id = listed.get(k).path("id");
        if (!id.isInt() || id.asInt() < 0) throw damaged(file, kind + ": id is " + id);
        ids[k] = id.asInt();
        values[k] = number(file, listed.get(k), "value");
        strengths[k] = listed.get(k).has("strength") ? number(file, listed.get(k), "strength") : 1;
      }
      if (ids.length == 0) throw damaged(file, "it has no " + kind);
      if (Arrays.stream(ids).distinct().count() < ids.length) {
        throw damaged(file, "one of its " + kind + " is there twice");
      }
      units = kind.equals("neurons") ? new NeuronIds(ids) : new FeatureIds(ids);
    }
    String sae = text(file, json, "sae");
    if (sae.isEmpty() && units instanceof FeatureIds) throw damaged(file, "it names no sae");
    return new StoredEdit(
        Path.of(text(file, json, "model")),
        text(file, json, "model_sha256"),
        sae.isEmpty() ? null : Path.of(sae),
        text(file, json, "sae_sha256"),
        of(file, "hook_point", HookPoint::parse, json),
        of(file, "tokens", TokenSelection::parse, json),
        units,
        inPart(rule(file, text(file, json, "rule"), units, values), strengths));
  }

  /** A text; empty where it is absent. */
  private static String text(Path file, JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (!value.isMissingNode() && !value.isString()) throw damaged(file, key + " is " + value);
    return value.asString("");
  }

  private static <T> T of(Path file, String key, Function<String, T> parse, JsonNode json) {
    try {
      return parse.apply(text(file, json, key));
    } catch (InputException e) {
      throw damaged(file, key + " is " + json.path(key));
    }
  }

  private static float number(Path file, JsonNode json, String key) {
    JsonNode value = json.path(key);
    float number = value.isNumber() ? (float) value.asDouble() : Float.NaN;
    if (!Float.isFinite(number)) throw damaged(file, key + " is " + value);
    return number;
  }

  private static Rule rule(Path file, String name, EditedUnits units, float[] values) {
    boolean each = name.equals("set") || name.equals("cap");
    boolean features = units instanceof FeatureIds;
    for (float value : values) {
      // A feature's activation is never below 0, and neither is a cap.
      if (features && name.equals("cap") && value < 0) throw damaged(file, "a cap is " + value);
      if (!each && value != values[0]) throw damaged(file, name + " needs one value for all");
    }
    for (Rule.RuleKind kind : Rule.RuleKind.values()) {
      if (kind.name().toLowerCase(Locale.ROOT).equals(name)) return Rule.of(kind, values);
    }
    throw damaged(file, "rule is \"" + name + "\"");
  }

  private static Rule inPart(Rule whole, float[] strengths) {
    for (float strength : strengths) if (strength != 1) return new Rule.Times(whole, strengths);
    return whole;
  }

  private static float[] floats(Path file, JsonNode json, String key) {
    JsonNode array = json.path(key);
    float[] values = new float[array.size()];
    for (int j = 0; j < values.length; j++) {
      JsonNode value = array.get(j);
      values[j] = value.isNumber() ? (float) value.asDouble() : Float.NaN;
      if (!Float.isFinite(values[j])) throw damaged(file, key + " holds " + value);
    }
    return values;
  }

  private static InputException damaged(Path file, String what) {
    return new InputException(file, what, "Make the edit again with clipsteer suppress or edit");
  }

  /**
   * Refuses an edit whose units a tower does not have.
   *
   * @param file it was read from
   * @param width d of the residual
   */
  public void checkWidth(Path file, int width) {
    boolean fits =
        switch (units) {
          case FeatureIds features -> true;
          case NeuronIds(int[] ids) -> Arrays.stream(ids).allMatch(id -> id < width);
          case Line(float[] along, float[] centre) ->
              along.length == width && centre.length == width && isDirection(along);
        };
    if (!fits) {
      throw damaged(file, "its " + units.noun() + " does not fit a tower of width " + width);
    }
  }

  /** Whether a vector is not 0. */
  public static boolean isDirection(float[] along) {
    for (float number : along) if (number != 0) return true;
    return false;
  }

  /**
   * The edit.
   *
   * @param opened the SAE of features; null for other units
   * @param width d of the residual
   * @param prefixTokens the tower's tokens before the patches
   */
  public Edit edit(@Nullable Sae opened, int width, int prefixTokens) {
    Edit.Target target =
        switch (units) {
          case FeatureIds(int[] ids) when opened != null -> new Edit.Features(opened, ids);
          case FeatureIds features -> throw new IllegalArgumentException("features without an SAE");
          case NeuronIds(int[] ids) -> new Edit.Neurons(width, ids);
          case Line(float[] along, float[] centre) -> new Edit.Direction(along, centre, null);
        };
    return new Edit(EditSite.of(point, tokens, prefixTokens), target, rule);
  }

  /** Refuses an SAE with other weights than the edit was made with. */
  public void checkSae(Path folder) {
    Path weights = folder.resolve(SaeFiles.WEIGHTS);
    if (saeHash.isEmpty() || !Files.isRegularFile(weights)) return;
    if (!Hashes.sha256(weights).equals(saeHash)) {
      throw new InputException(
          folder, "is not the SAE that the edit was made with", "Name that one with --sae");
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
          weights, "is not the model that the edit was made on", "Name that one with --model");
    }
  }
}
