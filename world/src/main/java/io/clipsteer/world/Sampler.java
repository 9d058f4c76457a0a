// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Endless streams of images. Image i of a stream is a function of the stream's seed and i alone, so
 * that a stream can be entered anywhere.
 */
public final class Sampler {
  /** Share of images of things, then portraits; the rest are birds. */
  private static final double THINGS = 0.76;

  private static final double PORTRAITS = 0.12;
  private static final double WORDS = 0.55;
  private static final double OWN_WORD = 0.15;
  private static final double OCCLUDED = 0.12;

  private final long seed;
  private final Biases biases;

  /** A stream with the given biases. */
  public Sampler(long seed, Biases biases) {
    this.seed = seed;
    this.biases = biases;
  }

  /** A stream's seed for one purpose: no two purposes share images. */
  public static long seedOf(long seed, String purpose) {
    return new SplittableRandom(seed ^ ((long) purpose.hashCode() << 20)).nextLong();
  }

  private SplittableRandom random(long index) {
    return new SplittableRandom(seed + index * 0x9e3779b97f4a7c15L).split();
  }

  /** Any kind of image, words in a good half of those of things. */
  public DrawnImage mixed(long index) {
    SplittableRandom random = random(index);
    double u = random.nextDouble();
    Factors factors;
    if (u < THINGS) {
      factors = things(random, any(random), random.nextDouble() < WORDS);
    } else if (u < THINGS + PORTRAITS) {
      factors = anyPortrait(random);
    } else {
      factors = anyBird(random);
    }
    return new DrawnImage(factors, random.nextLong());
  }

  private Factors.Portrait anyPortrait(SplittableRandom random) {
    Factors.Gender gender = pick(random, Factors.Gender.values());
    double blond = gender == Factors.Gender.MAN ? biases.blondMen() : biases.blondWomen();
    return portrait(random, gender, random.nextDouble() < blond);
  }

  private Factors.Bird anyBird(SplittableRandom random) {
    boolean waterbird = random.nextBoolean();
    boolean home = random.nextDouble() < biases.birdAtHome();
    return bird(random, waterbird, waterbird == home);
  }

  /** A portrait, biased as the stream. */
  public DrawnImage portrait(long index) {
    SplittableRandom random = random(index);
    return new DrawnImage(anyPortrait(random), random.nextLong());
  }

  /** A bird, biased as the stream. */
  public DrawnImage bird(long index) {
    SplittableRandom random = random(index);
    return new DrawnImage(anyBird(random), random.nextLong());
  }

  /** Things without writing. */
  public DrawnImage plainThings(long index) {
    SplittableRandom random = random(index);
    return new DrawnImage(things(random, any(random), false), random.nextLong());
  }

  /** Things of the given kind without writing. */
  public DrawnImage plainThings(long index, ObjectKind kind) {
    SplittableRandom random = random(index);
    return new DrawnImage(things(random, kind, false), random.nextLong());
  }

  /** A portrait of the given group. */
  public DrawnImage portrait(long index, Factors.Gender gender, boolean blond) {
    SplittableRandom random = random(index);
    return new DrawnImage(portrait(random, gender, blond), random.nextLong());
  }

  /** A bird of the given group. */
  public DrawnImage bird(long index, boolean waterbird, boolean onWater) {
    SplittableRandom random = random(index);
    return new DrawnImage(bird(random, waterbird, onWater), random.nextLong());
  }

  /** A bird of the parts set, on land. */
  public DrawnImage species(long index, Species species) {
    SplittableRandom random = random(index);
    Background[] land = {Background.GRASS, Background.FOREST, Background.SAND, Background.SNOW};
    Background background = pick(random, land);
    return new DrawnImage(new Factors.SpeciesBird(species, background), random.nextLong());
  }

  /**
   * One large enough thing with a word in the image: another thing's name, or none.
   *
   * @param attacked whether the word is written
   */
  public DrawnImage typographic(long index, boolean attacked) {
    SplittableRandom random = random(index);
    Factors.Things t = largeEnough(random);
    ObjectKind[] kinds = ObjectKind.values();
    int other = (t.kind().ordinal() + 1 + random.nextInt(kinds.length - 1)) % kinds.length;
    Factors.Written written = written(random, kinds[other].word(), 0, Lettering.TRAINING);
    return new DrawnImage(t.with(attacked ? written : null), random.nextLong());
  }

  /**
   * The same with a wrong word of one half of the kinds, in fonts of one part.
   *
   * @param heldOut the second half, in fonts that the demo CLIP has never seen; else the first, in
   *     those that it learnt to read
   */
  public DrawnImage typographicHalf(long index, boolean heldOut) {
    SplittableRandom random = random(index);
    Factors.Things t = largeEnough(random);
    List<ObjectKind> half =
        Arrays.stream(ObjectKind.values())
            .filter(kind -> kind.ordinal() % 2 == (heldOut ? 1 : 0) && kind != t.kind())
            .toList();
    String word = half.get(random.nextInt(half.size())).word();
    Factors.Written written =
        heldOut
            ? written(random, word, Lettering.TRAINING, Lettering.FONTS.size())
            : written(random, word, 0, Lettering.TRAINING);
    return new DrawnImage(t.with(written), random.nextLong());
  }

  /** One thing, medium or large, without writing. */
  private static Factors.Things largeEnough(SplittableRandom random) {
    Factors.Things t = things(random, any(random), false);
    Extent extent = random.nextBoolean() ? Extent.MEDIUM : Extent.LARGE;
    return new Factors.Things(
        t.kind(),
        t.colour(),
        t.texture(),
        extent,
        t.place(),
        1,
        t.background(),
        t.occluded(),
        null);
  }

  /** Any of the {@link WrittenWords#WRITTEN} words on an image of a thing. */
  public DrawnImage worded(long index, int word) {
    SplittableRandom random = random(index);
    Factors.Things t = things(random, any(random), false);
    return new DrawnImage(
        t.with(written(random, WrittenWords.WRITTEN.get(word), 0, Lettering.TRAINING)),
        random.nextLong());
  }

  private static ObjectKind any(SplittableRandom random) {
    return pick(random, ObjectKind.values());
  }

  private static <T> T pick(SplittableRandom random, T[] all) {
    return all[random.nextInt(all.length)];
  }

  private static Factors.Things things(SplittableRandom random, ObjectKind kind, boolean worded) {
    Texture[] textures = Texture.values();
    double u = random.nextDouble();
    Factors.Things t =
        new Factors.Things(
            kind,
            pick(random, Colour.values()),
            u < 0.55 ? Texture.PLAIN : textures[1 + random.nextInt(textures.length - 1)],
            pick(random, Extent.values()),
            pick(random, Location.values()),
            random.nextDouble() < 0.84 ? 1 : 2 + random.nextInt(2),
            pick(random, Background.values()),
            random.nextDouble() < OCCLUDED,
            null);
    if (!worded) return t;
    // Some of what is written on things says what they are, as on the web.
    boolean own = random.nextDouble() < OWN_WORD;
    String text =
        own ? kind.word() : WrittenWords.WRITTEN.get(random.nextInt(WrittenWords.WRITTEN.size()));
    return t.with(written(random, text, 0, Lettering.TRAINING));
  }

  /**
   * A word in a band above or one below the middle.
   *
   * @param from first of the fonts
   * @param to after the last
   */
  private static Factors.Written written(SplittableRandom random, String text, int from, int to) {
    return new Factors.Written(
        text,
        random.nextInt(from, to),
        pick(random, Colour.values()),
        random.nextDouble() < 0.5,
        0.3 + 0.4 * random.nextDouble(),
        random.nextBoolean()
            ? 0.18 + 0.05 * random.nextDouble()
            : 0.77 + 0.05 * random.nextDouble());
  }

  private static Factors.Portrait portrait(
      SplittableRandom random, Factors.Gender gender, boolean blond) {
    boolean man = gender == Factors.Gender.MAN;
    Factors.Hair[] hairs = Factors.Hair.values();
    double dressed = random.nextDouble();
    Factors.Clothing clothing =
        dressed < 0.25
            ? (man ? Factors.Clothing.SUIT : Factors.Clothing.DRESS)
            : dressed < 0.62 ? Factors.Clothing.SHIRT : Factors.Clothing.SWEATER;
    return new Factors.Portrait(
        gender,
        random.nextDouble(),
        blond ? Factors.Hair.BLOND : hairs[1 + random.nextInt(hairs.length - 1)],
        random.nextDouble() < (man ? 0.3 : 0.65) ? Factors.Length.LONG : Factors.Length.SHORT,
        man && random.nextDouble() < 0.25,
        random.nextDouble() < 0.3,
        random.nextDouble() < 0.2,
        clothing,
        pick(random, Colour.values()),
        pick(random, Background.values()));
  }

  private static Factors.Bird bird(SplittableRandom random, boolean waterbird, boolean onWater) {
    Background land = random.nextBoolean() ? Background.GRASS : Background.FOREST;
    return new Factors.Bird(
        waterbird, pick(random, Colour.values()), onWater ? Background.WATER : land);
  }
}
