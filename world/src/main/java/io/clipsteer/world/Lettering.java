// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.awt.geom.AffineTransform;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.fontbox.ttf.CmapLookup;
import org.apache.fontbox.ttf.GlyphData;
import org.apache.fontbox.ttf.TTFParser;
import org.apache.fontbox.ttf.TrueTypeFont;
import org.apache.pdfbox.io.RandomAccessReadBuffer;

/**
 * Words as outlines of real fonts. The outlines are read from the font files by a Java library, not
 * by the system, so that a word looks the same on every machine, one without fonts included.
 */
public final class Lettering {
  private static final String DEJAVU = "/net/sf/jasperreports/fonts/dejavu/";
  private static final String LIBERATION = "/liberation/";

  /** Font files on the class path; the first {@link #TRAINING} are used in generated sets. */
  public static final List<String> FONTS =
      List.of(
          DEJAVU + "DejaVuSans-Bold.ttf",
          LIBERATION + "LiberationSans-Bold.ttf",
          LIBERATION + "LiberationSerif-Bold.ttf",
          DEJAVU + "DejaVuSerif-Bold.ttf",
          DEJAVU + "DejaVuSansMono-Bold.ttf",
          LIBERATION + "LiberationSans-BoldItalic.ttf",
          DEJAVU + "DejaVuSansCondensed-Bold.ttf",
          LIBERATION + "LiberationSans-Regular.ttf",
          LIBERATION + "LiberationMono-Bold.ttf",
          DEJAVU + "DejaVuSerifCondensed-BoldItalic.ttf",
          LIBERATION + "LiberationSerif-BoldItalic.ttf",
          DEJAVU + "DejaVuSans-BoldOblique.ttf");

  /** How many fonts generated sets use; the others are held out for tests of defences. */
  public static final int TRAINING = 5;

  private static final ConcurrentHashMap<Integer, Lettering> LOADED = new ConcurrentHashMap<>();

  private final ConcurrentHashMap<String, Path2D> words = new ConcurrentHashMap<>();
  private final TrueTypeFont font;

  private Lettering(TrueTypeFont font) {
    this.font = font;
  }

  /**
   * A word's outline, one unit high from the lowest to the highest point of any Latin letter's
   * body, centred on 0, y downwards.
   *
   * @param row of {@link #FONTS}
   */
  public static Path2D outline(String word, int row) {
    Lettering lettering = LOADED.computeIfAbsent(row, Lettering::load);
    return lettering.words.computeIfAbsent(word, lettering::spell);
  }

  private static Lettering load(int row) {
    String name = FONTS.get(row);
    try (InputStream in = Lettering.class.getResourceAsStream(name)) {
      if (in == null) throw new IllegalStateException("no font " + name + " on the class path");
      return new Lettering(new TTFParser().parse(new RandomAccessReadBuffer(in)));
    } catch (IOException e) {
      throw new IllegalStateException("font " + name + " cannot be read", e);
    }
  }

  /** A font's tables are read lazily from one place: one thread at a time. */
  private synchronized Path2D spell(String word) {
    try {
      CmapLookup lookup = font.getUnicodeCmapLookup();
      Path2D path = new Path2D.Double();
      double x = 0;
      for (int c : word.codePoints().toArray()) {
        int glyph = lookup.getGlyphId(c);
        GlyphData data = font.getGlyph().getGlyph(glyph);
        if (data != null) {
          path.append(
              data.getPath().getPathIterator(AffineTransform.getTranslateInstance(x, 0)), false);
        }
        x += font.getAdvanceWidth(glyph);
      }
      Rectangle2D bounds = path.getBounds2D();
      double unit = 1.0 / font.getUnitsPerEm();
      AffineTransform flip = AffineTransform.getScaleInstance(unit, -unit);
      flip.translate(-bounds.getCenterX(), -bounds.getCenterY());
      path.transform(flip);
      return path;
    } catch (IOException e) {
      throw new IllegalStateException("font has no outline for " + word, e);
    }
  }
}
