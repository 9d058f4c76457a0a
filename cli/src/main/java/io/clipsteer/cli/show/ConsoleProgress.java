// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.data.Progress;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import org.jspecify.annotations.Nullable;

/**
 * Progress on stderr for work that takes longer than two seconds: a bar on a terminal, a line every
 * ten seconds otherwise; with throughput, time left and share of the machine's matrix peak.
 */
public final class ConsoleProgress implements Progress {
  private static final double QUIET_SECONDS = 2;
  private static final double LINE_SECONDS = 10;

  private static double bestPeak;
  private static long nextPeak = System.nanoTime();

  /**
   * The fp32 matrix peak of this machine: the best seen so far. Measured again now and then, since
   * other work on the machine makes any one measurement too low.
   */
  private static synchronized double peak() {
    if (System.nanoTime() >= nextPeak) {
      bestPeak = Math.max(bestPeak, Engine.matrixPeak(DType.F32, 1024, 0.05));
      nextPeak = System.nanoTime() + (long) (LINE_SECONDS * 1e9);
    }
    return bestPeak;
  }

  @Override
  public Task start(String name, long total, String unit) {
    return new ConsoleTask(name, total, unit);
  }

  private static final class ConsoleTask implements Task {
    private final String name;
    private final long total;
    private final String unit;
    private final long start = System.nanoTime();
    private final boolean terminal = System.console() != null && System.console().isTerminal();
    private @Nullable ProgressBar bar;
    private double lastLine;
    private long before;
    private long done;
    private double flops;

    ConsoleTask(String name, long total, String unit) {
      this.name = name;
      this.total = total;
      this.unit = unit;
    }

    @Override
    public void advance(long units, double moreFlops) {
      done += units;
      flops += moreFlops;
      double seconds = (System.nanoTime() - start) * 1e-9;
      if (seconds < QUIET_SECONDS) return;
      if (terminal) {
        showBar(seconds);
      } else if (seconds - lastLine > LINE_SECONDS) {
        lastLine = seconds;
        System.err.printf(
            "[%s] %s: %s%s%n",
            Instant.now().truncatedTo(ChronoUnit.SECONDS),
            name,
            pace(before, done, total, unit, seconds),
            share(seconds));
      }
    }

    @Override
    public void resumed(long units) {
      before += units;
      done += units;
    }

    private void showBar(double seconds) {
      ProgressBar shown = bar;
      if (shown == null) {
        shown =
            new ProgressBarBuilder()
                .setTaskName(name)
                .setInitialMax(total)
                .startsFrom(done, Duration.ofMillis((long) (seconds * 1e3)))
                .setUnit(" " + unit, 1)
                .showSpeed()
                .setUpdateIntervalMillis(200)
                .setConsumer(new ConsoleProgressBarConsumer(System.err))
                .build();
        bar = shown;
      }
      shown.stepTo(done);
      shown.setExtraMessage(share(seconds));
    }

    private String share(double seconds) {
      if (flops == 0) return "";
      double share = flops / seconds / peak();
      // Above 1 the peak was measured on a busy machine: no share is better than an impossible one.
      return share > 1 ? "" : String.format(Locale.ROOT, ", %.0f %% of fp32 peak", 100 * share);
    }

    @Override
    public void close() {
      if (bar != null) bar.close();
    }
  }

  /**
   * How far, how fast and how long still, by what this start did.
   *
   * @param before units that an earlier start did
   * @param done all units done, those included
   * @param total all there are; not above 0 when unknown
   * @param seconds since this start
   */
  static String pace(long before, long done, long total, String unit, double seconds) {
    double rate = (done - before) / seconds;
    String of = total > 0 ? "/" + grouped(total) : "";
    String left =
        total > 0 && rate > 0
            ? String.format(Locale.ROOT, ", %.0f s left", (total - done) / rate)
            : "";
    // Slow work has a speed, too.
    String speed = rate < 10 ? String.format(Locale.ROOT, "%.1f", rate) : grouped(Math.round(rate));
    return grouped(done) + of + " " + unit + ", " + speed + " " + unit + "/s" + left;
  }

  private static String grouped(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }
}
