// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.util.List;
import org.apache.spark.SparkException;
import org.apache.spark.util.LongAccumulator;
import org.junit.jupiter.api.Test;

/** What an executor refuses, and how a failure is told. */
final class BlockTaskTest {
  @Test
  void anotherKindOfProcessorIsRefused() {
    var task =
        new BlockTask(List.of("harvest"), "harvest", 1, "NO SUCH KIND", new LongAccumulator());
    var e = assertThrows(InputException.class, () -> task.call(0));
    assertTrue(String.valueOf(e.getMessage()).contains("NO SUCH KIND"), e.toString());
    assertTrue(String.valueOf(e.getMessage()).contains("--mixed"), e.toString());
  }

  @Test
  void aFailureIsOneLine() {
    String own = "p.png: its embedding has length NaN. Check the image";
    String spark =
        "Job aborted due to stage failure: Task 0 failed: Lost task 0.3 in stage 1.0 (10.0.0.1"
            + " executor 1): io.clipsteer.data.InputException: "
            + own
            + "\n\tat io.clipsteer.cluster.BlockTask.call(BlockTask.java:30)";
    assertEquals(own, SparkCluster.failure(new SparkException(spark)).getMessage());
    String lost = "Job aborted: ExecutorLostFailure (executor 1 exited)\nDriver stacktrace:";
    String told = String.valueOf(SparkCluster.failure(new SparkException(lost)).getMessage());
    assertTrue(told.contains("ExecutorLostFailure") && !told.contains("stacktrace"), told);
  }
}
