// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import java.util.List;

/** The words that name features. */
public final class Vocabulary {
  /** The bare word, as in arXiv 2504.08729. */
  public static final List<String> TEMPLATES = List.of("{}");

  private static final int MOST = 200_000;

  private Vocabulary() {}

  /** The whole words of the model's own tokenizer; it must have one. */
  public static List<String> ownWords(ClipModel model) {
    Tokenizer tokenizer = model.tokenizer();
    if (tokenizer == null) {
      throw new InputException(
          model.source().path(), "has no tokenizer", "Give --vocabulary or --library");
    }
    return checked(model.source().path(), tokenizer.words());
  }

  /** The words, of which there must be 2 to 200,000. */
  public static List<String> checked(Object where, List<String> words) {
    if (words.size() < 2 || words.size() > MOST) {
      throw new InputException(
          where, words.size() + " words to name with", "Give from 2 to " + MOST);
    }
    return words;
  }
}
