// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.CentreCrop.Rounding;
import io.clipsteer.data.image.PilResize.Filter;
import io.clipsteer.data.json.JsonObject;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.JsonNode;

/** Reads the three dialects in which models describe their preprocessing. */
final class PreprocessingConfigs {
  private static final List<Double> CLIP_MEAN = List.of(0.48145466, 0.4578275, 0.40821073);
  private static final List<Double> CLIP_STD = List.of(0.26862954, 0.26130258, 0.27577711);
  private static final List<Double> IMAGENET_MEAN = List.of(0.485, 0.456, 0.406);
  private static final List<Double> IMAGENET_STD = List.of(0.229, 0.224, 0.225);
  private static final List<Double> HALF = List.of(0.5, 0.5, 0.5);
  private static final double TO_UNIT = 1.0 / 255;

  /** As small a divisor would turn the last bit of a sample into a number without meaning. */
  private static final double LEAST_STD = 1e-6;

  /** Larger than any tower's input, small enough that a batch of them fits. */
  private static final int MAX_SIZE = 8192;

  private PreprocessingConfigs() {}

  private static InputException bad(JsonObject config, String what) {
    return config.bad(what, "Correct the file, or fetch the model's own");
  }

  static Preprocessing clip(int size) {
    return new Preprocessing(
        new Resizing.Shortest(size),
        Filter.BICUBIC,
        new CentreCrop(size, size, Rounding.TORCHVISION, 0),
        new Normalisation(TO_UNIT, CLIP_MEAN, CLIP_STD));
  }

  /** A processor class's defaults. */
  private record Defaults(
      boolean square, boolean crop, Filter filter, List<Double> mean, List<Double> std) {}

  private static Defaults defaults(JsonObject c) {
    String type = c.text("image_processor_type", c.text("feature_extractor_type", "CLIP"));
    if (type.startsWith("CLIP") || type.startsWith("Bit")) {
      return new Defaults(false, true, Filter.BICUBIC, CLIP_MEAN, CLIP_STD);
    }
    if (type.startsWith("ViT") && !type.startsWith("ViTMAE")) {
      return new Defaults(true, false, Filter.BILINEAR, HALF, HALF);
    }
    if (type.startsWith("Siglip") && !type.startsWith("Siglip2")) {
      return new Defaults(true, false, Filter.BICUBIC, HALF, HALF);
    }
    throw bad(c, "the image processor " + type + " is not one of CLIP, ViT, Bit, Siglip");
  }

  static Preprocessing huggingFace(JsonObject c) {
    Defaults defaults = defaults(c);
    Resizing resizing = new Resizing.None();
    if (c.flag("do_resize", true)) resizing = huggingFaceSize(c, defaults.square);
    CentreCrop crop;
    if (c.flag("do_center_crop", defaults.crop)) {
      int[] size = cropSize(c);
      crop = new CentreCrop(size[1], size[0], Rounding.TRANSFORMERS, 0);
    } else if (resizing instanceof Resizing.Exact(int width, int height)) {
      crop = new CentreCrop(width, height, Rounding.TRANSFORMERS, 0);
    } else {
      throw bad(c, "without a centre crop the inputs would have different sizes");
    }
    double factor = 1;
    if (c.flag("do_rescale", true))
      factor = c.number("rescale_factor", TO_UNIT, Double.MIN_VALUE, 1e3);
    boolean normalise = c.flag("do_normalize", true);
    return new Preprocessing(
        resizing,
        resample(c, defaults.filter),
        crop,
        new Normalisation(
            factor,
            normalise ? c.triple("image_mean", defaults.mean, -1e6, 1e6) : List.of(0.0, 0.0, 0.0),
            normalise
                ? c.triple("image_std", defaults.std, LEAST_STD, 1e6)
                : List.of(1.0, 1.0, 1.0)));
  }

  private static Resizing huggingFaceSize(JsonObject c, boolean square) {
    JsonNode size = c.get("size");
    if (size == null) return square ? new Resizing.Exact(224, 224) : new Resizing.Shortest(224);
    if (!size.isObject()) {
      int edge = c.whole("size", size, 1, MAX_SIZE);
      return square ? new Resizing.Exact(edge, edge) : new Resizing.Shortest(edge);
    }
    JsonObject s = JsonObject.of(size, c.where() + " size");
    JsonNode shortest = s.get("shortest_edge");
    JsonNode height = s.get("height");
    JsonNode width = s.get("width");
    if (shortest != null && s.get("longest_edge") == null) {
      return new Resizing.Shortest(s.whole("shortest_edge", shortest, 1, MAX_SIZE));
    }
    if (height == null || width == null || shortest != null) {
      throw bad(c, "size has neither shortest_edge alone nor height and width");
    }
    return new Resizing.Exact(
        s.whole("width", width, 1, MAX_SIZE), s.whole("height", height, 1, MAX_SIZE));
  }

  private static int[] cropSize(JsonObject c) {
    JsonNode size = c.get("crop_size");
    if (size == null) return new int[] {224, 224};
    if (!size.isObject()) {
      int edge = c.whole("crop_size", size, 1, MAX_SIZE);
      return new int[] {edge, edge};
    }
    JsonObject s = JsonObject.of(size, c.where() + " crop_size");
    JsonNode height = s.get("height");
    JsonNode width = s.get("width");
    if (height == null || width == null) throw bad(c, "crop_size lacks height or width");
    return new int[] {s.whole("height", height, 1, MAX_SIZE), s.whole("width", width, 1, MAX_SIZE)};
  }

  private static Filter resample(JsonObject c, Filter otherwise) {
    JsonNode child = c.get("resample");
    if (child == null) return otherwise;
    int code = child.isIntegralNumber() && child.canConvertToInt() ? child.intValue() : -1;
    return switch (code) {
      case 0 -> Filter.NEAREST;
      case 1 -> Filter.LANCZOS;
      case 2 -> Filter.BILINEAR;
      case 3 -> Filter.BICUBIC;
      case 4 -> Filter.BOX;
      case 5 -> Filter.HAMMING;
      default -> throw bad(c, "resample is not one of PIL's numbers 0 to 5");
    };
  }

  private static Filter interpolation(JsonObject c) {
    String name = c.text("interpolation", "bicubic").toUpperCase(Locale.ROOT);
    for (Filter filter : Filter.values()) {
      if (filter.name().equals(name)) return filter;
    }
    throw bad(c, "the interpolation " + name + " is unknown");
  }

  /** Height and width, from one number or two. */
  private static int[] pair(JsonObject c, String name, JsonNode size) {
    if (!size.isArray())
      return new int[] {c.whole(name, size, 1, MAX_SIZE), c.whole(name, size, 1, MAX_SIZE)};
    if (size.size() != 1 && size.size() != 2) throw bad(c, name + " is not one or two numbers");
    JsonNode last = size.get(size.size() - 1);
    return new int[] {c.whole(name, size.get(0), 1, MAX_SIZE), c.whole(name, last, 1, MAX_SIZE)};
  }

  static Preprocessing openClip(JsonObject c, int imageSize) {
    int[] size = {224, 224};
    JsonNode own = c.get("size");
    if (own != null) size = pair(c, "size", own);
    if (imageSize < 0 || imageSize > MAX_SIZE) {
      throw bad(c, "the model's image size is " + imageSize);
    }
    if (imageSize > 0) size = new int[] {imageSize, imageSize};
    if (!c.text("mode", "RGB").equals("RGB")) throw bad(c, "its mode is not RGB");
    int grey = (int) c.number("fill_color", 0, 0, 255);
    String mode = c.text("resize_mode", "shortest");
    Resizing resizing =
        switch (mode) {
          case "shortest" -> covering(size);
          case "longest" -> new Resizing.Fit(size[1], size[0]);
          case "squash" -> new Resizing.Exact(size[1], size[0]);
          default -> throw bad(c, "the resize_mode " + mode + " is unknown");
        };
    int fill = mode.equals("longest") ? grey * 0x010101 : 0;
    return withTorchvision(c, resizing, size, fill, CLIP_MEAN, CLIP_STD);
  }

  static Preprocessing timm(JsonObject outer) {
    JsonNode inner = outer.get("pretrained_cfg");
    JsonObject c = inner == null ? outer : JsonObject.of(inner, outer.where() + " pretrained_cfg");
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
    List<Double> mean = c.triple("mean", IMAGENET_MEAN, -1e6, 1e6);
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
    return withTorchvision(c, resizing, size, fill, IMAGENET_MEAN, IMAGENET_STD);
  }

  private static Resizing covering(int[] size) {
    return size[0] == size[1]
        ? new Resizing.Shortest(size[0])
        : new Resizing.Cover(size[1], size[0]);
  }

  private static Preprocessing withTorchvision(
      JsonObject c, Resizing resizing, int[] size, int fill, List<Double> mean, List<Double> std) {
    return new Preprocessing(
        resizing,
        interpolation(c),
        new CentreCrop(size[1], size[0], Rounding.TORCHVISION, fill),
        new Normalisation(
            TO_UNIT, c.triple("mean", mean, -1e6, 1e6), c.triple("std", std, LEAST_STD, 1e6)));
  }
}
