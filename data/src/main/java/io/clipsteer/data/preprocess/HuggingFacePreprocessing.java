// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

import io.clipsteer.data.image.PilResize.Filter;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.preprocess.CentreCrop.Rounding;
import io.clipsteer.data.preprocess.Preprocessing.Samples;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Reads the image processors of transformers: every field is used, known as harmless, or refused.
 */
final class HuggingFacePreprocessing {
  private static final Resizing SQUARE_224 = new Resizing.Exact(224, 224);
  private static final int[] CROP_224 = {224, 224};

  /**
   * A processor class's defaults.
   *
   * @param size without {@code size}
   * @param square whether a size of one number is a square, not the shortest edge
   * @param crop whether the middle is cropped
   * @param cropSize height and width without {@code crop_size}; null where the class has none
   */
  private record Defaults(
      Resizing size,
      boolean square,
      boolean crop,
      int @Nullable [] cropSize,
      Filter filter,
      List<Double> mean,
      List<Double> std,
      Samples samples) {}

  private static final Defaults CLIP =
      new Defaults(
          new Resizing.Shortest(224),
          false,
          true,
          CROP_224,
          Filter.BICUBIC,
          PreprocessingConfigs.CLIP_MEAN,
          PreprocessingConfigs.CLIP_STD,
          Samples.BYTES);

  /** Rescales before it resizes. */
  private static final Defaults DINO_V3 =
      new Defaults(
          SQUARE_224,
          true,
          false,
          null,
          Filter.BILINEAR,
          PreprocessingConfigs.IMAGENET_MEAN,
          PreprocessingConfigs.IMAGENET_STD,
          Samples.FLOATS);

  /** The processors whose steps are resize, crop, rescale and normalise, and nothing else. */
  private static final Map<String, Defaults> PROCESSORS =
      Map.of(
          "CLIPImageProcessor",
          CLIP,
          "BitImageProcessor",
          CLIP,
          "ViTImageProcessor",
          half(SQUARE_224, true, false, null, Filter.BILINEAR),
          "DINOv3ViTImageProcessor",
          DINO_V3,
          "DeiTImageProcessor",
          half(new Resizing.Exact(256, 256), true, true, CROP_224, Filter.BICUBIC),
          "SiglipImageProcessor",
          half(SQUARE_224, false, false, null, Filter.BICUBIC));

  /**
   * Fields that may be null. A step that is null is not done; what only such a step needs may be
   * null with it.
   */
  private static final String[] NULLABLE =
      """
      do_resize size default_to_square crop_size resample do_rescale rescale_factor do_normalize
      image_mean image_std do_pad pad_size do_center_crop data_format input_data_format
      image_processor_type feature_extractor_type use_square_size auto_map
      """
          .split("\\s+");

  /** Fields that cannot change the result for an image that is RGB already. */
  private static final Set<String> HARMLESS =
      JsonObject.fields(
          """
          do_convert_rgb device disable_grouping return_tensors image_seq_length processor_class
          image_processor_class model_input_names transformers_version _valid_processor_keys
          _valid_kwargs_names _processor_class _commit_hash name_or_path _name_or_path
          """);

  private HuggingFacePreprocessing() {}

  private static Defaults half(
      Resizing size, boolean square, boolean crop, int @Nullable [] cropSize, Filter filter) {
    var half = PreprocessingConfigs.HALF;
    return new Defaults(size, square, crop, cropSize, filter, half, half, Samples.BYTES);
  }

  /**
   * Reads and closes the object.
   *
   * @param otherwise the processor where the object names none
   */
  static Preprocessing read(JsonObject c, String otherwise) {
    c.nullMeansAbsent(NULLABLE);
    Defaults defaults = defaults(c, otherwise);
    boolean resize = step(c, "do_resize", true, "size", "resample");
    boolean cropped = step(c, "do_center_crop", defaults.crop, "crop_size");
    boolean rescale = step(c, "do_rescale", true, "rescale_factor");
    boolean normalise = step(c, "do_normalize", true, "image_mean", "image_std");
    Resizing size = size(c, defaults);
    Resizing resizing = resize ? size : new Resizing.Unchanged();
    int[] cropSize = cropSize(c, defaults.cropSize);
    CentreCrop crop;
    if (cropped) {
      if (cropSize == null) throw c.wrong("crop_size", "the size to crop to");
      crop = new CentreCrop(cropSize[1], cropSize[0], Rounding.TRANSFORMERS, 0);
    } else if (resizing instanceof Resizing.Exact(int width, int height)) {
      crop = new CentreCrop(width, height, Rounding.TRANSFORMERS, 0);
    } else {
      throw PreprocessingConfigs.bad(
          c, "without a centre crop the inputs would have different sizes");
    }
    double factor = c.number("rescale_factor", PreprocessingConfigs.TO_UNIT, Double.MIN_VALUE, 1e3);
    List<Double> mean = PreprocessingConfigs.mean(c, "image_mean", defaults.mean);
    List<Double> std = PreprocessingConfigs.std(c, "image_std", defaults.std);
    for (String name : new String[] {"image_mean", "image_std"}) {
      JsonNode three = c.get(name);
      if (three != null && three.size() == 1) throw c.wrong(name, "one number or a list of three");
    }
    Filter filter = resample(c, defaults.filter);
    refuseOtherSteps(c);
    c.refuseUnread(HARMLESS);
    Samples samples = resize ? defaults.samples : Samples.BYTES;
    if (samples == Samples.FLOATS) {
      c.refuse("do_center_crop", cropped, "a crop of resized floats");
      boolean smooth = filter == Filter.BILINEAR || filter == Filter.BICUBIC;
      c.refuse("resample", !smooth, "floats are resized with 2 or 3");
    }
    return new Preprocessing(
        resizing,
        filter,
        crop,
        new Normalisation(
            rescale ? factor : 1,
            normalise ? mean : List.of(0.0, 0.0, 0.0),
            normalise ? std : List.of(1.0, 1.0, 1.0)),
        samples);
  }

  /**
   * Whether a step is done.
   *
   * @param needs the fields that must not be null if it is
   */
  private static boolean step(JsonObject c, String name, boolean absent, String... needs) {
    boolean done = flag(c, name, absent);
    for (String need : needs) {
      if (done && isNull(c, need)) throw c.wrong(need, "a value, and " + name + " needs one");
    }
    return done;
  }

  /** A flag; null is false, also where the default is true. */
  private static boolean flag(JsonObject c, String name, boolean absent) {
    return c.flag(name, absent && !isNull(c, name));
  }

  private static boolean isNull(JsonObject c, String name) {
    return c.names(name) && !c.has(name);
  }

  private static Defaults defaults(JsonObject c, String otherwise) {
    String type = c.textOrNull("image_processor_type");
    String legacy = c.textOrNull("feature_extractor_type");
    if (type == null) {
      type = legacy == null ? otherwise : legacy;
    }
    String plain = type.replace("FeatureExtractor", "ImageProcessor").replaceAll("(Fast|Pil)$", "");
    Defaults defaults = PROCESSORS.get(plain);
    if (defaults == null) {
      throw PreprocessingConfigs.bad(
          c,
          "the image processor "
              + type
              + " is not one of "
              + String.join(", ", PROCESSORS.keySet().stream().sorted().toList()));
    }
    return defaults;
  }

  private static void refuseOtherSteps(JsonObject c) {
    boolean pad = flag(c, "do_pad", false);
    c.refuse("pad_size", c.get("pad_size") != null && pad, "images would be padded");
    c.refuse("use_square_size", flag(c, "use_square_size", false), "another rule for the size");
    String format = c.text("data_format", "channels_first");
    c.refuse("data_format", !format.equals("channels_first"), "only channels_first is known");
    c.refuse("input_data_format", c.get("input_data_format") != null, "images come as files");
    c.refuse("auto_map", c.get("auto_map") != null, "its code lies outside transformers");
  }

  private static Resizing size(JsonObject c, Defaults defaults) {
    boolean square = flag(c, "default_to_square", defaults.square);
    JsonNode size = c.get("size");
    if (size == null) return defaults.size;
    int[] sides = sides(c, "size", size);
    if (sides == null) {
      JsonObject s = JsonObject.of(size, c.where() + " size");
      Integer edge = s.integerOrNull("shortest_edge", 1, PreprocessingConfigs.MAX_SIZE);
      if (edge == null || s.names().size() != 1) {
        throw PreprocessingConfigs.bad(
            c, "size has neither shortest_edge alone nor height and width alone");
      }
      return new Resizing.Shortest(edge);
    }
    if (size.isIntegralNumber() && !square) return new Resizing.Shortest(sides[0]);
    return new Resizing.Exact(sides[1], sides[0]);
  }

  private static int @Nullable [] cropSize(JsonObject c, int @Nullable [] otherwise) {
    JsonNode size = c.get("crop_size");
    if (size == null) return otherwise;
    int[] sides = sides(c, "crop_size", size);
    if (sides == null) {
      throw PreprocessingConfigs.bad(c, "crop_size has not height and width alone");
    }
    return sides;
  }

  /** Height and width from a number, two numbers or an object of both; null for other objects. */
  private static int @Nullable [] sides(JsonObject c, String name, JsonNode size) {
    int most = PreprocessingConfigs.MAX_SIZE;
    if (!size.isObject()) {
      if (size.isArray() && size.size() != 2) throw c.wrong(name, "one or two numbers");
      JsonNode height = size.isArray() ? size.get(0) : size;
      JsonNode width = size.isArray() ? size.get(1) : size;
      return new int[] {c.whole(name, height, 1, most), c.whole(name, width, 1, most)};
    }
    JsonObject s = JsonObject.of(size, c.where() + " " + name);
    if (!s.names().equals(Set.of("height", "width"))) return null;
    return new int[] {
      s.integer("height", 0, 1, most), s.integer("width", 0, 1, most),
    };
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
      default -> throw c.wrong("resample", "one of PIL's numbers 0 to 5");
    };
  }
}
