// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.engine.Engine;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * A class's tests on one thread of the engine: small matrices gain nothing from more, and lose much
 * when processors are busy.
 */
public final class OneThread implements BeforeAllCallback {
  @Override
  public void beforeAll(ExtensionContext context) {
    int threads = Engine.threads();
    Engine.threads(1);
    // The store closes what it holds when the class's tests have ended.
    AutoCloseable after = () -> Engine.threads(threads);
    context.getStore(ExtensionContext.Namespace.create(OneThread.class)).put("threads", after);
  }
}
