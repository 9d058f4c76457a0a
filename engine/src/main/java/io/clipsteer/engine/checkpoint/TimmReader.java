// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * timm's plain vision transformers and its class Eva, alone or as open_clip's trunk. The name gives
 * the arguments ({@link TimmNames}), a folder's {@code model_args} change them, and the weights
 * must fit.
 */
final class TimmReader {
  /** Fields of {@code config.json} beside the model that describe its classes. */
  private static final Set<String> HARMLESS =
      Set.of("num_classes", "num_features", "label_names", "label_descriptions");

  /** Arguments that act in training, or on the classifier, which is not computed. */
  private static final Set<String> HARMLESS_ARGS =
      JsonObject.fields(
          """
          num_classes drop_rate pos_drop_rate patch_drop_rate proj_drop_rate attn_drop_rate
          drop_path_rate weight_init fix_init head_init_scale rope_shift_coords rope_jitter_coords
          rope_rescale_coords
          """);

  private TimmReader() {}

  /** A folder of timm's own: {@code config.json} with architecture and pretrained_cfg. */
  static Checkpoint.Contents read(JsonObject config, WeightSource weights) {
    if (!config.has("architecture")) throw config.wrong("architecture", "a model's name");
    TimmNames name = TimmNames.of(config.text("architecture", ""), config.where());
    JsonObject args = config.object("model_args");
    JsonObject pretrained = config.object("pretrained_cfg");
    TimmTrunk shape = TimmShape.of(name, args, pretrained);
    args.refuseUnread(HARMLESS_ARGS);
    String outer = config.nullMeansAbsent("global_pool").text("global_pool", shape.pool());
    config.refuse(
        "global_pool", !outer.equals(shape.pool()), "timm computes \"" + shape.pool() + "\"");
    VisionTower tower = tower("", shape, shape.pool(), weights, null);
    Preprocessing preprocessing = Preprocessing.fromTimm(config);
    config.refuseUnread(HARMLESS);
    return new Checkpoint.Contents(
        "timm",
        tower,
        null,
        preprocessing,
        Math.log(100),
        Pattern.compile("(head|head_dist)\\..*"));
  }

  /** The trunk of an open_clip model with its projection; prefix {@code visual.}. */
  static VisionTower openClipTower(JsonObject config, WeightSource weights, int embed) {
    config.nullMeansAbsent("timm_pool", "timm_proj", "timm_proj_bias");
    // Null is a value of its own here: it is read, as the fields' other values are.
    for (String field : List.of("timm_pool", "timm_proj", "timm_proj_bias")) config.get(field);
    TimmNames name = TimmNames.of(config.text("timm_model_name", ""), config.where());
    boolean nulled = config.names("timm_proj") && !config.has("timm_proj");
    String projection = nulled ? "" : config.text("timm_proj", "linear");
    config.refuse(
        "timm_proj",
        !Set.of("linear", "none", "").contains(projection),
        "known are \"linear\", \"none\", and \"\" for the trunk's own head");
    // Null leaves the network's own pooling, as "" does before a projection of open_clip's.
    boolean given = config.has("timm_pool") || !config.names("timm_pool");
    String pool = given ? config.text("timm_pool", "avg") : "";
    boolean extra = projection.equals("linear");
    String own = name.text("default_global_pool");
    // Where open_clip adds the projection, it sets the pooling after timm has placed the norm.
    String placed = extra || !given ? own : pool;
    String pooled = pool.isEmpty() && (extra || !given) ? own : pool;
    TimmTrunk shape = TimmShape.of(name, placed, config.where());
    String p = "visual.trunk.";
    Linear head = null;
    if (extra) {
      boolean biased = config.flag("timm_proj_bias", false);
      String bias = "visual.head.proj.bias";
      TimmShape.requirePresence(weights, bias, biased, "timm_proj_bias is " + biased);
      head = weights.linear("visual.head.proj", embed, shape.width());
    } else if (projection.isEmpty()) {
      config.refuse(
          "timm_proj", shape.distilled(), "a distilled trunk has two heads; only one is known");
      TimmShape.requirePresence(weights, p + "head.bias", true, "timm_proj is empty");
      head = weights.linear(p + "head", embed, shape.width());
    }
    int image = config.side("image_size", 224, 1 << 14);
    config.refuse(
        "image_size",
        image != shape.patches().imageSize(),
        "the trunk takes images of " + shape.patches().imageSize() + " pixels a side");
    return tower(p, shape, pooled, weights, head);
  }

  private static VisionTower tower(
      String p, TimmTrunk shape, String pool, WeightSource weights, @Nullable Linear projection) {
    Pooling pooling = shape.pooling(pool, weights.where());
    shape.requireFit(weights, p);
    int d = shape.width();
    List<String> prefix = new ArrayList<>();
    if (shape.classToken()) prefix.add(p + "cls_token");
    if (shape.distilled()) prefix.add(p + "dist_token");
    if (shape.registers() > 0) prefix.add(p + "reg_token");
    int embed = projection == null ? d : Math.toIntExact(projection.weight().size(0));
    String norm = shape.finalNorm();
    return new VitNames(
            false,
            p + "patch_embed.proj",
            !shape.preNorm(),
            prefix,
            shape.positions() ? p + "pos_embed" : null,
            shape.preNorm() ? p + "norm_pre" : null,
            shape.names(p),
            norm == null ? null : p + norm)
        .assemble(
            weights,
            new VisionConfig(shape.blocks(), shape.patches(), shape.prefix(), pooling, embed),
            shape.patchesOnly() ? 0 : shape.prefix(),
            pooling == Pooling.ATTENTION ? shape.attentionPool(weights, p) : null,
            projection);
  }

  /** The first token of a tower is its class token, or it has no token before the patches. */
  static void refuseRegistersAlone(boolean classToken, int registers, Object where) {
    if (!classToken && registers > 0) throw unsupported(where, "registers without a class token");
  }

  /** Refuses a value of timm's with its reason. */
  static InputException unsupported(Object where, String what) {
    return new InputException(where, what, "This is not supported; use another checkpoint");
  }
}
