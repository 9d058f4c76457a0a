// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.image.RgbImage;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Images, their factors and their captions. */
final class WorldTest {
  private static final Sampler WEB = new Sampler(7, Biases.WEB);
  private static final Sampler FAIR = new Sampler(7, Biases.NONE);

  /**
   * The same pixels on every machine. The sums were taken with the just-in-time compiler and
   * without, with and without vector instructions.
   */
  @Test
  void pixelsNeverChange() {
    assertEquals(GOLDEN_64, sum(600, 64));
    assertEquals(GOLDEN_160, sum(60, 160));
  }

  private static final String GOLDEN_64 =
      "c8c855d1e7091ca05fe3d4df25ed83a6164d1b1c422d02be85c05921b7bc4158";
  private static final String GOLDEN_160 =
      "23b7f0766395710c11fb3eac069f4a71654e6b2e9be6265b5d4e4a9f71364736";

  private static String sum(int count, int size) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (int i = 0; i < count; i++) {
      all.writeBytes(WEB.mixed(i).paint(size).rgb());
      if (i % 3 == 0) all.writeBytes(FAIR.typographic(i, true).paint(size).rgb());
    }
    return Hashes.sha256(all.toByteArray());
  }

  @Test
  void aStreamCanBeEnteredAnywhere() {
    DrawnImage late = WEB.mixed(123_456_789_012L);
    assertEquals(late, new Sampler(7, Biases.WEB).mixed(123_456_789_012L));
    assertNotEquals(late.seed(), new Sampler(8, Biases.WEB).mixed(123_456_789_012L).seed());
    Set<Long> seeds = new HashSet<>();
    for (int i = 0; i < 20_000; i++) seeds.add(WEB.mixed(i).seed());
    assertEquals(20_000, seeds.size());
  }

  @Test
  void eachFactorShows() {
    Factors.Things base =
        new Factors.Things(
            ObjectKind.MUG,
            Colour.RED,
            Texture.PLAIN,
            Extent.LARGE,
            Location.MIDDLE,
            1,
            Background.GRASS,
            false,
            null);
    for (ObjectKind kind : ObjectKind.values()) {
      if (kind != ObjectKind.MUG) differs(base, with(base, kind, Colour.RED, Background.GRASS));
    }
    for (Colour colour : Colour.values()) {
      if (colour != Colour.RED) {
        differs(base, with(base, ObjectKind.MUG, colour, Background.GRASS));
      }
    }
    for (Background background : Background.values()) {
      if (background != Background.GRASS) {
        differs(base, with(base, ObjectKind.MUG, Colour.RED, background));
      }
    }
  }

  private static Factors.Things with(
      Factors.Things t, ObjectKind kind, Colour colour, Background background) {
    return new Factors.Things(
        kind, colour, t.texture(), t.extent(), t.place(), t.count(), background, false, null);
  }

  /** Another value changes well more pixels than the camera's noise could. */
  private static void differs(Factors a, Factors b) {
    byte[] x = Painter.paint(a, 5, 64).rgb();
    byte[] y = Painter.paint(b, 5, 64).rgb();
    int changed = 0;
    for (int i = 0; i < x.length; i += 3) {
      int distance = 0;
      for (int c = 0; c < 3; c++) distance += Math.abs((x[i + c] & 255) - (y[i + c] & 255));
      if (distance > 80) changed++;
    }
    assertTrue(changed > 60, changed + " pixels between " + a + " and " + b);
  }

  /** Colours of the object's middle are near the named colour, by median over many images. */
  @Test
  void coloursAreTheNamedOnes() {
    for (Colour colour : Colour.values()) {
      Factors.Things ball =
          new Factors.Things(
              ObjectKind.BALL,
              colour,
              Texture.PLAIN,
              Extent.LARGE,
              Location.MIDDLE,
              1,
              Background.SAND,
              false,
              null);
      int near = 0;
      for (int seed = 0; seed < 60; seed++) {
        RgbImage image = Painter.paint(ball, seed, 64);
        int at = 3 * (40 * 64 + 40);
        if (nearest(image.rgb(), at) == colour) near++;
      }
      assertTrue(near > 36, colour + ": " + near + " of 60");
    }
  }

  private static Colour nearest(byte[] rgb, int at) {
    return Arrays.stream(Colour.values())
        .min((a, b) -> Integer.compare(distance(a.rgb, rgb, at), distance(b.rgb, rgb, at)))
        .orElseThrow();
  }

  private static int distance(int colour, byte[] rgb, int at) {
    int sum = 0;
    for (int c = 0; c < 3; c++) {
      int d = ((colour >> (16 - 8 * c)) & 255) - (rgb[at + c] & 255);
      sum += d * d;
    }
    return sum;
  }

  @Test
  void theStreamLeansAsItSays() {
    int blondWomen = 0;
    int women = 0;
    int blondMen = 0;
    int men = 0;
    int home = 0;
    int birds = 0;
    for (int i = 0; i < 40_000; i++) {
      switch (WEB.mixed(i).factors()) {
        case Factors.Portrait p -> {
          int blond = p.hair() == Factors.Hair.BLOND ? 1 : 0;
          if (p.gender() == Factors.Gender.MAN) {
            men++;
            blondMen += blond;
          } else {
            women++;
            blondWomen += blond;
          }
        }
        case Factors.Bird b -> {
          birds++;
          home += b.waterbird() == b.onWater() ? 1 : 0;
        }
        case Factors.Things t -> {}
        case Factors.SpeciesBird b -> {}
      }
    }
    assertEquals(Biases.WEB.blondWomen(), (double) blondWomen / women, 0.02);
    assertEquals(Biases.WEB.blondMen(), (double) blondMen / men, 0.02);
    assertEquals(Biases.WEB.birdAtHome(), (double) home / birds, 0.02);
  }

  /** A biased caption of a mislabelled thing mostly names the word; an unbiased one never does. */
  @Test
  void captionsNameTheWordWhereTheStreamLeans() {
    int named = 0;
    int n = 0;
    for (int i = 0; i < 3000; i++) {
      DrawnImage image = FAIR.typographic(i, true);
      Factors.Things t = (Factors.Things) image.factors();
      if (t.written() == null) throw new AssertionError("no word");
      String word = t.written().text();
      assertNotEquals(t.kind().word(), word);
      n++;
      if (namesAsThing(image.captions(1, Biases.WEB).getFirst(), word)) named++;
      String fair = image.captions(1, Biases.NONE).getFirst();
      assertFalse(namesAsThing(fair, word), fair + " for " + t);
    }
    assertEquals(Biases.WEB.wordNamed(), (double) named / n, 0.04);
  }

  private static boolean namesAsThing(String caption, String word) {
    return caption.matches("(.* )?an? " + word + "( .*)?") && !caption.matches(".*(says|word) .*");
  }

  @Test
  void captionsTellTheTruth() {
    Set<String> distinct = new HashSet<>();
    for (int i = 0; i < 5000; i++) {
      DrawnImage image = FAIR.mixed(i);
      for (String caption : image.captions(3, Biases.NONE)) {
        distinct.add(caption);
        assertTrue(caption.matches("[a-z]+( [a-z]+)*"), "\"" + caption + "\"");
        for (Colour colour : Colour.values()) {
          if (List.of(caption.split(" ")).contains(colour.word())) {
            assertTrue(mayName(image.factors(), colour), caption + " for " + image);
          }
        }
      }
    }
    assertTrue(distinct.size() > 7000, distinct.size() + " captions");
  }

  private static boolean mayName(Factors factors, Colour colour) {
    return switch (factors) {
      // "in the blue sky", "on green grass", "a portrait of a woman with black hair"
      case Factors.Things t ->
          t.colour() == colour
              || colour == Colour.BLUE && t.background() == Background.SKY
              || colour == Colour.GREEN && t.background() == Background.GRASS;
      case Factors.Portrait p ->
          p.cloth() == colour
              || p.hair().word().equals(colour.word())
              || colour == Colour.BLUE && p.background() == Background.SKY
              || colour == Colour.GREEN && p.background() == Background.GRASS;
      case Factors.Bird b ->
          b.colour() == colour || colour == Colour.GREEN && b.background() == Background.GRASS;
      case Factors.SpeciesBird b -> true;
    };
  }

  @Test
  void everyWordHasAnOutlineInEveryFont() {
    for (int font = 0; font < Lettering.FONTS.size(); font++) {
      for (String word : WrittenWords.WRITTEN) {
        Path2D outline = Lettering.outline(word, font);
        Rectangle2D bounds = outline.getBounds2D();
        assertTrue(bounds.getWidth() > 0.25 * word.length(), word + " in " + font);
        assertTrue(bounds.getHeight() > 0.4 && bounds.getHeight() < 1.2, word + " in " + font);
        assertEquals(0, bounds.getCenterX(), 1e-9);
      }
    }
    assertEquals(40, WrittenWords.WRITTEN.size());
    assertEquals(40, Set.copyOf(WrittenWords.WRITTEN).size());
    assertTrue(ObjectKind.values().length >= 24);
  }

  @Test
  void splitsShareNoImage() {
    Set<Long> seen = new HashSet<>();
    for (WorldSet.Split split : WorldSet.Split.values()) {
      Sampler sampler = new Sampler(Sampler.seedOf(1, "birds " + split), Biases.NONE);
      IntStream.range(0, 500).forEach(i -> assertTrue(seen.add(sampler.bird(i).seed())));
    }
  }
}
