// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A path of the HTTP API.
 *
 * @param writes whether it is a POST
 * @param path with names in braces
 */
record Route(boolean writes, String path, Answering answering) {
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
  }

  /**
   * Content that is no JSON.
   *
   * @param type its media type
   */
  record Bytes(byte[] bytes, String type) {}
}
