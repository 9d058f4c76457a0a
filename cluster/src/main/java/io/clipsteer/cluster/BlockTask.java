// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.block.BlockCommands;
import io.clipsteer.lab.block.BlockWork;
import java.util.List;
import java.util.ServiceLoader;
import org.apache.spark.api.java.function.VoidFunction;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;

/**
 * What an executor does with a block. The work is opened once per executor: a model is loaded once.
 *
 * @param arguments of the command
 * @param stage of its work
 * @param threads of a tensor operation
 * @param processor kind of processor that the other executors have; null where any may take part
 * @param done counts what was computed
 */
record BlockTask(
    List<String> arguments,
    String stage,
    int threads,
    @Nullable String processor,
    LongAccumulator done)
    implements VoidFunction<Integer> {
  private static final Object LOCK = new Object();
  private static final Object ALONE = new Object();
  private static @Nullable BlockWork open;
  private static @Nullable List<String> opened;

  @Override
  public void call(Integer block) {
    Engine.threads(threads);
    String own = Engine.cpuCapability();
    if (processor != null && !processor.equals(own)) throw differs(List.of(processor, own));
    done.add(threads == 1 ? compute(block) : alone(block));
  }

  /**
   * A process has one number of threads for its products, and attention changes it meanwhile: a
   * second block at the same time would change the first one's last bits.
   */
  private long alone(int block) {
    synchronized (ALONE) {
      return compute(block);
    }
  }

  private long compute(int block) {
    return work(arguments).compute(stage, block);
  }

  static InputException differs(List<String> kinds) {
    return new InputException(
        "the cluster",
        "has processors of several kinds ("
            + String.join(", ", kinds)
            + "), whose last bits differ",
        "Choose machines of one kind, or give --mixed");
  }

  /** The executor ends with its process, and the model with it. */
  private static BlockWork work(List<String> arguments) {
    synchronized (LOCK) {
      BlockWork work = open;
      if (work != null && arguments.equals(opened)) return work;
      close();
      work =
          ServiceLoader.load(BlockCommands.class)
              .findFirst()
              .orElseThrow(() -> new IllegalStateException("no commands on the class path"))
              .open(arguments);
      open = work;
      opened = arguments;
      return work;
    }
  }

  /** Closes the work that a driver opened as its own executor. */
  static void close() {
    synchronized (LOCK) {
      if (open != null) open.close();
      open = null;
      opened = null;
    }
  }
}
