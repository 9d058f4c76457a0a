// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.engine.Engine;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * A class's tests on one thread of the engine: small matrices gain nothing from more, and lose much
 * when processors are busy.
 */
public final class OneThread implements BeforeAllCallback, AfterAllCallback {
  private int threads;

  @Override
  public void beforeAll(ExtensionContext context) {
    threads = Engine.threads();
    Engine.threads(1);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    Engine.threads(threads);
  }
}
