// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * A path of the HTTP API.
 *
 * @param writes whether it is a POST
 * @param path with names in braces
 */
record Route(boolean writes, String path, Answering answering) {
  private static final int LONGEST_TEXT = 200;

  /** Of requests: what may be left out may be missing, and a misspelt key is refused. */
  private static final JsonMapper REQUESTS =
      JsonFile.MAPPER
          .rebuild()
          .disable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
          .build();

  /** Of a path that is read. */
  static Route get(String path, Function<Call, Object> answer) {
    return new Route(false, path, call -> CompletableFuture.completedFuture(answer.apply(call)));
  }

  /**
   * Of work for the model's thread.
   *
   * @param kind of a client's waiting pieces of a kind only the newest is done
   */
  static Route model(
      Turns turns, boolean writes, String path, String kind, Function<Call, Object> answer) {
    return new Route(
        writes, path, call -> turns.submit(call.client(), kind, () -> answer.apply(call)));
  }

  /** Of a path that is written to. */
  static Route post(String path, Function<Call, Object> answer) {
    return new Route(true, path, call -> CompletableFuture.completedFuture(answer.apply(call)));
  }

  /** Makes an answer: a record for JSON, or {@link Bytes}. */
  @FunctionalInterface
  interface Answering {
    CompletableFuture<?> answer(Call call);
  }

  /**
   * A request.
   *
   * @param client the page that asks: a tab has a name of its own
   * @param parts of the path and of the query, by name
   * @param body of a POST
   */
  record Call(String client, Map<String, String> parts, byte[] body) {
    @Nullable String part(String name) {
      return parts.get(name);
    }

    /** A part that must be there. */
    String text(String name) {
      String text = parts.get(name);
      if (text != null && !text.isBlank() && text.length() <= LONGEST_TEXT) return text;
      throw new InputException(name, "is missing, or too long", "Give it");
    }

    /** A part; null where it is missing or blank. */
    @Nullable String optional(String name) {
      String text = parts.get(name);
      return text == null || text.isBlank() ? null : text(name);
    }

    /** A part as a whole number from 0. */
    int whole(String name, int otherwise) {
      String text = parts.get(name);
      if (text == null) return otherwise;
      if (text.matches("\\d{1,9}")) return Integer.parseInt(text);
      throw new InputException(name, "is no whole number", "Give one from 0");
    }

    /** The body as a record. */
    <T> T body(Class<T> type) {
      try {
        T value = REQUESTS.readValue(body, type);
        if (value != null) return value;
      } catch (JacksonException e) {
        throw new InputException(
            "the request", "is wrong: " + Reasons.of(e), "docs/explorer-api.md describes it", e);
      }
      throw new InputException("the request", "is empty", "docs/explorer-api.md describes it");
    }
  }

  /**
   * Content that is no JSON.
   *
   * @param type its media type
   */
  record Bytes(byte[] bytes, String type) {}
}
