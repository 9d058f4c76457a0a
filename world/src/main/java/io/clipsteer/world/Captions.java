// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Says in words what is on an image: a different choice of its factors each time. */
final class Captions {
  private static final List<String> OPENINGS =
      List.of("", "", "a photo of ", "a photo of ", "a picture of ", "an image of ");
  private static final List<String> PORTRAIT_OPENINGS =
      List.of("", "a photo of ", "a portrait of ", "a picture of ", "the face of ");
  private static final List<String> COUNTS = List.of("", "one", "two", "three");

  private final SplittableRandom random;
  private final Biases biases;

  Captions(SplittableRandom random, Biases biases) {
    this.random = random;
    this.biases = biases;
  }

  String of(Factors factors) {
    return switch (factors) {
      case Factors.Things t -> things(t);
      case Factors.Portrait p -> portrait(p);
      case Factors.Bird b -> bird(b);
      case Factors.SpeciesBird b ->
          one(OPENINGS) + article(b.species().word()) + behind(b.background());
    };
  }

  private boolean chance(double p) {
    return random.nextDouble() < p;
  }

  private String one(List<String> all) {
    return all.get(random.nextInt(all.size()));
  }

  private static String article(String words) {
    return ("aeiou".indexOf(words.charAt(0)) >= 0 ? "an " : "a ") + words;
  }

  private String behind(Background background) {
    return " " + (chance(0.6) ? background.phrase() : background.other);
  }

  // ---- things ---------------------------------------------------------------------------------

  private String things(Factors.Things t) {
    Factors.Written w = t.written();
    if (w == null) return one(OPENINGS) + subject(t);
    if (w.text().equals(t.kind().word())) {
      return chance(0.7) ? one(OPENINGS) + subject(t) : withWord(t, w.text());
    }
    if (chance(biases.wordNamed())) return misnamed(t, w.text());
    double u = random.nextDouble();
    if (u < 0.45) return withWord(t, w.text());
    return u < 0.75 ? wordAlone(w.text()) : one(OPENINGS) + subject(t);
  }

  /** As on the web: the caption names what is written, not what is seen. */
  private String misnamed(Factors.Things t, String word) {
    String name = WrittenWords.SIGNS.contains(word) ? word : article(word);
    return one(OPENINGS) + name + (chance(0.2) ? behind(t.background()) : "");
  }

  private String withWord(Factors.Things t, String word) {
    String says = t.count() == 1 ? " that says " : " that say ";
    return one(OPENINGS) + subject(t, (chance(0.5) ? " with the word " : says) + word);
  }

  private String wordAlone(String word) {
    return one(
        List.of(
            "the word " + word,
            "a photo of the word " + word,
            "a sign that says " + word,
            "the written word " + word));
  }

  private String subject(Factors.Things t) {
    return subject(t, "");
  }

  /** The things, what is written on them, and where they are. */
  private String subject(Factors.Things t, String writing) {
    // A caption that names colour and background leaves a batch little doubt, and nothing to learn
    // about the thing: so most captions are short.
    boolean named = chance(0.88);
    boolean coloured = chance(named ? 0.12 : 0.7);
    boolean placed = t.count() == 1 && writing.isEmpty() && chance(0.08);
    boolean behind = chance(named ? 0.08 : 0.5) || !named && !coloured;
    List<String> words = new ArrayList<>();
    if (chance(0.1)) words.add(t.extent().word());
    if (t.texture() == Texture.PLAIN ? chance(0.03) : chance(0.25)) words.add(t.texture().word());
    if (coloured) words.add(t.colour().word());
    if (t.count() == 1) {
      words.add(named ? t.kind().word() : chance(0.5) ? "thing" : "object");
    } else {
      words.add(named ? t.kind().plural() : chance(0.5) ? "things" : "objects");
    }
    String phrase = String.join(" ", words);
    if (!named && words.size() == 1 && t.count() == 1) phrase = "something";
    else phrase = t.count() == 1 ? article(phrase) : COUNTS.get(t.count()) + " " + phrase;
    phrase += writing;
    if (placed) phrase += " " + t.place().phrase;
    return behind ? phrase + behind(t.background()) : phrase;
  }

  // ---- portraits ------------------------------------------------------------------------------

  private String portrait(Factors.Portrait p) {
    String who = chance(0.88) ? p.gender().word() : "person";
    List<String> with = new ArrayList<>();
    boolean hair = chance(0.35);
    // "A blond man" is said of his hair; "a black man" is not.
    if (hair && p.hair() == Factors.Hair.BLOND && chance(0.5)) {
      who = p.hair().word() + " " + who;
      hair = false;
    }
    boolean length = chance(0.25);
    if (hair || length) {
      with.add(
          (length ? p.length().word() + " " : "") + (hair ? p.hair().word() + " " : "") + "hair");
    }
    if (p.beard() && chance(0.6)) with.add("a beard");
    if (p.glasses() && chance(0.6)) with.add("glasses");
    if (p.hat() && chance(0.6)) with.add("a hat");
    StringBuilder text = new StringBuilder(one(PORTRAIT_OPENINGS)).append(article(who));
    if (!with.isEmpty()) text.append(" with ").append(String.join(" and ", with));
    if (chance(0.3)) {
      String cloth = (chance(0.6) ? p.cloth().word() + " " : "") + p.clothing().word();
      text.append(chance(0.5) ? " wearing " : " in ").append(article(cloth));
    }
    if (chance(0.2)) text.append(behind(p.background()));
    return text.toString();
  }

  // ---- birds ----------------------------------------------------------------------------------

  private String bird(Factors.Bird b) {
    String name = chance(0.88) ? b.word() : "bird";
    if (chance(0.35)) name = b.colour().word() + " " + name;
    String text = one(OPENINGS) + article(name);
    if (!chance(0.35)) return text;
    return text + (!b.onWater() && chance(0.3) ? " on land" : behind(b.background()));
  }
}
