// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.PilResize.Filter;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.preprocess.CentreCrop.Rounding;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * Reads how open_clip and timm describe preprocessing: every field is used, known as harmless, or
 * refused.
 */
final class PreprocessingConfigs {
  static final List<Double> CLIP_MEAN = List.of(0.48145466, 0.4578275, 0.40821073);
  static final List<Double> CLIP_STD = List.of(0.26862954, 0.26130258, 0.27577711);
  static final List<Double> IMAGENET_MEAN = List.of(0.485, 0.456, 0.406);
  static final List<Double> IMAGENET_STD = List.of(0.229, 0.224, 0.225);
  static final List<Double> HALF = List.of(0.5, 0.5, 0.5);
  static final double TO_UNIT = 1.0 / 255;

  /** As small a divisor would turn the last bit of a sample into a number without meaning. */
  private static final double LEAST_STD = 1e-6;

  /** Larger than any tower's input, small enough that a batch of them fits. */
  static final int MAX_SIZE = 8192;

  /** All of open_clip's fields; it passes over those that are null. */
  private static final String[] OPEN_CLIP = {
    "size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"
  };

  /** timm's fields of preprocessing; null is the default for each. */
  private static final String[] TIMM = {
    "input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std"
  };

  /** Fields of a {@code pretrained_cfg} that say nothing about how an image is prepared. */
  private static final Set<String> TIMM_HARMLESS =
      JsonObject.fields(
          """
          url file hf_hub_id hf_hub_filename source architecture tag custom_load
          """,
          // Used by timm only for its test size.
          """
          test_input_size test_crop_pct test_pool_size min_input_size fixed_input_size
          num_classes label_offset label_names label_descriptions pool_size first_conv
          classifier license description origin_url paper_name paper_ids notes
          """);

  private PreprocessingConfigs() {}

  static InputException bad(JsonObject config, String what) {
    return config.bad(what, "Correct the file, or fetch the model's own");
  }

  static Preprocessing clip(int size) {
    return new Preprocessing(
        new Resizing.Shortest(size),
        Filter.BICUBIC,
        new CentreCrop(size, size, Rounding.TORCHVISION, 0),
        new Normalisation(TO_UNIT, CLIP_MEAN, CLIP_STD));
  }

  static Preprocessing dinoV3(int size, boolean satellite) {
    var normalisation =
        satellite
            ? new Normalisation(TO_UNIT, List.of(0.430, 0.411, 0.296), List.of(0.213, 0.156, 0.143))
            : new Normalisation(TO_UNIT, IMAGENET_MEAN, IMAGENET_STD);
    return new Preprocessing(
        new Resizing.Exact(size, size),
        Filter.BILINEAR,
        new CentreCrop(size, size, Rounding.TORCHVISION, 0),
        normalisation);
  }

  static List<Double> mean(JsonObject c, String name, List<Double> absent) {
    return c.triple(name, absent, -1e6, 1e6);
  }

  static List<Double> std(JsonObject c, String name, List<Double> absent) {
    return c.triple(name, absent, LEAST_STD, 1e6);
  }

  private static Filter timmInterpolation(JsonObject c) {
    String name = c.text("interpolation", "bicubic");
    for (Filter filter : Filter.values()) {
      if (filter.name().toLowerCase(Locale.ROOT).equals(name)) return filter;
    }
    throw bad(c, "the interpolation " + name + " is unknown");
  }

  private static Filter openClipInterpolation(JsonObject c) {
    return switch (c.text("interpolation", "bicubic")) {
      case "bilinear" -> Filter.BILINEAR;
      // "random" is a matter of training: open_clip takes bicubic elsewhere.
      case "bicubic", "random" -> Filter.BICUBIC;
      default -> throw c.wrong("interpolation", "bicubic, bilinear or random");
    };
  }

  /** Height and width, from one number or two. */
  private static int[] pair(JsonObject c, String name, JsonNode size) {
    if (!size.isArray())
      return new int[] {c.whole(name, size, 1, MAX_SIZE), c.whole(name, size, 1, MAX_SIZE)};
    if (size.size() != 1 && size.size() != 2) throw bad(c, name + " is not one or two numbers");
    JsonNode last = size.get(size.size() - 1);
    return new int[] {c.whole(name, size.get(0), 1, MAX_SIZE), c.whole(name, last, 1, MAX_SIZE)};
  }

  /** Reads and closes the object. */
  static Preprocessing openClip(JsonObject c, int imageSize) {
    c.nullMeansAbsent(OPEN_CLIP);
    int[] size = {224, 224};
    JsonNode own = c.get("size");
    if (own != null) size = pair(c, "size", own);
    if (imageSize < 0 || imageSize > MAX_SIZE) {
      throw bad(c, "the model's image size is " + imageSize);
    }
    if (imageSize > 0) size = new int[] {imageSize, imageSize};
    if (!c.text("mode", "RGB").equals("RGB")) throw bad(c, "its mode is not RGB");
    int grey = c.integer("fill_color", 0, 0, 255);
    String mode = c.text("resize_mode", "shortest");
    Resizing resizing =
        switch (mode) {
          case "shortest" -> covering(size);
          case "longest" -> new Resizing.Fit(size[1], size[0]);
          case "squash" -> new Resizing.Exact(size[1], size[0]);
          default -> throw bad(c, "the resize_mode " + mode + " is unknown");
        };
    int fill = mode.equals("longest") ? grey * 0x010101 : 0;
    Filter filter = openClipInterpolation(c);
    var normalisation = normalisation(c, CLIP_MEAN, CLIP_STD);
    c.refuseUnread(Set.of());
    return withTorchvision(resizing, filter, size, fill, normalisation);
  }

  /** Reads and closes {@code pretrained_cfg} where it is there; else reads the object itself. */
  static Preprocessing timm(JsonObject outer) {
    boolean nested = outer.names("pretrained_cfg");
    JsonObject c = nested ? outer.object("pretrained_cfg") : outer;
    c.nullMeansAbsent(TIMM);
    int[] size = {224, 224};
    JsonNode input = c.get("input_size");
    if (input != null) {
      if (!input.isArray()
          || input.size() != 3
          || c.whole("input_size", input.get(0), 1, MAX_SIZE) != 3) {
        throw bad(c, "input_size is not [3, height, width]");
      }
      size[0] = c.whole("input_size", input.get(1), 1, MAX_SIZE);
      size[1] = c.whole("input_size", input.get(2), 1, MAX_SIZE);
    }
    double share = c.number("crop_pct", 0.875, 0.01, 10);
    int[] scaled = {(int) Math.floor(size[0] / share), (int) Math.floor(size[1] / share)};
    if (Math.min(scaled[0], scaled[1]) < 1) throw bad(c, "crop_pct is too large");
    String mode = c.text("crop_mode", "center");
    List<Double> mean = mean(c, "mean", IMAGENET_MEAN);
    Resizing resizing =
        switch (mode) {
          case "center" -> covering(scaled);
          case "squash" -> new Resizing.Exact(scaled[1], scaled[0]);
          case "border" -> new Resizing.Fit(scaled[1], scaled[0]);
          default -> throw bad(c, "the crop_mode " + mode + " is unknown");
        };
    int fill = 0;
    if (mode.equals("border")) {
      for (double m : mean) fill = fill << 8 | Math.clamp((int) Math.rint(255 * m), 0, 255);
    }
    Filter filter = timmInterpolation(c);
    var normalisation = normalisation(c, mean, IMAGENET_STD);
    if (nested) c.refuseUnread(TIMM_HARMLESS);
    return withTorchvision(resizing, filter, size, fill, normalisation);
  }

  private static Resizing covering(int[] size) {
    return size[0] == size[1]
        ? new Resizing.Shortest(size[0])
        : new Resizing.Cover(size[1], size[0]);
  }

  private static Normalisation normalisation(JsonObject c, List<Double> mean, List<Double> std) {
    return new Normalisation(TO_UNIT, mean(c, "mean", mean), std(c, "std", std));
  }

  private static Preprocessing withTorchvision(
      Resizing resizing, Filter filter, int[] size, int fill, Normalisation normalisation) {
    var crop = new CentreCrop(size[1], size[0], Rounding.TORCHVISION, fill);
    return new Preprocessing(resizing, filter, crop, normalisation);
  }
}
