// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.clipsteer.data.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The special tokens that a {@code tokenizer_config.json} names, compared with the tokenizer. */
record SpecialTokens(Path file, JsonNode config) {

  /** Reads the file; one that is absent names nothing. */
  static SpecialTokens read(Path file) {
    try {
      byte[] bytes = Files.isRegularFile(file) ? Files.readAllBytes(file) : new byte[] {'{', '}'};
      return new SpecialTokens(file, JsonMapper.shared().readTree(bytes));
    } catch (IOException | JacksonException e) {
      throw new InputException(file, "cannot be read", "Fetch the file again", e);
    }
  }

  /** {@code tokenizer_class} without its ending Fast; empty when absent. */
  String kind() {
    return config.path("tokenizer_class").asString("").replaceAll("Fast$", "");
  }

  private @Nullable String token(String name) {
    JsonNode token = config.path(name);
    if (token.isObject()) token = token.path("content");
    return token.isString() ? token.asString() : null;
  }

  private @Nullable Long id(HuggingFaceTokenizer tokenizer, String name) {
    String token = token(name);
    if (token == null) return null;
    long[] ids = tokenizer.encode(token, false, false).getIds();
    if (ids.length != 1) {
      throw new InputException(file, name + " is no single token", "Fetch the file again");
    }
    return ids[0];
  }

  /** Id of the padding. */
  long padId(HuggingFaceTokenizer tokenizer) {
    Long pad = id(tokenizer, "pad_token");
    if (pad != null) return pad;
    throw new InputException(
        file, "names no pad_token, and texts are padded with it", "Fetch the whole checkpoint");
  }

  /**
   * Whether the tokenizer closes texts as the file says.
   *
   * @param empty ids of an empty text
   */
  void check(HuggingFaceTokenizer tokenizer, long[] empty, Path where) {
    if (empty.length != 1 && empty.length != 2) {
      throw new InputException(
          where,
          "an empty text gives "
              + empty.length
              + " tokens instead of an end token alone or with a"
              + " start token",
          "This is not the tokenizer of a supported model");
    }
    List<Long> ends = new ArrayList<>();
    for (String name : List.of("eos_token", "sep_token")) {
      Long id = id(tokenizer, name);
      if (id != null) ends.add(id);
    }
    if (!ends.isEmpty() && !ends.contains(empty[empty.length - 1])) {
      throw new InputException(
          where,
          "its texts do not end with the eos_token or sep_token of " + file.getFileName(),
          "Fetch both files from where the checkpoint came from");
    }
    boolean told = config.has("add_bos_token") || config.has("add_eos_token");
    boolean start = config.path("add_bos_token").asBoolean(false);
    boolean end = config.path("add_eos_token").asBoolean(false);
    if (told && (!end || start != (empty.length == 2))) {
      throw new InputException(
          where,
          "adds other tokens to a text than add_bos_token and add_eos_token of "
              + file.getFileName()
              + " say",
          "Fetch both files from where the checkpoint came from");
    }
    if (config.path("padding_side").asString("right").equals("left")) {
      throw new InputException(
          file, "padding_side is left, and the towers were trained with right", "Set it to right");
    }
  }
}
