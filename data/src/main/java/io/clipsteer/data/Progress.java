// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import org.apiguardian.api.API;

/** Reports the progress of long work. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public interface Progress {
  /** Reports nothing. */
  Progress SILENT =
      new Progress() {
        @Override
        public Task start(String name, long total, String unit) {
          return new Task() {
            @Override
            public void advance(long units, double flops) {}

            @Override
            public void close() {}
          };
        }
      };

  /** One piece of work. */
  interface Task extends AutoCloseable {
    /**
     * Some of it is done.
     *
     * @param units how much, in the task's unit
     * @param flops floating-point operations that took, 0 when not counted
     */
    void advance(long units, double flops);

    /**
     * Some of it was done by an earlier start: it counts towards the total, but not towards the
     * speed, nor towards the time left.
     *
     * @param units how much, in the task's unit
     */
    default void resumed(long units) {
      advance(units, 0);
    }

    @Override
    void close();
  }

  /**
   * Starts a piece of work.
   *
   * @param name what is done
   * @param total how many units, −1 when unknown
   * @param unit what is counted, in the plural
   */
  Task start(String name, long total, String unit);
}
