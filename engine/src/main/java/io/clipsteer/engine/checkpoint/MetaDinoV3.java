// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.checkpoint.BlockNames.Others;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.PositionResize;
import io.clipsteer.engine.model.Rotary;
import io.clipsteer.engine.model.TowerShape;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * Meta's own DINOv3 files: a {@code .pth} without configuration. Shapes give the sizes; the name
 * says on which images it was trained, which decides the mean and the standard deviation.
 */
final class MetaDinoV3 {
  private static final String BLOCK = "blocks.%d.";

  /** Heads are this wide, but in the model of 7 billion weights. */
  private static final int HEAD = 64;

  private static final int GIANT = 4096;
  private static final int IMAGE = 256;

  private MetaDinoV3() {}

  /** Whether a file without configuration has the names of DINOv3. */
  static boolean fits(WeightSource weights) {
    return weights.has("storage_tokens") && weights.has("patch_embed.proj.weight");
  }

  static Checkpoint.Contents read(Path file, WeightSource weights) {
    long[] conv = weights.shape("patch_embed.proj.weight");
    long[] storage = weights.shape("storage_tokens");
    if (conv.length != 4 || storage.length != 3 || conv[0] % HEAD != 0 || conv[2] > IMAGE) {
      throw new InputException(
          weights.where(), "its shapes are not those of a DINOv3", "Fetch the file again");
    }
    int d = Math.toIntExact(conv[0]);
    int registers = Math.toIntExact(storage[1]);
    boolean gated = weights.has(BLOCK.formatted(0) + "mlp.w1.weight");
    int layers = 0;
    while (weights.has(BLOCK.formatted(layers) + "norm1.weight")) layers++;
    String inner = gated ? "mlp.w1" : "mlp.fc1";
    int hidden = Math.toIntExact(weights.shape(BLOCK.formatted(0) + inner + ".weight")[0]);
    int heads = d == GIANT ? d / (2 * HEAD) : d / HEAD;
    var shape =
        new TowerShape(
            d,
            layers,
            heads,
            hidden,
            gated ? Activation.SWIGLU : Activation.GELU,
            1e-5,
            rotary(weights, d / heads));
    for (int layer = 0; layer < layers; layer++) {
      String qkv = BLOCK.formatted(layer) + "attn.qkv.";
      boolean biased = weights.has(BLOCK.formatted(0) + "attn.qkv.bias");
      String setting = "the first block's " + (biased ? "is there" : "is not");
      TimmShape.requirePresence(weights, qkv + "bias", biased, setting);
      TimmShape.requirePresence(weights, qkv + "bias_mask", biased, setting);
      weights.shape(BLOCK.formatted(layer) + "ls1.gamma");
      weights.shape(BLOCK.formatted(layer) + "ls2.gamma");
    }
    var patches = new PatchGrid(Math.toIntExact(conv[2]), IMAGE, PositionResize.ROTARY);
    VisionTower tower =
        new VitNames(
                false,
                "patch_embed.proj",
                true,
                List.of("cls_token", "storage_tokens"),
                null,
                null,
                blocks(gated),
                "norm")
            .assemble(
                weights, new VisionConfig(shape, patches, 1 + registers, Pooling.CLS, d), 0, null);
    return new Checkpoint.Contents(
        "dinov3",
        tower,
        null,
        preprocessing(file),
        Math.log(100),
        // The latter norms class tokens of small crops in training alone.
        Pattern.compile("mask_token|local_cls_norm\\.(weight|bias)"));
  }

  private static BlockNames blocks(boolean gated) {
    return new BlockNames(
        BLOCK,
        "norm1",
        List.of("attn.qkv"),
        "attn.proj",
        "norm2",
        gated ? "mlp.w1+mlp.w2" : "mlp.fc1",
        gated ? "mlp.w3" : "mlp.fc2",
        "ls1.gamma",
        "ls2.gamma",
        new Others(List.of(), "attn.qkv.bias_mask", "none", "none", false));
  }

  /** The periods stand in the file, perhaps rounded to bf16; its own code computes with them. */
  private static Rotary rotary(WeightSource weights, int width) {
    String name = "rope_embed.periods";
    double[] periods = weights.numbers(name, width / 4);
    for (int i = 0; i < periods.length; i++) {
      double expected = Math.pow(100, 4.0 * i / width);
      if (Math.abs(periods[i] / expected - 1) > 1.0 / 128) {
        throw new InputException(
            weights.where(),
            name + " holds " + periods[i] + " where DINOv3 has " + expected,
            "Fetch the file again");
      }
    }
    return new Rotary.Centred(100, Arrays.stream(periods).boxed().toList());
  }

  private static Preprocessing preprocessing(Path file) {
    String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
    if (name.contains("lvd1689m")) return Preprocessing.dinoV3(IMAGE, false);
    if (name.contains("sat493m")) return Preprocessing.dinoV3(IMAGE, true);
    throw new InputException(
        file,
        "its name says neither lvd1689m nor sat493m, and mean and standard deviation follow from"
            + " it",
        "Give the file the name it was published with");
  }
}
