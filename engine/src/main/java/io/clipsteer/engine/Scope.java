// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import org.apiguardian.api.API;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GradMode;
import org.jspecify.annotations.Nullable;

/**
 * Owns every tensor made on this thread between {@link #open} and {@link #close}, and computes
 * without gradients meanwhile, unless it is opened by {@link #openRecording}. One scope a step or a
 * batch; a result leaves through {@link #keep}.
 *
 * <p>Memory left to the garbage collector is native and unseen by it: a loop without a scope grows
 * until the process dies.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Scope implements AutoCloseable {
  private static final ThreadLocal<@Nullable Scope> INNERMOST = new ThreadLocal<>();

  private final PointerScope pointers = new PointerScope();
  private final @Nullable Scope outer = INNERMOST.get();
  private final boolean gradientsBefore = GradMode.is_enabled();
  private final Thread thread = Thread.currentThread();
  private boolean closed;

  private Scope(boolean gradients) {
    GradMode.set_enabled(gradients);
    INNERMOST.set(this);
  }

  /** Opens a scope on this thread, inside the current one if there is one. */
  public static Scope open() {
    return new Scope(false);
  }

  /**
   * Opens a scope in which operations on {@link Tensor#trainable} tensors are recorded, for {@link
   * Tensor#backward}.
   */
  public static Scope openRecording() {
    return new Scope(true);
  }

  /** Throws unless a scope is open on this thread: the caller of a tower owns its results. */
  public static void require() {
    if (INNERMOST.get() == null) {
      throw new IllegalStateException(
          "open a Scope around this call: it owns the tensors made here");
    }
  }

  /**
   * Lets a tensor outlive this scope: it then belongs to the enclosing scope or, where there is
   * none, to the caller, who closes it.
   */
  public Tensor keep(Tensor tensor) {
    if (outer == null) {
      tensor.raw().retainReference();
    } else {
      outer.pointers.attach(tensor.raw());
    }
    return tensor;
  }

  /** Lets a tensor outlive every scope: the caller closes it (weights, optimiser state). */
  public Tensor release(Tensor tensor) {
    tensor.raw().retainReference();
    return tensor;
  }

  /** Adds a tensor without an owner to this thread's scope. */
  static void adopt(Tensor tensor) {
    Scope scope = INNERMOST.get();
    if (scope == null) throw new IllegalStateException("there is no scope");
    scope.pointers.attach(tensor.raw());
    tensor.raw().releaseReference();
  }

  @Override
  public void close() {
    if (closed) return;
    if (Thread.currentThread() != thread || INNERMOST.get() != this) {
      throw new IllegalStateException("a scope is closed by its own thread, innermost first");
    }
    closed = true;
    pointers.close();
    GradMode.set_enabled(gradientsBefore);
    if (outer == null) {
      INNERMOST.remove();
    } else {
      INNERMOST.set(outer);
    }
  }
}
