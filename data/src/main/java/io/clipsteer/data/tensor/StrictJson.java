// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.io.InputStreamReader;
import java.lang.foreign.MemorySegment;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.function.Consumer;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;

/**
 * JSON from outside, read token by token so that memory stays in proportion to the text: UTF-8
 * only, nesting, names and numbers bounded, nothing after the value.
 */
final class StrictJson {
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          // Names are remembered nowhere: a table of hostile names would outlive the file.
          .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
          .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(16)
                  .maxNameLength(4096)
                  .maxNumberLength(64)
                  .maxStringLength(20_000_000)
                  .build())
          .build();

  private StrictJson() {}

  /**
   * Hands the parser, standing on the opening brace of {@code text}, to {@code reader}, which must
   * stop on the closing one.
   */
  static void readObject(Path file, MemorySegment text, Consumer<JsonParser> reader) {
    var utf8 =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    var characters = new InputStreamReader(MappedFile.stream(text), utf8);
    try (JsonParser parser = FACTORY.createParser(ObjectReadContext.empty(), characters)) {
      expect(file, parser, parser.nextToken(), JsonToken.START_OBJECT);
      reader.accept(parser);
      if (parser.nextToken() != null) {
        throw new InputException(file, "has text after its JSON", "Download or write it again");
      }
    } catch (JacksonException e) {
      throw new InputException(
          file, "bad JSON: " + e.getOriginalMessage(), "Download or write it again", e);
    }
  }

  /** The next token, which must be {@code wanted}. */
  static void expectNext(Path file, JsonParser parser, JsonToken wanted) {
    expect(file, parser, parser.nextToken(), wanted);
  }

  /** The next token's text; it must be a string. */
  static String nextString(Path file, JsonParser parser) {
    expectNext(file, parser, JsonToken.VALUE_STRING);
    return parser.getString();
  }

  /** The number the parser stands on; it must be whole and not negative. */
  static long size(Path file, JsonParser parser) {
    expect(file, parser, parser.currentToken(), JsonToken.VALUE_NUMBER_INT);
    long value = parser.getLongValue();
    if (value < 0) {
      throw new InputException(file, "negative size " + value, "Download or write it again");
    }
    return value;
  }

  private static void expect(Path file, JsonParser parser, JsonToken got, JsonToken wanted) {
    if (got != wanted) {
      throw new InputException(
          file,
          "JSON has " + got + " where " + wanted + " belongs" + at(parser),
          "Download or write it again");
    }
  }

  private static String at(JsonParser parser) {
    return " (character " + parser.currentTokenLocation().getCharOffset() + ")";
  }
}
