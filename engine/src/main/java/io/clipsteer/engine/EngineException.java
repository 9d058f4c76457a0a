// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

/**
 * A tensor operation failed. The message is one line with the operation, its operands' shapes and
 * the first line of what libtorch said; the full native text is the cause's message.
 */
public final class EngineException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  EngineException(String message, Throwable cause) {
    super(message, cause);
  }
}
