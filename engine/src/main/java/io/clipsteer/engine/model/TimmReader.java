// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.Preprocessing;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import io.clipsteer.engine.model.WeightSource.BlockNames;
import io.clipsteer.engine.model.WeightSource.BlockShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * timm's vision transformers, alone or as open_clip's trunk. Their configurations name a model and
 * little else: the shapes give the sizes, the name gives heads, norm and activation.
 */
final class TimmReader {
  /** Heads of the sizes whose heads are not 64 wide. */
  private static final Map<String, Integer> ODD_HEADS =
      Map.of("vit_so400m", 16, "vit_giant", 16, "vit_gigantic", 16, "vit_medium_", 8);

  private TimmReader() {}

  /** A folder of timm's own: {@code config.json} with architecture and pretrained_cfg. */
  static Checkpoint.Parts read(JsonObject config, WeightSource weights) {
    JsonObject args = config.object("model_args");
    String name = config.text("architecture", "");
    String pool = config.text("global_pool", args.text("global_pool", "token"));
    int heads = args.integer("num_heads", 0, 0, 1 << 12);
    boolean distilled = weights.has("dist_token");
    VisionTower tower = tower("", name, heads, distilled ? "distilled" : pool, weights, null, 0);
    return new Checkpoint.Parts(
        "timm",
        tower,
        null,
        Preprocessing.fromTimm(config),
        Math.log(100),
        Pattern.compile("(head|head_dist)\\..*"));
  }

  /** The trunk of an open_clip model with its projection; prefix {@code visual.}. */
  static VisionTower openClipTower(JsonObject config, WeightSource weights, int embed) {
    String name = config.text("timm_model_name", "");
    String projection = config.text("timm_proj", "linear");
    config.refuse(
        "timm_proj",
        !projection.equals("linear") && !projection.equals("none") && !projection.isEmpty(),
        "only \"linear\" is known");
    Linear head = null;
    if (projection.equals("linear") || weights.has("visual.head.proj.weight")) {
      long width = weights.shape("visual.trunk.cls_token")[2];
      head = weights.linear("visual.head.proj", embed, width);
    }
    String pool = config.text("timm_pool", "avg");
    return tower("visual.trunk.", name, 0, pool, weights, head, embed);
  }

  private static VisionTower tower(
      String p,
      String name,
      int namedHeads,
      String pool,
      WeightSource weights,
      @Nullable Linear projection,
      int embed) {
    long[] conv = weights.shape(p + "patch_embed.proj.weight");
    long[] positions = weights.shape(p + "pos_embed");
    if (conv.length != 4 || positions.length != 3 || !weights.has(p + "cls_token")) {
      throw new InputException(
          weights.where(),
          "timm model " + name + " has no class token or no plain patches",
          "Plain vision transformers are supported");
    }
    int d = Math.toIntExact(conv[0]);
    int patch = Math.toIntExact(conv[2]);
    boolean distilled = weights.has(p + "dist_token");
    int registers =
        weights.has(p + "reg_token") ? Math.toIntExact(weights.shape(p + "reg_token")[1]) : 0;
    int prefix = 1 + (distilled ? 1 : 0) + registers;
    int grid = grid(positions[1], prefix, weights, p);
    long positioned = positions[1] - (long) grid * grid;
    boolean clip = name.contains("_clip_");
    double eps = clip ? 1e-5 : 1e-6;
    Activation activation = name.contains("quickgelu") ? Activation.QUICK_GELU : Activation.GELU;
    int hidden = Math.toIntExact(weights.shape(p + "blocks.0.mlp.fc1.weight")[0]);
    int layers = OpenClipReader.count(weights, p + "blocks.%d.norm1.weight");
    var config =
        new VisionTower.Config(
            d,
            layers,
            heads(name, namedHeads, d, weights),
            patch,
            grid * patch,
            prefix,
            activation,
            pooling(pool, weights, p),
            projection == null ? d : embed,
            PositionResize.NONE);
    BlockNames names =
        new BlockNames(
            p + "blocks.%d.",
            "norm1",
            List.of("attn.qkv"),
            "attn.proj",
            "norm2",
            "mlp.fc1",
            "mlp.fc2",
            "ls1.gamma",
            "ls2.gamma");
    String norm = weights.has(p + "fc_norm.weight") ? "fc_norm" : "norm";
    Norm preNorm = weights.has(p + "norm_pre.weight") ? weights.norm(p + "norm_pre", d, eps) : null;
    return new VisionTower(
        config,
        new VisionTower.Weights(
            HuggingFaceReader.patchProduct(
                weights,
                p + "patch_embed.proj",
                d,
                patch,
                preNorm == null || weights.has(p + "patch_embed.proj.bias")),
            weights.ready(() -> prefixTokens(weights, p, d, prefix, positioned)),
            weights.ready(
                () ->
                    weights
                        .take(p + "pos_embed", 1, positions[1], d)
                        .narrow(1, positioned, (long) grid * grid)
                        .reshape((long) grid * grid, d)),
            preNorm,
            weights.blocks(names, layers, new BlockShape(d, hidden, activation, eps)),
            weights.norm(p + norm, d, eps),
            projection));
  }

  /** Class, distillation, registers; the first {@code positioned} of them have positions. */
  private static Tensor prefixTokens(
      WeightSource weights, String p, long d, int prefix, long positioned) {
    List<Tensor> tokens = new ArrayList<>();
    tokens.add(weights.take(p + "cls_token", 1, 1, d));
    if (weights.has(p + "dist_token")) tokens.add(weights.take(p + "dist_token", 1, 1, d));
    if (weights.has(p + "reg_token")) tokens.add(weights.take(p + "reg_token", 1, -1, d));
    Tensor all = Tensor.concat(tokens, 1).reshape(prefix, d).contiguous();
    if (positioned > 0) {
      Tensor positions = weights.take(p + "pos_embed", 1, -1, d).narrow(1, 0, positioned);
      all.narrow(0, 0, positioned).addInPlace(positions.reshape(positioned, d));
    }
    return all;
  }

  private static int grid(long rows, int prefix, WeightSource weights, String p) {
    for (long without : new long[] {prefix, 1, 0}) {
      int grid = (int) Math.round(Math.sqrt(Math.max(0, rows - without)));
      if (grid > 0 && (long) grid * grid == rows - without) return grid;
    }
    throw new InputException(
        weights.where(), p + "pos_embed has " + rows + " rows, no square grid", "Not supported");
  }

  private static int heads(String name, int named, int width, WeightSource weights) {
    int heads = named;
    for (var odd : ODD_HEADS.entrySet()) {
      if (heads == 0 && name.startsWith(odd.getKey())) heads = odd.getValue();
    }
    if (heads == 0) heads = width / 64;
    if (heads == 0 || width % heads != 0) {
      throw new InputException(
          weights.where(),
          "the number of heads of " + name + " at width " + width + " is unknown",
          "Give model_args.num_heads in its config.json");
    }
    return heads;
  }

  private static Pooling pooling(String pool, WeightSource weights, String p) {
    return switch (pool) {
      case "distilled" -> Pooling.CLS_AND_DISTILLATION;
      case "token", "tok", "" -> Pooling.CLS;
      case "avg" ->
          weights.has(p + "fc_norm.weight")
              ? Pooling.NORM_OF_MEAN_PATCH
              : Pooling.MEAN_OF_NORMED_PATCHES;
      default ->
          throw new InputException(
              weights.where(), "pooling \"" + pool + "\" is not known", "Known are token and avg");
    };
  }
}
