// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

import io.clipsteer.data.image.FloatResize;
import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.image.PilResize;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.json.JsonObject;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * How an image becomes a model's input: resize, crop the middle, scale and normalise; bit-equal to
 * the Python tools up to the 8-bit image, and to within 1e-6 of the floats after it. Images that
 * are resized as floats are equal to within 1e-5.
 *
 * @param resizing to which size first
 * @param filter PIL's filter for it
 * @param crop the middle that is taken; its size is the model's input size
 * @param normalisation from samples to floats
 * @param samples what the resized image consists of
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Preprocessing(
    Resizing resizing,
    PilResize.Filter filter,
    CentreCrop crop,
    Normalisation normalisation,
    Samples samples) {

  /** What a resized image consists of. */
  public enum Samples {
    /** 8-bit samples, rounded as PIL does. */
    BYTES,
    /** Scaled floats, not rounded, as torchvision resizes tensors of floats (DINOv3). */
    FLOATS
  }

  /** Preprocessing that resizes as PIL does. */
  public Preprocessing(
      Resizing resizing, PilResize.Filter filter, CentreCrop crop, Normalisation normalisation) {
    this(resizing, filter, crop, normalisation, Samples.BYTES);
  }

  /** Checks that resized floats are the result, which is not cropped. */
  public Preprocessing {
    boolean whole =
        resizing instanceof Resizing.Exact(int width, int height)
            && width == crop.width()
            && height == crop.height();
    if (samples == Samples.FLOATS && !whole) {
      throw new IllegalArgumentException("floats are resized to the result's shape alone");
    }
  }

  /**
   * An image before the last step, {@link #normaliseInto}.
   *
   * @param bytes resized and cropped; null with {@link Samples#FLOATS}
   * @param floats resized planes [3,height,width]; null with {@link Samples#BYTES}
   */
  @SuppressWarnings("ArrayRecordComponent") // a plain buffer by design, handed on once
  public record Prepared(@Nullable RgbImage bytes, float @Nullable [] floats) {}

  /** Where transformers 5 writes it, in the object {@code image_processor}. */
  private static final String PROCESSOR = "processor_config.json";

  /** Fields beside {@code image_processor} that say nothing about images. */
  private static final Set<String> OF_A_PROCESSOR =
      Set.of("processor_class", "tokenizer", "transformers_version");

  private static final String PREPROCESSOR = "preprocessor_config.json";

  /**
   * From a Hugging Face folder, as transformers looks for it: the object {@code image_processor} of
   * {@code processor_config.json}, else {@code preprocessor_config.json}.
   *
   * @param otherwise the processor class where the file names none, as {@code CLIPImageProcessor}
   * @return null where the folder has neither
   */
  public static @Nullable Preprocessing ofHuggingFaceFolder(Path folder, String otherwise) {
    Path processor = folder.resolve(PROCESSOR);
    if (Files.exists(processor)) {
      JsonObject outer = JsonObject.read(processor).nullMeansAbsent("image_processor");
      if (outer.has("image_processor")) {
        var preprocessing = fromHuggingFace(outer.object("image_processor"), otherwise);
        outer.refuseUnread(OF_A_PROCESSOR);
        return preprocessing;
      }
    }
    Path file = folder.resolve(PREPROCESSOR);
    return Files.exists(file) ? fromHuggingFace(JsonObject.read(file), otherwise) : null;
  }

  /**
   * From a transformers image processor. Absent fields have the processor's own defaults, and a
   * step that is null is not done, as the library has it; the processors of CLIP, BiT (DINOv2),
   * ViT, DeiT and SigLIP are known.
   *
   * @param otherwise the processor class where {@code config} names none
   * @throws io.clipsteer.data.InputException naming a field that is wrong or not known
   */
  public static Preprocessing fromHuggingFace(JsonObject config, String otherwise) {
    return HuggingFacePreprocessing.read(config, otherwise);
  }

  /**
   * From {@code preprocess_cfg} of an {@code open_clip_config.json}.
   *
   * @param imageSize the model's own image size, which wins over the configuration's; 0 for none
   */
  public static Preprocessing fromOpenClip(JsonObject preprocessCfg, int imageSize) {
    return PreprocessingConfigs.openClip(preprocessCfg, imageSize);
  }

  /** From timm's {@code config.json}, or its {@code pretrained_cfg}. */
  public static Preprocessing fromTimm(JsonObject config) {
    return PreprocessingConfigs.timm(config);
  }

  /** OpenAI's CLIP at {@code size}: shortest edge, bicubic, centre crop, OpenAI's mean and std. */
  public static Preprocessing clip(int size) {
    return PreprocessingConfigs.clip(size);
  }

  /**
   * Meta's own DINOv3 at {@code size}: the whole image, bilinear; ImageNet's mean and std, or those
   * of its satellite images.
   */
  public static Preprocessing dinoV3(int size, boolean satellite) {
    return PreprocessingConfigs.dinoV3(size, satellite);
  }

  /** The same, but the whole image is resized to the result's shape, whatever its ratio. */
  public Preprocessing squashed() {
    return new Preprocessing(
        new Resizing.Exact(crop.width(), crop.height()), filter, crop, normalisation, samples);
  }

  /** Columns of the result. */
  public int width() {
    return crop.width();
  }

  /** Rows of the result. */
  public int height() {
    return crop.height();
  }

  /** Floats that one image takes: {@code 3 * height * width}. */
  public int floats() {
    return Math.multiplyExact(3, Math.multiplyExact(crop.width(), crop.height()));
  }

  /** The image before the last step; the longer part of the work. */
  public Prepared prepared(RgbImage in) {
    if (samples == Samples.BYTES) return new Prepared(resizedAndCropped(in), null);
    float scale = (float) normalisation.factor();
    return new Prepared(null, FloatResize.resize(in, crop.width(), crop.height(), filter, scale));
  }

  /** The image as the model sees it, in 8 bits: {@link #width} by {@link #height}. */
  public RgbImage resizedAndCropped(RgbImage in) {
    Resizing.PixelSize size = resizing.target(in.width(), in.height());
    int left = crop.offset(size.width(), crop.width());
    int top = crop.offset(size.height(), crop.height());
    int x = Math.max(left, 0);
    int y = Math.max(top, 0);
    int w = Math.min(size.width() - x, crop.width());
    int h = Math.min(size.height() - y, crop.height());
    RgbImage part = PilResize.resize(in, size.width(), size.height(), filter, x, y, w, h);
    if (w == crop.width() && h == crop.height()) return part;
    return framed(part, x - left, y - top);
  }

  /**
   * A label map after the same resizing and crop, each pixel with the label nearest to it.
   *
   * @param beyond label of the border, where the crop is larger than the image
   */
  public LabelMap resizedAndCropped(LabelMap in, int beyond) {
    var grey = new CentreCrop(crop.width(), crop.height(), crop.rounding(), 0x010101 * beyond);
    var nearest = new Preprocessing(resizing, PilResize.Filter.NEAREST, grey, normalisation);
    return LabelMap.of(nearest.resizedAndCropped(in.grey()));
  }

  private RgbImage framed(RgbImage part, int x, int y) {
    byte[] rgb = new byte[floats()];
    if (crop.fill() != 0) {
      for (int i = 0; i < rgb.length; i++) rgb[i] = (byte) (crop.fill() >> (16 - 8 * (i % 3)));
    }
    int bytes = 3 * part.width();
    for (int row = 0; row < part.height(); row++) {
      int to = 3 * ((y + row) * crop.width() + x);
      System.arraycopy(part.rgb(), row * bytes, rgb, to, bytes);
    }
    return new RgbImage(crop.width(), crop.height(), rgb);
  }

  /** The model's input: {@code [3, height, width]} float32. */
  public float[] apply(RgbImage in) {
    float[] out = new float[floats()];
    applyInto(in, out, 0);
    return out;
  }

  /** Writes {@link #floats} values to {@code out} from {@code offset} on. */
  public void applyInto(RgbImage in, float[] out, int offset) {
    applyInto(in, MemorySegment.ofArray(out), offset);
  }

  /** As above; {@code offset} counts floats, and the segment need not be aligned. */
  public void applyInto(RgbImage in, MemorySegment out, long offset) {
    normaliseInto(prepared(in), out, offset);
  }

  /** The last step alone, of an image from {@link #prepared}. */
  public void normaliseInto(Prepared image, MemorySegment out, long offset) {
    if (image.bytes() != null) normaliseInto(image.bytes(), out, offset);
    if (image.floats() == null) return;
    float[] planes = image.floats().clone();
    int plane = planes.length / 3;
    for (int i = 0; i < planes.length; i++) {
      planes[i] = normalisation.normalised(i / plane, planes[i]);
    }
    MemorySegment.copy(planes, 0, out, ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * offset, planes.length);
  }

  private void normaliseInto(RgbImage image, MemorySegment out, long offset) {
    byte[] rgb = image.rgb();
    int plane = rgb.length / 3;
    float[] row = new float[crop.width()];
    for (int c = 0; c < 3; c++) {
      float[] values = normalisation.channel(c);
      for (int from = 0; from < plane; from += row.length) {
        for (int i = 0; i < row.length; i++) row[i] = values[rgb[3 * (from + i) + c] & 0xFF];
        long to = offset + (long) c * plane + from;
        MemorySegment.copy(row, 0, out, ValueLayout.JAVA_FLOAT_UNALIGNED, 4 * to, row.length);
      }
    }
  }

  /** The value that a sample of {@code v} (0 to 255) takes in channel {@code c}. */
  public float value(int c, int v) {
    return normalisation.value(c, v);
  }

  @Override
  public String toString() {
    String steps =
        String.join(", ", Arrays.asList(resizing + "", filter + "", crop + "", normalisation + ""));
    return samples == Samples.BYTES ? steps : steps + ", resized as floats";
  }
}
