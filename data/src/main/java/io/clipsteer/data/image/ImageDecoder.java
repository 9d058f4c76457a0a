// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Images from files, equal to Python's {@code PIL.Image.open(f).convert("RGB")} bit for bit: JPEG,
 * PNG, GIF (first frame), BMP and lossless WebP (lossy WebP is refused, see {@link WebpDecoder}).
 * Alpha is dropped, not blended; colour profiles and EXIF orientation are ignored unless requested.
 *
 * <p>Nothing but {@link InputException} is thrown for whatever bytes come. The size in the header
 * is checked before pixels are allocated, against {@link DecodeOptions#maxPixels} and against the
 * most pixels that so many bytes can stand for in that format: 1024 a byte for JPEG and WebP, 8256
 * for PNG, 4096 for GIF, 256 for BMP. Images of up to 65,536 pixels (WebP: 1,048,576) are let
 * through. So a file of n bytes makes the decoder allocate at most a fixed multiple of n plus a
 * constant.
 */
public final class ImageDecoder {
  /** PIL's own limit, above which it raises {@code DecompressionBombError}. */
  public static final long DEFAULT_MAX_PIXELS = 178_956_970L;

  private static final long MAX_FILE_BYTES = 1L << 30;

  private ImageDecoder() {}

  /**
   * @param maxPixels the largest width × height that is decoded
   * @param upright turn a JPEG as its EXIF orientation says (PIL does not)
   */
  public record DecodeOptions(long maxPixels, boolean upright) {
    /** As PIL: its pixel limit, no turning. */
    public static final DecodeOptions DEFAULT = new DecodeOptions(DEFAULT_MAX_PIXELS, false);
  }

  /** The image in {@code file}. */
  public static RgbImage decode(Path file) {
    return decode(file, DecodeOptions.DEFAULT);
  }

  /** The image in {@code file}. */
  public static RgbImage decode(Path file, DecodeOptions options) {
    return decode(readAll(file), file, options);
  }

  /**
   * The image in {@code bytes}.
   *
   * @param where what to call it in an error
   */
  public static RgbImage decode(byte[] bytes, Object where) {
    return decode(bytes, where, DecodeOptions.DEFAULT);
  }

  /** As above, with limits and turning. */
  public static RgbImage decode(byte[] bytes, Object where, DecodeOptions options) {
    return guarded(
        where,
        () -> {
          RgbImage image = dispatch(bytes, new ImageLimits(options.maxPixels, bytes.length));
          return options.upright ? Exif.turn(image, Exif.orientation(bytes)) : image;
        });
  }

  /** The label of every pixel: a grey or indexed PNG of 8 bits or less, its stored samples. */
  public static LabelMap labels(Path file) {
    byte[] bytes = readAll(file);
    return guarded(
        file,
        () -> {
          if (!isPng(bytes)) throw new BadImageException("it is no PNG", "Save labels as PNG");
          return PngDecoder.labels(bytes, new ImageLimits(DEFAULT_MAX_PIXELS, bytes.length));
        });
  }

  /** What decodes a file. */
  @FunctionalInterface
  private interface Decoding<T> {
    T run() throws BadImageException;
  }

  @SuppressWarnings("CatchingUnchecked") // the libraries' readers throw what they like
  private static <T> T guarded(Object where, Decoding<T> decoding) {
    try {
      return decoding.run();
    } catch (BadImageException e) {
      throw new InputException(where, e.getMessage() + "", e.remedy(), e);
    } catch (OutOfMemoryError e) {
      throw new InputException(
          where, "the image does not fit in memory", "Give the JVM more (-Xmx)", e);
    } catch (RuntimeException | StackOverflowError e) {
      throw new InputException(
          where, "the image is damaged (" + e + ")", "Fetch it again or leave it out", e);
    }
  }

  private static RgbImage dispatch(byte[] b, ImageLimits limits) throws BadImageException {
    if (b.length == 0) throw BadImageException.broken("the file is empty");
    if (starts(b, 0, 0xFF, 0xD8, 0xFF)) return JpegDecoder.decode(b, limits);
    if (isPng(b)) return PngDecoder.decode(b, limits);
    if (starts(b, 0, 'G', 'I', 'F', '8')) return GifDecoder.decode(b, limits);
    if (starts(b, 0, 'B', 'M')) return BmpDecoder.decode(b, limits);
    if (starts(b, 0, 'R', 'I', 'F', 'F') && starts(b, 8, 'W', 'E', 'B', 'P')) {
      return WebpDecoder.decode(b, limits);
    }
    throw BadImageException.unsupported("what it holds (no JPEG, PNG, GIF, BMP or WebP)");
  }

  private static boolean isPng(byte[] b) {
    return starts(b, 0, 0x89, 'P', 'N', 'G', 13, 10, 26, 10);
  }

  private static boolean starts(byte[] b, int at, int... wanted) {
    if (b.length < at + wanted.length) return false;
    for (int i = 0; i < wanted.length; i++) {
      if ((b[at + i] & 0xFF) != wanted[i]) return false;
    }
    return true;
  }

  public static byte[] readAll(Path file) {
    try {
      long size = Files.size(file);
      if (size > MAX_FILE_BYTES) {
        throw new InputException(
            file, "the file has " + size + " bytes, more than 1 GiB", "Is it an image?");
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new InputException(
          file, "cannot be read: " + Reasons.of(e), "Check the path and rights", e);
    }
  }
}
